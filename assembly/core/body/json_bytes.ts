/** The bytes that JSON is made of. */
export const QUOTE: u32 = 0x22;
export const BACKSLASH: u32 = 0x5c;
export const COMMA: u32 = 0x2c;
export const COLON_BYTE: u32 = 0x3a;
export const OPEN_BRACE: u32 = 0x7b;
export const CLOSE_BRACE: u32 = 0x7d;
export const OPEN_BRACKET: u32 = 0x5b;
export const CLOSE_BRACKET: u32 = 0x5d;
export const LETTER_U: u32 = 0x75;
export const MINUS: u32 = 0x2d;
export const PLUS: u32 = 0x2b;
export const POINT: u32 = 0x2e;
export const ZERO: u32 = 0x30;

// prettier-ignore
@inline
export function isDigit(byte: u32): bool {
  return byte - ZERO < 10;
}

export function isLetter(byte: u32): bool {
  return (byte | 0x20) - 0x61 < 26;
}

/** The byte that a one-letter escape stands for; 0 if there is no such escape. */
export function meaningOfEscape(byte: u32): u32 {
  switch (byte) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
      return byte;
    case 0x62: // b
      return 0x08;
    case 0x66: // f
      return 0x0c;
    case 0x6e: // n
      return 0x0a;
    case 0x72: // r
      return 0x0d;
    case 0x74: // t
      return 0x09;
  }
  return 0;
}

/** Value of a hexadecimal digit; -1 if the byte is none. */
export function hexDigit(byte: u32): i32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const folded = byte | 0x20;
  return folded >= 0x61 && folded <= 0x66 ? folded - 0x57 : -1;
}
