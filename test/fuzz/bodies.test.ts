import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Coverage } from "./coverage.ts";
import { Dice } from "./dice.ts";
import { Bodies } from "./targets/bodies.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
console.log(`seed ${SEED}`);

const coverage = new Coverage();
const bodies = new Bodies(coverage);

/** Of all agreements that `check` holds, only that it throws none is left to say. */
function holds<T>(arbitrary: fc.Arbitrary<T>, bytesOf: (value: T) => Uint8Array, runs: number): void {
  const property = fc.property(arbitrary, fc.integer(), (value, cuts) => {
    bodies.check(bytesOf(value), new Dice(cuts));
  });
  fc.assert(property, { seed: SEED, numRuns: runs });
}

test("every JSON document means what JSON.parse says, however it is cut", () => {
  holds(fc.json({ depthSize: "large" }), (text) => Buffer.from(text), 1000);
});

test("every object under the keys that are read means what JSON.parse says", () => {
  const keys = ["model", "stream", "stream_options", "max_tokens", "n", "priority", "cache_salt", "user"];
  const key = fc.constantFrom(...keys, "messages", "input", "tools", "content", "type", "include_usage");
  const body = fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue())));
  holds(body, (value) => Buffer.from(JSON.stringify(value)), 1000);
});

test("any bytes are taken or refused as Python takes or refuses them, and at the same byte however they are cut", () => {
  holds(fc.uint8Array({ maxLength: 64 }), (bytes) => bytes, 1000);
  const pieces = [
    '{"',
    '":',
    '"',
    "\\",
    "\\u",
    "d83d",
    "{",
    "}",
    "[",
    "]",
    ",",
    "1",
    "-",
    ".",
    "e",
    "true",
    "NaN",
  ];
  const text = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary" })), {
    maxLength: 12,
  });
  holds(text, (parts) => Buffer.from(`{"${parts.join("")}`), 2000);
});

test("in every state the scanner meets every class of bytes, and says what the oracle says", () => {
  let count = 0;
  for (const body of bodies.always()) bodies.check(body, new Dice(count++));
  assert.ok(count > 20_000, `${count} bodies`);
  assert.deepEqual(coverage.missing(), []);
  assert.equal(coverage.hitCount, coverage.possible);
});
