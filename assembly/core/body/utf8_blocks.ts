/**
 * UTF-8 checked 16 bytes at a time, after J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per
 * Byte" (2021), section 6: three look-ups by half bytes, each a set of the mistakes that its half byte allows, and a
 * mistake is what all three allow. Left out is their mistake "surrogate", so that ED A0 80 to ED BF BF pass.
 */

// A mistake of two neighbouring bytes, a bit each.
/** A first byte, and no continuation behind it. */
const TOO_SHORT: u8 = 1;
/** A continuation behind ASCII. */
const TOO_LONG: u8 = 2;
/** E0 80 to E0 9F. */
const OVERLONG_3: u8 = 4;
/** F5 and above, or F4 90 and above. */
const TOO_LARGE: u8 = 8;
/** C0 and C1. */
const OVERLONG_2: u8 = 32;
/** F5 to FF with 80 to 8F; shares its bit with F0 80 to F0 8F, which no other byte can be mistaken for. */
const TOO_LARGE_1000: u8 = 64;
const OVERLONG_4: u8 = 64;
/** Two continuations in a row: no mistake if a first byte two or three before asks for it. */
const TWO_CONTINUATIONS: u8 = 128;
/** Mistakes that the low half of the first byte says nothing about. */
const CARRY: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;

// Tables of 16 bytes each. They are read from memory, since V8 makes a constant of a vector anew at each use.
/** Mistakes by the high half of the byte before. */
// prettier-ignore
const BEFORE_HIGH = memory.data<u8>([
  TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
  TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS, TWO_CONTINUATIONS,
  TOO_SHORT | OVERLONG_2,
  TOO_SHORT,
  TOO_SHORT | OVERLONG_3,
  TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
], 16);
/** By its low half. */
// prettier-ignore
const BEFORE_LOW = memory.data<u8>([
  CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
  CARRY | OVERLONG_2,
  CARRY, CARRY,
  CARRY | TOO_LARGE,
  CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
  CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
  CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
  CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
], 16);
/** By the high half of the byte itself. */
// prettier-ignore
const HIGH = memory.data<u8>([
  TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
  TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
  TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE,
  TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | TOO_LARGE,
  TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | TOO_LARGE,
  TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
], 16);

/**
 * Bytes of `now` that are not 0 in the result cannot stand there; `before` are the 16 bytes before them, known to be
 * right. What the end of `now` leaves open shows in the next 16 bytes.
 */
// prettier-ignore
@inline
export function utf8Mistakes(before: v128, now: v128): v128 {
  const low = i8x16.splat(0x0f);
  // prettier-ignore
  const one = i8x16.shuffle(before, now, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  // prettier-ignore
  const two = i8x16.shuffle(before, now, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
  // prettier-ignore
  const three = i8x16.shuffle(before, now, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28);
  const pairs = v128.and(
    v128.and(
      i8x16.swizzle(v128.load(BEFORE_HIGH), v128.and(i16x8.shr_u(one, 4), low)),
      i8x16.swizzle(v128.load(BEFORE_LOW), v128.and(one, low)),
    ),
    i8x16.swizzle(v128.load(HIGH), v128.and(i16x8.shr_u(now, 4), low)),
  );
  // The highest bit: two before is E0 and above, or three before is F0 and above.
  const asked = v128.or(
    i8x16.sub_sat_u(two, i8x16.splat(0x60)),
    i8x16.sub_sat_u(three, i8x16.splat(0x70)),
  );
  return v128.xor(v128.and(asked, i8x16.splat(<i8>0x80)), pairs);
}
