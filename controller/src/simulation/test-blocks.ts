import { chainHash } from "./hash.ts";

/** Hashes of so many blocks of a prompt, for tests; prompts of one seed begin alike. */
export function chain(seed: number, blocks: number): number[] {
  const hashes: number[] = [];
  let hash = seed;
  for (let i = 0; i < blocks; i++) {
    hash = chainHash(hash, i);
    hashes.push(hash);
  }
  return hashes;
}
