import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type AccessLogEntry, AccessLogReader, ServedFigures, wasPicked } from "./access-log.ts";

function entry(more: Partial<AccessLogEntry> = {}): AccessLogEntry {
  return {
    status: 200,
    duration_ms: 10,
    cluster: "c",
    picked: "a:1,b:1",
    served: "a:1",
    attempts: 1,
    ...more,
  };
}

describe("was a request picked by the filter", () => {
  it("yes if its first choice answered", () => assert.equal(wasPicked(entry()), true));
  it("no if another that it named answered at the first attempt", () =>
    assert.equal(wasPicked(entry({ served: "b:1" })), false));
  it("yes if another that it named answered after a retry", () =>
    assert.equal(wasPicked(entry({ served: "b:1", attempts: 2 })), true));
  it("no if one that it did not name answered", () =>
    assert.equal(wasPicked(entry({ served: "c:1", attempts: 2 })), false));
  it("no without a pick, or without an answer from an endpoint", () => {
    assert.equal(wasPicked(entry({ picked: null })), false);
    assert.equal(wasPicked(entry({ served: null })), false);
  });
});

describe("an access log that grows", () => {
  const folder = mkdtempSync(join(tmpdir(), "inference-picker-log-"));
  const path = join(folder, "access.log");
  after(() => rmSync(folder, { recursive: true }));

  it("gives whole lines once, also where a read ends within a character", () => {
    const reader = new AccessLogReader(path);
    assert.deepEqual(reader.read(), []);
    const line = Buffer.from(`${JSON.stringify(entry({ cluster: "zürich" }))}\n`);
    const within = line.indexOf(0xc3) + 1;
    appendFileSync(path, line.subarray(0, within));
    assert.deepEqual(reader.read(), []);
    appendFileSync(path, Buffer.concat([line.subarray(within), line]));
    assert.deepEqual(
      reader.read().map(({ cluster }) => cluster),
      ["zürich", "zürich"],
    );
    assert.deepEqual(reader.read(), []);
  });

  it("passes over lines that are not JSON objects", () => {
    const reader = new AccessLogReader(path);
    const before = reader.read().length;
    appendFileSync(path, `half a li\n7\n${JSON.stringify(entry())}\n`);
    assert.ok(before > 0);
    assert.equal(reader.read().length, 1);
  });

  it("begins anew where it was cut short", () => {
    const reader = new AccessLogReader(path);
    reader.read();
    writeFileSync(path, `${JSON.stringify(entry({ served: "b:1" }))}\n`);
    assert.deepEqual(
      reader.read().map(({ served }) => served),
      ["b:1"],
    );
  });
});

describe("what is counted of it", () => {
  it("keeps apart what the filter did not pick and what no endpoint answered", () => {
    const figures = new ServedFigures();
    figures.add([entry(), entry({ picked: null }), entry({ picked: null, served: null, status: 503 })], 0);
    assert.deepEqual([figures.requests, figures.unpicked, figures.failed], [3, 1, 1]);
  });

  it("has percentiles by host over ten seconds", () => {
    const figures = new ServedFigures();
    figures.add(
      [10, 20, 30].map((duration_ms) => entry({ duration_ms })),
      0,
    );
    assert.equal(figures.of("a:1", 9000)?.p50Ms, 20);
    assert.equal(figures.of("a:1", 9000)?.p99Ms, 30);
    assert.ok(Number.isNaN(figures.of("a:1", 11_000)?.p50Ms));
    assert.equal(figures.of("b:1", 0), undefined);
  });
});
