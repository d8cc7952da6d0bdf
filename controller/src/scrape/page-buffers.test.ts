import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PageBuffers } from "./page-buffers.ts";

describe("the buffers of pages", () => {
  it("keep what is in them as they grow", () => {
    const buffers = new PageBuffers();
    const small = buffers.grown(undefined, 0, 10);
    small.fill(7, 0, 10);
    const large = buffers.grown(small, 10, 300_000);
    assert.ok(large.length >= 300_000);
    assert.deepEqual(
      [...large.subarray(0, 10)],
      Array.from({ length: 10 }, () => 7),
    );
    assert.equal(buffers.grown(large, 10, 300_000), large);
  });

  it("are used again after their release, and by one page at a time", () => {
    const buffers = new PageBuffers();
    const first = buffers.grown(undefined, 0, 1);
    const second = buffers.grown(undefined, 0, 1);
    assert.notEqual(first, second);
    buffers.release(first);
    assert.equal(buffers.grown(undefined, 0, 1), first);
  });

  it("are kept four at most, and none that a large page needed", () => {
    const buffers = new PageBuffers();
    const large = buffers.grown(undefined, 0, 256 * 1024 + 1);
    buffers.release(large);
    const pages = Array.from({ length: 5 }, () => buffers.grown(undefined, 0, 1));
    assert.equal(pages.includes(large), false);
    for (const page of pages) buffers.release(page);
    const again = Array.from({ length: 5 }, () => buffers.grown(undefined, 0, 1));
    assert.equal(again.filter((page) => pages.includes(page)).length, 4);
  });
});
