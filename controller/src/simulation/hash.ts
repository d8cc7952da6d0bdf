/**
 * Hashes of block chains as plain numbers. 52 bits are kept, so that every hash is a safe integer and
 * can be a key without allocation; with a million distinct blocks the chance of any collision is
 * about 1e12 / 2^53 = 1e-4, and one would only make the model count a hit too many.
 */

const TWO_32 = 4294967296;

/** Hash of `value` (a safe integer ≥ 0) after `parent` (a hash, or a seed ≥ 0). In [0, 2^52). */
export function chainHash(parent: number, value: number): number {
  return pack(
    mix32((parent | 0) ^ Math.imul(value | 0, 0x9e3779b1), (value / TWO_32) | 0),
    mix32(((parent / TWO_32) | 0) ^ Math.imul(value | 0, 0x85ebca77), parent | 0),
  );
}

/**
 * Hash of the bytes [from, to) after `parent`; a short last word is padded with zeros.
 * `to - from` is taken in, so that a padded block differs from one that ends in zeros.
 */
export function chainHashBytes(parent: number, bytes: Uint8Array, from: number, to: number): number {
  let a = (parent | 0) ^ (to - from);
  let b = (parent / TWO_32) | 0;
  let i = from;
  for (; i + 4 <= to; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    a = Math.imul(rotate(a ^ word, 13), 0x85ebca6b);
    b = Math.imul(rotate(b + word, 17), 0xc2b2ae35) ^ a;
  }
  if (i < to) {
    let word = 0;
    for (let shift = 0; i < to; i++, shift += 8) word |= bytes[i]! << shift;
    a = Math.imul(rotate(a ^ word, 13), 0x85ebca6b);
    b = Math.imul(rotate(b + word, 17), 0xc2b2ae35) ^ a;
  }
  return pack(mix32(a, b), mix32(b, a));
}

/** Hash of a text's UTF-16 code units, for seeds. */
export function textHash(text: string): number {
  let a = 0x811c9dc5 | 0;
  let b = 0x1b873593 | 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(rotate(b ^ unit, 15), 0xcc9e2d51);
  }
  return pack(mix32(a, b), mix32(b, a));
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

function mix32(x: number, y: number): number {
  let h = x ^ Math.imul(y, 0x27d4eb2f) ^ 0x165667b1;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function pack(lo: number, hi: number): number {
  return (hi & 0xfffff) * TWO_32 + (lo >>> 0);
}
