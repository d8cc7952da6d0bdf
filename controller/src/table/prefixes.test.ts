import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as L from "../../../assembly/wire/layout.ts";
import { MAX_PREFIX_KEYS, MAX_PREFIXES_BYTES } from "../../../assembly/wire/prefixes.ts";
import { decodePrefixes, encodePrefixes, prefixRecord, secretTag } from "./prefixes.ts";
import { WireError } from "./wire-error.ts";

const RECORDS = [prefixRecord(7n, [1n, 2n, 2n ** 64n - 1n]), prefixRecord(8n, [3n])];
const RECORDS_AT = L.HEADER_FIXED_BYTES + L.DIRECTORY_ENTRY_BYTES;

function refusal(bytes: Uint8Array): number {
  try {
    decodePrefixes(bytes);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return error.refusal;
  }
  return L.ACCEPTED;
}

/** A message of whatever bytes in the place of records. */
function messageOf(records: Uint8Array): Uint8Array {
  return encodePrefixes(5n, 1n, [records]);
}

test("prefixes read back as they were written", () => {
  const { tag, records } = decodePrefixes(encodePrefixes(5n, 9n, RECORDS));
  assert.equal(tag, 5n);
  assert.deepEqual(
    records.map(({ endpoint, bytes }) => [endpoint, Buffer.from(bytes).toString("hex")]),
    [
      [7n, Buffer.from(RECORDS[0]!).toString("hex")],
      [8n, Buffer.from(RECORDS[1]!).toString("hex")],
    ],
  );
  assert.deepEqual(decodePrefixes(encodePrefixes(5n, 9n, [])).records, []);
});

test("a record that is cut, without keys or with too many is refused with the whole message", () => {
  const whole = Buffer.concat(RECORDS);
  for (let bytes = 1; bytes < whole.length; bytes++) {
    const good = bytes === RECORDS[0]!.length;
    assert.equal(refusal(messageOf(whole.subarray(0, bytes))), good ? L.ACCEPTED : L.REFUSED_REFERENCE);
  }
  for (const keys of [0, MAX_PREFIX_KEYS + 1, 0xffffffff]) {
    const record = prefixRecord(7n, [1n]);
    new DataView(record.buffer).setUint32(8, keys, true);
    assert.equal(refusal(messageOf(record)), L.REFUSED_VALUE, `${keys}`);
  }
});

test("more records than a message may hold are refused", () => {
  const record = prefixRecord(7n, Array<bigint>(MAX_PREFIX_KEYS).fill(1n));
  const fitting = Math.floor(MAX_PREFIXES_BYTES / record.length);
  assert.equal(refusal(encodePrefixes(5n, 1n, Array(fitting).fill(record))), L.ACCEPTED);
  assert.equal(refusal(encodePrefixes(5n, 1n, Array(fitting + 1).fill(record))), L.REFUSED_TOO_MANY_ROWS);
});

test("whatever bytes come, they are read or refused, and never anything else", () => {
  const seed = 20261126;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255))),
      (garbage, edits) => {
        refusal(garbage);
        refusal(messageOf(garbage));
        const bytes = encodePrefixes(5n, 9n, RECORDS);
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        if (refusal(bytes) !== L.ACCEPTED) return;
        const end = RECORDS_AT + bytes.length;
        for (const record of decodePrefixes(bytes).records) assert.ok(record.bytes.byteOffset < end);
      },
    ),
    { seed, numRuns: 2_000 },
  );
});

test("a tag names a secret for every program alike, and is not the secret", () => {
  // FNV-1a of eight zero bytes.
  assert.equal(secretTag(0n), 0xa8c7f832281a39c5n);
  assert.notEqual(secretTag(1n), secretTag(2n));
  assert.notEqual(secretTag(77n), 77n);
});
