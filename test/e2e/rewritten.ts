import assert from "node:assert/strict";
import type { SeededRandom } from "../emulator/random.ts";
import type { GeneratedBody } from "./generated-body.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * What the received body says in the place of each model of the sent one.
 * @throws AssertionError where any byte differs outside of the models' values, or one of them is no JSON string
 */
export function namesInPlace(sent: GeneratedBody, received: Buffer): readonly string[] {
  const names: string[] = [];
  let from = 0;
  let at = 0;
  for (const { start, end } of sent.models) {
    at = sameBytes(sent.bytes.subarray(from, start), received, at);
    const stringEnd = endOfString(received, at);
    names.push(JSON.parse(received.toString("utf8", at, stringEnd)) as string);
    at = stringEnd;
    from = end;
  }
  at = sameBytes(sent.bytes.subarray(from), received, at);
  assert.equal(received.length, at, "the body goes on");
  return names;
}

/** The place behind `expected`, which must stand at `at`. */
function sameBytes(expected: Buffer, received: Buffer, at: number): number {
  const end = at + expected.length;
  if (!received.subarray(at, end).equals(expected)) {
    const differs = expected.findIndex((byte, index) => received[at + index] !== byte);
    const around = (bytes: Buffer, place: number) =>
      bytes.toString("latin1", Math.max(0, place - 40), place + 40);
    assert.fail(
      `differs at byte ${at + differs}: sent ${around(expected, differs)}, received ${around(received, at + differs)}`,
    );
  }
  return end;
}

function endOfString(bytes: Buffer, at: number): number {
  assert.equal(bytes[at], QUOTE, `a string at byte ${at}`);
  for (let i = at + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i++;
    else if (bytes[i] === QUOTE) return i + 1;
  }
  return assert.fail(`the string at byte ${at} does not end`);
}

/** Cuts into pieces at odd places: as one, in a few places, byte by byte around `near`, or all over. */
export function cut(bytes: Buffer, near: number, random: SeededRandom): readonly Buffer[] {
  const kind = random.below(10);
  const cuts = new Set<number>();
  if (kind >= 7) {
    const first = Math.max(1, near - random.below(12));
    for (let at = first; at < first + 24; at++) cuts.add(at);
  } else if (kind >= 3) {
    for (let count = 1 + random.below(4); count > 0; count--) cuts.add(1 + random.below(bytes.length));
  } else if (kind === 2 && bytes.length < 1000) {
    for (let at = 1; at < bytes.length; at += 1 + random.below(9)) cuts.add(at);
  }
  const places = [...cuts].filter((at) => at < bytes.length).sort((a, b) => a - b);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}

/** Each piece in a turn of the event loop of its own, so that it is a write of its own. */
export async function* oneByOne(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    yield piece;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Fails where `seen` of `count` draws is further from the share than chance takes it once in 150,000 runs. */
export function assertShare(what: string, seen: number, count: number, share: number): void {
  const sigma = Math.sqrt(count * share * (1 - share));
  const off = Math.abs(seen - count * share);
  assert.ok(
    off <= 4.5 * sigma,
    `${what}: ${seen} of ${count}, ${(off / sigma).toFixed(1)} sigma from ${share}`,
  );
}
