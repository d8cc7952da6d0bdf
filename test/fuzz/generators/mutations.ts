import type { Dice } from "../dice.ts";

/** Bytes that a grammar treats on their own. */
const STRUCTURAL = Buffer.from('{}[]":,\\/ \t\r\n0123456789-+.eEutfnINabdr\u0000\u001f\u007f');
/** What is put into a body: tokens, encodings that are and that are not UTF-8, and marks of other formats. */
const INSERTED: readonly Buffer[] = [
  ...[
    '""',
    '"a":1,',
    ',"model":"late"',
    "null",
    "NaN",
    "-Infinity",
    "Infinity",
    "1e",
    "01",
    "\\u",
    "\\ud83d",
  ],
  ...[
    "\\ude42",
    "\\\\",
    '\\"',
    "[]",
    "{}",
    "[[",
    "}}",
    "//",
    "/* */",
    "\u2028",
    "🙂",
    "漢",
    "data: ",
    "\r\n--",
  ],
].map((text) => Buffer.from(text));
const ENCODINGS: readonly Buffer[] = [
  [0xef, 0xbb, 0xbf], // a byte order mark
  [0xed, 0xa0, 0x80], // a surrogate, which Python lets pass
  [0xed, 0xbf, 0xbf],
  [0xed, 0x9f, 0xbf], // the last code point before them
  [0xee, 0x80, 0x80],
  [0xc0, 0x80], // overlong forms
  [0xc1, 0xbf],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80, 0x80], // the first and the last code point of four bytes
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80], // beyond
  [0xf5, 0x80, 0x80, 0x80],
  [0xff],
  [0xfe],
  [0x80],
  [0xbf],
  [0xe2, 0x82], // cut off
  [0xf0, 0x9f, 0x99],
  [0xc3],
].map((bytes) => Buffer.from(bytes));

/** One to a few damages to `bytes`; `other` is a body to splice with. */
export function mutated(dice: Dice, bytes: Buffer, other: Buffer): Buffer {
  let out = bytes;
  do out = mutatedOnce(dice, out, other);
  while (dice.percent(40));
  return out;
}

function mutatedOnce(dice: Dice, bytes: Buffer, other: Buffer): Buffer {
  const at = dice.below(bytes.length + 1);
  switch (dice.below(12)) {
    case 0:
      return withByte(bytes, at, (bytes[at] ?? 0) ^ (1 << dice.below(8)));
    case 1:
      return withByte(bytes, at, dice.below(256));
    case 2:
      return withByte(bytes, at, dice.pick([...STRUCTURAL]));
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + dice.length(1, 64))]);
    case 4: {
      const again = bytes.subarray(at, at + 1 + dice.length(4, 200));
      return Buffer.concat([bytes.subarray(0, at), again, bytes.subarray(at)]);
    }
    case 5:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.of(dice.pick([...STRUCTURAL])),
        bytes.subarray(at),
      ]);
    case 6:
      return Buffer.concat([bytes.subarray(0, at), dice.pick(INSERTED), bytes.subarray(at)]);
    case 7:
      return Buffer.concat([bytes.subarray(0, at), dice.pick(ENCODINGS), bytes.subarray(at)]);
    case 8:
      return bytes.subarray(0, at);
    case 9:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(dice.below(other.length + 1))]);
    case 10:
      return Buffer.concat([bytes, dice.pick([...INSERTED, ...ENCODINGS, Buffer.from(" \n\t\r "), other])]);
    default:
      return withFront(dice, bytes);
  }
}

function withByte(bytes: Buffer, at: number, byte: number): Buffer {
  if (at >= bytes.length) return Buffer.concat([bytes, Buffer.of(byte)]);
  const out = Buffer.from(bytes);
  out[at] = byte;
  return out;
}

function withFront(dice: Dice, bytes: Buffer): Buffer {
  if (dice.percent(20)) return Buffer.from(bytes.toString("latin1"), "utf16le");
  const mark = dice.pick([
    [0xef, 0xbb, 0xbf],
    [0xef, 0xbb],
    [0xfe, 0xff],
    [0xff, 0xfe],
    [0x00],
    [0x20, 0x0a],
  ]);
  return Buffer.concat([Buffer.from(mark), bytes]);
}
