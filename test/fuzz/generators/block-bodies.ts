import type { Dice } from "../dice.ts";

/** What a string is put together of, a byte a letter. */
const ATOMS = [
  ...["a", "pppppppp", "\\n", '\\"', "\\\\", "\\u00e9", "\\ud83d\\ude42", "\\u0000", "\x7f", " "],
  ...["\xc3\xa9", "\xe6\xbc\xa2", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xed\xa0\x80", "\xf0\x9f\x99\x82"],
  ...["\xf4\x8f\xbf\xbf", "\xef\xbb\xbf", "\xf0\x90\x80\x80", "\xdf\xbf", "\xee\x80\x80"],
];
/** What must not stand in a string, or not everywhere. */
const WRONGS = [
  ...[
    "\\",
    "\\x",
    "\\u12",
    "\\u12g4",
    "\x00",
    "\x1f",
    "\n",
    "\x80",
    "\xbf",
    "\xc0\x80",
    "\xc1",
    "\xc3",
    "\xe0\x80",
  ],
  ...["\xe6\xbc", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x99", "\xf4\x90\x80\x80", "\xf5", "\xff", '"', '\\"', "\\\\"],
];
const READ_KEYS = ["model", "cache_salt", "user", "x", "x", "x", "x"];

/**
 * A body with a string of several times 64 bytes, which is what scanners look at in one go: characters and escapes lie
 * across the borders, and sometimes one thing in it is wrong.
 */
export function blockBody(dice: Dice): Buffer {
  const most = dice.pick([70, 140, 300, 1_300]);
  // A few kinds of atoms, so that some strings are all of one kind.
  const atoms = Array.from({ length: 1 + dice.below(4) }, () => dice.pick(ATOMS));
  let text = "a".repeat(dice.below(64));
  while (text.length < most) text += dice.pick(atoms);
  if (dice.percent(60)) {
    const border = 64 * (1 + dice.below(text.length / 64)) + dice.below(6) - 3;
    const at = dice.percent(50) ? border : dice.below(text.length + 1);
    text = text.slice(0, at) + dice.pick(WRONGS) + text.slice(at + (dice.percent(50) ? 1 : 0));
  }
  return Buffer.from(`{"${dice.pick(READ_KEYS)}":"${text}","n":1,"model":"m"}`, "latin1");
}
