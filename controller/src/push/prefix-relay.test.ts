import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PREFIXES_BYTES } from "../../../assembly/wire/prefixes.ts";
import { decodePrefixes, encodePrefixes, prefixRecord } from "../table/prefixes.ts";
import { PrefixRelay } from "./prefix-relay.ts";

const A = 11n;
const B = 22n;
/** Bytes of a record of so many keys. */
const recordBytes = (keys: number): number => 16 + keys * 8;

function relay(): PrefixRelay {
  const made = new PrefixRelay();
  made.retain([A, B]);
  return made;
}

/** A node tells of one prompt, whose only key names it. */
function tell(to: PrefixRelay, node: string, key: bigint, endpoint = A, keys = 1): void {
  const record = prefixRecord(endpoint, [key, ...Array<bigint>(keys - 1).fill(0n)]);
  to.add(node, decodePrefixes(encodePrefixes(1n, 1n, [record])));
}

function keysOf(records: readonly Uint8Array[]): readonly bigint[] {
  return records.map((record) => new DataView(record.buffer, record.byteOffset).getBigUint64(16, true));
}

test("a node is told what the others told since its last turn, in order, and nothing of its own", () => {
  const log = relay();
  tell(log, "one", 1n);
  tell(log, "two", 2n);
  tell(log, "one", 3n);
  assert.deepEqual(keysOf(log.take("two", 0)), [1n, 3n]);
  assert.deepEqual(keysOf(log.take("one", 0)), [2n]);
  const end = log.end;
  tell(log, "two", 4n);
  assert.deepEqual(keysOf(log.take("one", end)), [4n]);
  assert.deepEqual(keysOf(log.take("one", log.end)), []);
});

test("prompts of endpoints that no table names are not passed on", () => {
  const log = relay();
  tell(log, "one", 1n, 99n);
  tell(log, "one", 2n, B);
  log.retain([A]);
  tell(log, "one", 3n, B);
  assert.deepEqual(keysOf(log.take("two", 0)), [2n]);
  assert.deepEqual([log.accepted, log.dropped], [1, 2]);
});

test("who comes late gets the newest that one message holds, and the rest is counted as lost", () => {
  const log = relay();
  const keys = 1000;
  const fitting = Math.floor(MAX_PREFIXES_BYTES / recordBytes(keys));
  for (let told = 0; told < fitting + 3; told++) tell(log, "one", BigInt(told), A, keys);
  const taken = keysOf(log.take("two", 0));
  assert.equal(taken.length, fitting);
  assert.deepEqual([taken[0], taken.at(-1)], [3n, BigInt(fitting + 2)]);
  assert.deepEqual([log.sent, log.dropped], [fitting, 3]);
});

test("what is kept is bounded, however long nobody takes it", () => {
  const log = relay();
  const keys = 1000;
  for (let told = 0; told < 2_000; told++) tell(log, "one", BigInt(told), A, keys);
  const kept = keysOf(log.take("two", 0));
  assert.equal(kept.at(-1), 1_999n);
  assert.ok(log.bytes <= 32 * MAX_PREFIXES_BYTES, `${log.bytes} bytes`);
  assert.equal(log.sent + log.dropped, 2_000, "the rest was lost to the receiver, and counted once");
});

test("what is kept does not hold the message that brought it", () => {
  const log = relay();
  const record = prefixRecord(A, [5n]);
  // As gRPC hands it over.
  const message = Buffer.from(encodePrefixes(1n, 1n, [record]));
  log.add("one", decodePrefixes(message));
  message.fill(0);
  assert.deepEqual(keysOf(log.take("two", 0)), [5n]);
});

test("cleared, it keeps nothing, and places in it stay what they were", () => {
  const log = relay();
  tell(log, "one", 1n);
  log.clear();
  assert.equal(log.bytes, 0);
  const end = log.end;
  tell(log, "one", 2n);
  assert.deepEqual(keysOf(log.take("two", end)), [2n]);
});
