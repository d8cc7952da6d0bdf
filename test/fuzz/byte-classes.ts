/** A set of bytes that the grammar of JSON in UTF-8 treats alike, in every state. */
export interface ByteClass {
  readonly name: string;
  readonly bytes: readonly number[];
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function letters(text: string): readonly number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}

/**
 * Letters stand alone where they begin or go on with a word, an escape, an exponent or a hexadecimal number; bytes
 * from 0x80 as in table 3-7 of the Unicode standard, with the bytes of the byte order marks on their own.
 */
const NAMED: readonly ByteClass[] = [
  { name: "NUL", bytes: [0x00] },
  { name: "tab", bytes: [0x09] },
  { name: "LF", bytes: [0x0a] },
  { name: "CR", bytes: [0x0d] },
  { name: "control", bytes: [...range(0x01, 0x08), 0x0b, 0x0c, ...range(0x0e, 0x1f)] },
  { name: "space", bytes: [0x20] },
  ...[...'"\\/{}[]:,-+.0'].map((name) => ({ name, bytes: letters(name) })),
  { name: "1-9", bytes: range(0x31, 0x39) },
  ...[..."abdefilnrstuyEIN"].map((name) => ({ name, bytes: letters(name) })),
  { name: "hex letter", bytes: letters("cABCDF") },
  { name: "DEL", bytes: [0x7f] },
  { name: "80-8F", bytes: range(0x80, 0x8f) },
  { name: "90-9F", bytes: range(0x90, 0x9f) },
  { name: "A0-BF", bytes: range(0xa0, 0xbf).filter((byte) => byte !== 0xbb && byte !== 0xbf) },
  { name: "BB", bytes: [0xbb] },
  { name: "BF", bytes: [0xbf] },
  { name: "C0 C1", bytes: [0xc0, 0xc1] },
  { name: "C2-DF", bytes: range(0xc2, 0xdf) },
  { name: "E0", bytes: [0xe0] },
  { name: "E1-EE", bytes: [...range(0xe1, 0xec), 0xee] },
  { name: "ED", bytes: [0xed] },
  { name: "EF", bytes: [0xef] },
  { name: "F0", bytes: [0xf0] },
  { name: "F1-F3", bytes: range(0xf1, 0xf3) },
  { name: "F4", bytes: [0xf4] },
  { name: "F5-FD", bytes: range(0xf5, 0xfd) },
  { name: "FE", bytes: [0xfe] },
  { name: "FF", bytes: [0xff] },
];

const named = new Set(NAMED.flatMap(({ bytes }) => bytes));

/** Together they hold each of the 256 bytes once. */
export const BYTE_CLASSES: readonly ByteClass[] = [
  ...NAMED,
  { name: "other ASCII", bytes: range(0x20, 0x7f).filter((byte) => !named.has(byte)) },
];

/** Byte → index of its class. */
export const CLASS_OF = new Uint8Array(256);
BYTE_CLASSES.forEach(({ bytes }, index) => {
  for (const byte of bytes) CLASS_OF[byte] = index;
});
