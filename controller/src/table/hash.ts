/** FNV's 64-bit offset basis 0xcbf29ce484222325 in two halves. */
const BASIS_HIGH = 0xcbf29ce4;
const BASIS_LOW = 0x84222325;
/** FNV's 64-bit prime is 2^40 + 0x1b3. */
const PRIME_LOW = 0x1b3;

const encoder = new TextEncoder();

/**
 * FNV-1a, 64 bits, over the UTF-8 bytes of `text`
 * (http://www.isthe.com/chongo/tech/comp/fnv/): the id of an endpoint is the hash of its address.
 * Works in two 32-bit halves, since a BigInt product a byte costs a hundred times as much.
 */
export function fnv1a64(text: string): bigint {
  let high = BASIS_HIGH;
  let low = BASIS_LOW;
  const bytes = encoder.encode(text);
  for (let index = 0; index < bytes.length; index++) {
    low = (low ^ bytes[index]!) >>> 0;
    // Both products stay below 2^42, so doubles hold them exactly.
    const product = low * PRIME_LOW;
    const carry = Math.floor(product / 0x1_0000_0000);
    high = (high * PRIME_LOW + carry + ((low << 8) >>> 0)) >>> 0;
    low = product >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
