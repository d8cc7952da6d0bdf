/**
 * A shorter list on which `fails` still holds: runs of elements are left out, long ones first (delta debugging, at
 * most `mostTrials` runs).
 */
export function shrinkList<T>(
  list: readonly T[],
  fails: (list: readonly T[]) => boolean,
  mostTrials = 5_000,
): readonly T[] {
  let best = list;
  let trials = 0;
  for (let shorter = true; shorter; ) {
    const length = best.length;
    for (let run = Math.max(1, best.length >>> 1); run >= 1; run >>>= 1) {
      for (let at = 0; at < best.length && trials < mostTrials; ) {
        const candidate = [...best.slice(0, at), ...best.slice(at + run)];
        trials++;
        if (fails(candidate)) best = candidate;
        else at += run;
      }
    }
    shorter = best.length < length && trials < mostTrials;
  }
  return best;
}

/** Bytes that say nothing, in place of those that can be replaced. */
const PLAIN_BYTES = [0x61, 0x30, 0x20];

/** Fewer bytes on which `fails` still holds, plain ones where it does not matter which. */
export function shrinkBytes(bytes: Uint8Array, fails: (bytes: Uint8Array) => boolean): Uint8Array {
  const best = Uint8Array.from(shrinkList([...bytes], (list) => fails(Uint8Array.from(list))));
  for (let at = 0; at < Math.min(best.length, 2048); at++) {
    const byte = best[at]!;
    for (const plain of PLAIN_BYTES) {
      if (PLAIN_BYTES.includes(best[at]!)) break;
      best[at] = plain;
      if (!fails(best)) best[at] = byte;
    }
  }
  return best;
}
