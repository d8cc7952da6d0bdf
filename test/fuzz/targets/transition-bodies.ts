import { STATE_COUNT } from "../../../assembly/core/body/scan_states.ts";
import { BYTE_CLASSES } from "../byte-classes.ts";
import type { ScannerProbe } from "./scanner-probe.ts";

/** Places in a body where the scanner's stack and what it reads differ. */
const PLACES = [
  "",
  '{"a":',
  '{"model":',
  '{"cache_salt":"',
  '{"stream_options":{"include_usage":',
  '{"messages":[{"content":[{"type":',
  '{"a":[1,',
  '{"a":{"b":[[{"c":[',
  `{"a":${"[".repeat(1022)}`,
];
/** What follows the byte that is tried. */
const TAILS = ["", '"}', "}", "e1}"];

/**
 * Bodies that meet each state, at each of the places, with a byte of each class: whatever chance leaves out, every
 * transition is taken.
 */
export function* transitionBodies(probe: ScannerProbe): Iterable<Uint8Array> {
  let turn = 0;
  for (const place of PLACES) {
    for (const beginning of waysToStates(probe, Buffer.from(place))) {
      for (const { bytes } of BYTE_CLASSES) {
        const tail = Buffer.from(TAILS[turn % TAILS.length]!);
        yield Buffer.concat([beginning, Buffer.of(bytes[turn % bytes.length]!), tail]);
        turn++;
      }
    }
  }
}

/** For each state that can be reached behind `place`, the shortest bytes that reach it (breadth first). */
function waysToStates(probe: ScannerProbe, place: Buffer): readonly Buffer[] {
  const ways: Buffer[] = [place];
  const seen = new Set<number>([probe.stateBehind(place)]);
  for (let at = 0; at < ways.length && seen.size < STATE_COUNT; at++) {
    for (const { bytes } of BYTE_CLASSES) {
      const way = Buffer.concat([ways[at]!, Buffer.of(bytes[0]!)]);
      const state = probe.stateBehind(way);
      if (seen.has(state)) continue;
      seen.add(state);
      ways.push(way);
    }
  }
  return ways;
}
