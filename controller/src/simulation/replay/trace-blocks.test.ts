import assert from "node:assert/strict";
import { test } from "node:test";
import { traceBlocks } from "./trace-blocks.ts";

function hashes(
  promptTokens: number,
  prefixBlocks: readonly number[] | undefined,
  blockTokens = 16,
): number[] {
  const request = { arrivalMs: 0, promptTokens, outputTokens: 1 };
  const blocks = traceBlocks(
    prefixBlocks === undefined ? request : { ...request, prefixBlocks },
    blockTokens,
  );
  return Array.from({ length: blocks.length }, (_, block) => blocks.at(block)!);
}

test("prompts share the blocks of the ids that they share, and no others", () => {
  const [a, b] = [hashes(1600, [7, 8, 9, 10]), hashes(1600, [7, 8, 11, 12])];
  assert.equal(a.length, 100);
  assert.deepEqual(a.slice(0, 64), b.slice(0, 64));
  assert.equal(new Set([...a, ...b]).size, 64 + 36 + 36);
});

test("a block that the prompt fills in part only has no hash", () => {
  assert.equal(hashes(15, [1]).length, 0);
  assert.deepEqual(hashes(47, [1]), hashes(512, [1]).slice(0, 2));
});

test("hashes of one id follow one another, whatever the order in which they are asked for", () => {
  const [first = 0, ...rest] = hashes(512, [123_456]);
  assert.deepEqual(
    rest,
    rest.map((_, index) => first + 1 + index),
  );
  const blocks = traceBlocks({ arrivalMs: 0, promptTokens: 1024, outputTokens: 1, prefixBlocks: [5, 6] }, 32);
  const forwards = Array.from({ length: 32 }, (_, block) => blocks.at(block));
  assert.deepEqual(Array.from({ length: 32 }, (_, block) => blocks.at(31 - block)).reverse(), forwards);
});

test("ids far apart have hashes of their own", () => {
  const seen = new Set<number>();
  for (let id = 0; id < 1_000_000; id += 997) for (const hash of hashes(64, [id])) seen.add(hash);
  assert.equal(seen.size, 4 * Math.ceil(1_000_000 / 997));
});

test("a prompt of which nothing is known shares nothing", () => {
  assert.equal(hashes(5000, undefined).length, 0);
});
