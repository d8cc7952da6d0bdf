import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32, inflateSync } from "node:zlib";
import { heatMap, MOST_ROWS, mostInFlight } from "./heat-map.ts";
import { palettePng } from "./png.ts";

/** Chunks of a PNG by name, their checksums compared. */
function chunksOf(file: Buffer): ReadonlyMap<string, Buffer> {
  assert.deepEqual([...file.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const bytes = file.readUInt32BE(at);
    const named = file.subarray(at + 4, at + 8 + bytes);
    assert.equal(file.readUInt32BE(at + 8 + bytes), crc32(named));
    chunks.set(named.toString("latin1", 0, 4), named.subarray(4));
    at += bytes + 12;
  }
  return chunks;
}

function pictureOf(url: string): readonly (readonly number[])[] {
  const [, base64] = /^data:image\/png;base64,(.*)$/.exec(url)!;
  const chunks = chunksOf(Buffer.from(base64!, "base64"));
  const [width, height] = [chunks.get("IHDR")!.readUInt32BE(0), chunks.get("IHDR")!.readUInt32BE(4)];
  const pixels = inflateSync(chunks.get("IDAT")!);
  return Array.from({ length: height }, (_, row) => [
    ...pixels.subarray(row * (width + 1) + 1, (row + 1) * (width + 1)),
  ]);
}

describe("a picture", () => {
  it("is a PNG with the palette and the rows that were given", () => {
    const chunks = chunksOf(
      palettePng(
        [
          [0, 1, 1],
          [1, 0, 0],
        ],
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ),
    );
    assert.deepEqual([...chunks.keys()], ["IHDR", "PLTE", "IDAT", "IEND"]);
    assert.deepEqual([...chunks.get("IHDR")!], [0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0]);
    assert.deepEqual([...chunks.get("PLTE")!], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...inflateSync(chunks.get("IDAT")!)], [0, 0, 1, 1, 0, 1, 0, 0]);
    assert.throws(() => palettePng([], [[0, 0, 0]]), RangeError);
  });
});

describe("a heat map", () => {
  it("has a row for each endpoint and a column for each sample, from none to the most", () => {
    const map = heatMap(
      {
        intervalMs: 100,
        inFlight: [
          [0, 10],
          [5, 20],
        ],
      },
      20,
    );
    assert.deepEqual(pictureOf(map!.url), [
      [0, 32],
      [16, 63],
    ]);
    assert.deepEqual([map!.perRow, map!.seconds], [1, 0.2]);
  });

  it("shows the busiest of each group where there are many endpoints", () => {
    const inFlight = Array.from({ length: 2 * MOST_ROWS + 1 }, (_, endpoint) => [endpoint === 4 ? 8 : 0]);
    const map = heatMap({ intervalMs: 100, inFlight }, 8)!;
    const picture = pictureOf(map.url);
    assert.equal(map.perRow, 3);
    assert.ok(picture.length <= MOST_ROWS && picture.length === map.rows);
    assert.deepEqual(picture.slice(0, 3), [[0], [63], [0]]);
  });

  it("is none without samples, and is empty where nothing was in flight", () => {
    assert.equal(heatMap({ intervalMs: 100, inFlight: [] }, 3), undefined);
    assert.deepEqual(pictureOf(heatMap({ intervalMs: 100, inFlight: [[0]] }, 0)!.url), [[0]]);
    assert.equal(
      mostInFlight([
        {
          intervalMs: 1,
          inFlight: [
            [1, 7],
            [3, 2],
          ],
        },
      ]),
      7,
    );
  });
});
