import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as L from "../../../assembly/wire/layout.ts";
import { decodeReport, encodeReport, type Report } from "./report.ts";
import { refusalName, WireError } from "./wire-error.ts";

const REPORT: Report = {
  epoch: 1795542373000n,
  sequence: 42n,
  node: "gateway-7d9f-é",
  generation: 18446744073709551615n,
  holder: 3n,
  tablesRefused: 2,
  lastRefusal: L.REFUSED_VERSION,
  liveSlots: 5,
  missingTerms: new Map([[7n, 64]]),
  secret: 18446744073709551557n,
  learned: {
    pools: [
      {
        id: 7n,
        stepMs: 6.5,
        contextTokenMs: 0.00006103515625,
        sequenceMs: 0.25,
        promptTokenMs: 0.03125,
        outputTokens: 220.5,
        tokensPerByte: 0.25,
        observations: 600,
      },
    ],
    slowness: new Map([
      [1n, 0.75],
      [12638153115695167455n, 2.5],
    ]),
  },
  endpoints: [
    {
      id: 12638153115695167455n,
      requests: 7,
      uncachedTokens: 4096,
      residentTokens: 9000000000n,
      picks: 123n,
    },
    { id: 1n, requests: 0, uncachedTokens: 0, residentTokens: 0n, picks: 0n },
  ],
};

function refusal(bytes: Uint8Array): number {
  try {
    decodeReport(bytes);
  } catch (error) {
    assert.ok(error instanceof WireError);
    assert.equal(error.code, "WIRE_REFUSED");
    return error.refusal;
  }
  return L.ACCEPTED;
}

function edited(edit: (view: DataView) => void): Uint8Array {
  const bytes = encodeReport(REPORT);
  edit(new DataView(bytes.buffer));
  return bytes;
}

function entry(section: number): number {
  return L.HEADER_FIXED_BYTES + section * L.DIRECTORY_ENTRY_BYTES;
}

describe("a report", () => {
  it("reads back as it was written", () => {
    assert.deepEqual(decodeReport(encodeReport(REPORT)), REPORT);
    const { secret: _, learned: __, ...older } = REPORT;
    const bare = { ...older, node: "", endpoints: [] };
    assert.deepEqual(decodeReport(encodeReport(bare)), bare);
  });

  it("reads from the middle of a larger buffer", () => {
    const bytes = encodeReport(REPORT);
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 3);
    assert.deepEqual(decodeReport(larger.subarray(3, 3 + bytes.length)), REPORT);
  });

  it("is refused for what is wrong with it, with the value and the bound", () => {
    assert.equal(refusal(new Uint8Array(0)), L.REFUSED_TRUNCATED);
    assert.equal(refusal(encodeReport(REPORT).subarray(0, 100)), L.REFUSED_TRUNCATED);
    assert.equal(refusal(new Uint8Array(L.MAX_MESSAGE_BYTES + 1)), L.REFUSED_OVERSIZED);
    assert.equal(
      refusal(edited((view) => view.setUint16(L.HEADER_KIND, L.KIND_TABLE, true))),
      L.REFUSED_KIND,
    );
    assert.equal(refusal(edited((view) => view.setUint16(L.HEADER_VERSION, 9, true))), L.REFUSED_VERSION);
    assert.equal(
      refusal(edited((view) => view.setUint32(L.HEADER_SECTION_COUNT, 65, true))),
      L.REFUSED_HEADER,
    );
    // Without its identity a report is nobody's.
    const counts = (section: number, count: number) =>
      refusal(edited((view) => view.setUint32(entry(section) + L.ENTRY_COUNT, count, true)));
    assert.equal(counts(L.REPORT_SECTION_IDENTITY, 0), L.REFUSED_SECTION);
    assert.equal(counts(L.REPORT_SECTION_IDENTITY, 2), L.REFUSED_TOO_MANY_ROWS);
    assert.equal(counts(L.REPORT_SECTION_ENDPOINTS, L.MAX_ENDPOINTS + 1), L.REFUSED_TOO_MANY_ROWS);
    assert.equal(counts(L.REPORT_SECTION_ENDPOINTS, 100), L.REFUSED_SECTION);
    assert.equal(counts(L.REPORT_SECTION_STRINGS, 3), L.REFUSED_REFERENCE);
    const twice = { ...REPORT, endpoints: [REPORT.endpoints[1]!, REPORT.endpoints[1]!] };
    assert.equal(refusal(encodeReport(twice)), L.REFUSED_VALUE);
    assert.throws(
      () => decodeReport(new Uint8Array(3)),
      (error) => error instanceof WireError && error.value === 3 && error.bound === 4,
    );
  });

  it("never does anything but be read or be refused, whatever bytes are changed or cut off", () => {
    const bytes = encodeReport(REPORT);
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat({ max: bytes.length }), (changes, cut) => {
        const broken = bytes.slice();
        for (const [at, value] of changes) broken[at] = value;
        refusal(broken);
        refusal(broken.subarray(0, cut));
      }),
      { numRuns: 2000 },
    );
  });

  it("names refusals in words, also those of a later version", () => {
    assert.equal(refusalName(L.ACCEPTED), "none");
    assert.equal(refusalName(L.REFUSED_STALE_SEQUENCE), "stale-sequence");
    assert.equal(refusalName(99), "unknown-99");
  });
});
