import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_DEPTH,
  REASON_BAD_ESCAPE,
  REASON_BAD_LITERAL,
  REASON_BAD_NUMBER,
  REASON_BAD_UTF8,
  REASON_BRACKET_MISMATCH,
  REASON_CONTROL_CHARACTER,
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
  REASON_OTHER_ENCODING,
  REASON_TOO_DEEP,
  REASON_TRAILING_BYTES,
  REASON_TRUNCATED,
  REASON_UNEXPECTED_BYTE,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
} from "../../assembly/core/body/scan_codes.ts";
import * as STATES from "../../assembly/core/body/scan_states.ts";
import { Core } from "./core.ts";
import { scanBody, singleBytes } from "./scanner.ts";

const core = new Core();

/** Bytes of a text in which each character up to U+00FF stands for one byte. */
function raw(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** Whether the scanner takes the whole body. */
function takes(body: Uint8Array): boolean {
  const { exports } = core;
  exports.scanReset();
  exports.scanFeed(core.put(body), body.length);
  return exports.scanFinish() === SCAN_COMPLETE;
}

/** Whether JSON.parse takes it, as strict UTF-8. */
function parses(body: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
    return true;
  } catch {
    return false;
  }
}

const MALFORMED: readonly (readonly [body: string, reason: number, offset: number])[] = [
  ["", REASON_TRUNCATED, 0],
  [" \n", REASON_TRUNCATED, 2],
  ["[]", REASON_NOT_AN_OBJECT, 0],
  ['  "model"', REASON_NOT_AN_OBJECT, 2],
  ["null", REASON_NOT_AN_OBJECT, 0],
  ["}", REASON_NOT_AN_OBJECT, 0],
  ["\xef{", REASON_NOT_AN_OBJECT, 1],
  ["\xef\xbb{", REASON_NOT_AN_OBJECT, 2],
  ["\xef\xbb\xbf\xef\xbb\xbf{}", REASON_NOT_AN_OBJECT, 3],
  [" \xef\xbb\xbf{}", REASON_NOT_AN_OBJECT, 1],
  ["\xfe{", REASON_NOT_AN_OBJECT, 1],
  ["\xff{", REASON_NOT_AN_OBJECT, 1],
  ["\xfe\xff\0{", REASON_OTHER_ENCODING, 1],
  ["\xff\xfe{\0", REASON_OTHER_ENCODING, 1],
  ["\0{\0}", REASON_OTHER_ENCODING, 0],
  ["{\0}\0", REASON_OTHER_ENCODING, 1],
  [" \0{\0", REASON_OTHER_ENCODING, 1],
  ["\xef\0", REASON_OTHER_ENCODING, 1],
  ["  \0", REASON_NOT_AN_OBJECT, 2],
  ["{ \0", REASON_UNEXPECTED_BYTE, 2],
  ["{,}", REASON_UNEXPECTED_BYTE, 1],
  ["{]", REASON_BRACKET_MISMATCH, 1],
  ['{"a":1,}', REASON_UNEXPECTED_BYTE, 7],
  ['{"a":1,]', REASON_UNEXPECTED_BYTE, 7],
  ['{"a"1}', REASON_UNEXPECTED_BYTE, 4],
  ['{"a"}', REASON_UNEXPECTED_BYTE, 4],
  ['{"a":,}', REASON_UNEXPECTED_BYTE, 5],
  ['{"a":}', REASON_UNEXPECTED_BYTE, 5],
  ['{"a":]', REASON_UNEXPECTED_BYTE, 5],
  ['{"a":1 2}', REASON_UNEXPECTED_BYTE, 7],
  ['{"a":"b" "c"}', REASON_UNEXPECTED_BYTE, 9],
  ["{model:1}", REASON_UNEXPECTED_BYTE, 1],
  ["{'model':1}", REASON_UNEXPECTED_BYTE, 1],
  ['{"a":[}', REASON_BRACKET_MISMATCH, 6],
  ['{"a":[1}', REASON_BRACKET_MISMATCH, 7],
  ['{"a":[,1]}', REASON_UNEXPECTED_BYTE, 6],
  ['{"a":[1,]}', REASON_UNEXPECTED_BYTE, 8],
  ['{"a":[1 2]}', REASON_UNEXPECTED_BYTE, 8],
  ['{"a":[1:2]}', REASON_UNEXPECTED_BYTE, 7],
  ['{"a":{"b":[1}]}', REASON_BRACKET_MISMATCH, 12],
  ['{"a":{"b" "c"}}', REASON_UNEXPECTED_BYTE, 10],
  ['{"a":1]', REASON_BRACKET_MISMATCH, 6],
  ['{"model":"\\x"}', REASON_BAD_ESCAPE, 11],
  ['{"model":"\\u12g4"}', REASON_BAD_ESCAPE, 14],
  ['{"other":"\\U0041"}', REASON_BAD_ESCAPE, 11],
  ['{"other":["\\u12"]}', REASON_BAD_ESCAPE, 15],
  ['{"\\q":1}', REASON_BAD_ESCAPE, 3],
  ['{"a":{"\\q":1}}', REASON_BAD_ESCAPE, 8],
  ['{"a":"\n"}', REASON_CONTROL_CHARACTER, 6],
  ['{"model":"\x1f"}', REASON_CONTROL_CHARACTER, 10],
  ['{"\0":1}', REASON_CONTROL_CHARACTER, 2],
  ['{"a":"\x80"}', REASON_BAD_UTF8, 6],
  ['{"a":"\xc3"}', REASON_BAD_UTF8, 7],
  ['{"a":"\xc1\x81"}', REASON_BAD_UTF8, 6],
  ['{"a":"\xe0\x9f\xbf"}', REASON_BAD_UTF8, 7],
  ['{"a":"\xf4\x90\x80\x80"}', REASON_BAD_UTF8, 7],
  ['{"a":"\xf0\x90\x80\\n"}', REASON_BAD_UTF8, 9],
  ['{"a":\xc3\xa9}', REASON_UNEXPECTED_BYTE, 5],
  ["{}{}", REASON_TRAILING_BYTES, 2],
  ["{} x", REASON_TRAILING_BYTES, 3],
  ["{}\u0000", REASON_TRAILING_BYTES, 2],
  ['{"a":tru}', REASON_BAD_LITERAL, 8],
  ['{"a":True}', REASON_BAD_LITERAL, 5],
  ['{"a":nulll}', REASON_UNEXPECTED_BYTE, 9],
  ['{"a":trueabcdefgh}', REASON_UNEXPECTED_BYTE, 9],
  ['{"a":nan}', REASON_BAD_LITERAL, 6],
  ['{"a":-NaN}', REASON_BAD_NUMBER, 6],
  ['{"a":+1}', REASON_UNEXPECTED_BYTE, 5],
  ['{"a":-Infinitx}', REASON_BAD_LITERAL, 13],
  ['{"a":01}', REASON_BAD_NUMBER, 6],
  ['{"a":-}', REASON_BAD_NUMBER, 6],
  ['{"a":1.}', REASON_BAD_NUMBER, 7],
  ['{"a":.5}', REASON_UNEXPECTED_BYTE, 5],
  ['{"a":1e}', REASON_BAD_NUMBER, 7],
  ['{"a":1e+}', REASON_BAD_NUMBER, 8],
  ['{"a":0x1}', REASON_UNEXPECTED_BYTE, 6],
  ['{"a":1.5.5}', REASON_UNEXPECTED_BYTE, 8],
  ['{"a":"b', REASON_TRUNCATED, 7],
  ['{"a":"b\\', REASON_TRUNCATED, 8],
  ['{"a":12', REASON_TRUNCATED, 7],
  ['{"a":nul', REASON_TRUNCATED, 8],
  ['{"a":"\xe2\x82', REASON_TRUNCATED, 8],
];

test("a malformed body is refused with the place and the reason, in one piece or in single bytes", () => {
  for (const [text, reason, offset] of MALFORMED) {
    const body = raw(text);
    for (const pieces of [[body], singleBytes(body)]) {
      const found = scanBody(core, pieces);
      assert.deepEqual(
        [found.answer, found.errorReason, found.errorOffset],
        [SCAN_MALFORMED, reason, offset],
        text,
      );
    }
  }
});

/** Where the scanner and JSON.parse of strict UTF-8 part: Python's parser, which the servers use, is the scanner's model. */
const ONLY_SCANNER_TAKES = [
  "\xef\xbb\xbf{}",
  "\xef\xbb\xbf \n{}",
  '{"a":NaN,"b":[Infinity,-Infinity , NaN ]}',
  '{"a":"\xed\xa0\x80"}',
  '{"a":"\xed\xbf\xbf","\xed\xb0\x80":1}',
  `{"a":"${"x".repeat(70)}\xed\xa0\xbd\xed\xb9\x82${"x".repeat(70)}"}`,
];
const ONLY_PARSE_TAKES = ["[]", "1", '"a"', "null", `{"a":${"[".repeat(MAX_DEPTH)}${"]".repeat(MAX_DEPTH)}}`];

test("it differs from JSON.parse of strict UTF-8 where Python's parser does, in depth, and at the top level", () => {
  for (const text of ONLY_SCANNER_TAKES) {
    const body = raw(text);
    assert.equal(parses(body), false, text);
    for (const pieces of [[body], singleBytes(body)])
      assert.equal(scanBody(core, pieces).errorReason, REASON_NONE, text);
  }
  for (const text of ONLY_PARSE_TAKES) {
    assert.equal(parses(raw(text)), true, text);
    assert.equal(takes(raw(text)), false, text);
  }
});

test(`${MAX_DEPTH} open brackets are read, one more is too deep`, () => {
  const nested = (depth: number): string => `{"a":${"[".repeat(depth)}${"]".repeat(depth)},"model":"m"}`;
  assert.equal(scanBody(core, [raw(nested(MAX_DEPTH - 1))]).model, "m");
  const deep = scanBody(core, [raw(nested(MAX_DEPTH))]);
  assert.deepEqual(
    [deep.answer, deep.errorReason, deep.errorOffset],
    [SCAN_MALFORMED, REASON_TOO_DEEP, MAX_DEPTH + 4],
  );
  // Each level's kind is kept: a bracket of the other kind is noticed at every depth.
  for (let depth = 2; depth < MAX_DEPTH; depth += 61) {
    const open = '{"a":['.repeat(depth >> 1);
    const close = "]}".repeat(depth >> 1);
    assert.equal(takes(raw(open + close)), true, `${depth}`);
    for (let wrong = 0; wrong < close.length; wrong += 7) {
      const other = close[wrong] === "]" ? "}" : "]";
      assert.equal(takes(raw(open + close.slice(0, wrong) + other)), false, `${depth}, ${wrong}`);
    }
  }
});

/** All words of up to `most` letters. */
function* words(letters: readonly string[], most: number): Generator<string> {
  yield "";
  if (most === 0) return;
  for (const rest of words(letters, most - 1)) for (const letter of letters) yield letter + rest;
}

test("every short sequence of tokens is taken if and only if JSON.parse takes it", () => {
  const tokens = ["{", "}", "[", "]", ":", ",", '"a"', " "];
  let taken = 0;
  let all = 0;
  for (const sequence of words(tokens, 5)) {
    for (const text of [sequence, `{"a":${sequence}}`, `{"a":[${sequence}]}`]) {
      const body = raw(text);
      const expected = parses(body) && text.trimStart().startsWith("{");
      if (takes(body) !== expected) assert.equal(takes(body), expected, text);
      all++;
      if (expected) taken++;
    }
  }
  assert.ok(taken > 200 && all > 100_000, `${taken} of ${all}`);
});

test("every short number and every beginning of a word is taken if and only if JSON.parse takes it", () => {
  let taken = 0;
  for (const number of words(["-", "0", "7", ".", "e", "E", "+"], 5)) {
    for (const behind of ["", " ", ",", "]"]) {
      const text = `{"a":[${number}${behind}${behind === "," ? "1" : ""}${behind === "]" ? "" : "]"}}`;
      const body = raw(text);
      const expected = parses(body);
      if (takes(body) !== expected) assert.equal(takes(body), expected, text);
      if (expected) taken++;
    }
  }
  for (const word of ["true", "false", "null", "NaN", "Infinity", "-Infinity"]) {
    for (let length = 1; length <= word.length; length++) {
      for (const behind of ["}", " }", ",", "x}", `${word[length] === "a" ? "b" : "a"}}`]) {
        const text = `{"a":${word.slice(0, length)}${behind}`;
        const expected = length === word.length && /^ ?\}$/.test(behind);
        assert.equal(takes(raw(text)), expected, text);
      }
    }
  }
  assert.ok(taken > 500, `${taken}`);
});

/** A string's inside in a body, `before` bytes of `x` before it and `after` behind: where blocks of 64 bytes cut it varies. */
function within(inside: Uint8Array, before: number, after: number): Buffer {
  return Buffer.concat([raw(`{"a":"${"x".repeat(before)}`), inside, raw(`${"x".repeat(after)}"}`)]);
}

/** Places of a string's inside against blocks of 64 bytes, alone and in the middle of a long string. */
const PLACES: readonly (readonly [before: number, after: number])[] = [
  [0, 0],
  [0, 80],
  [90, 0],
  ...Array.from({ length: 8 }, (_, index) => [57 + index, 100] as const),
];

test("each byte in a string, and each behind a backslash, is taken if and only if JSON.parse takes it", () => {
  for (const [before, after] of PLACES) {
    for (let byte = 0; byte < 256; byte++) {
      for (const inside of [[byte], [0x5c, byte], [0x5c, 0x5c, byte], [0x5c, 0x5c, 0x5c, byte]]) {
        const body = within(Uint8Array.from(inside), before, after);
        if (takes(body) !== parses(body)) assert.equal(takes(body), parses(body), body.toString("latin1"));
      }
    }
  }
});

test("hexadecimal digits are counted and checked wherever a block ends", () => {
  const digits = ["0", "9", "a", "F", "g", "/", ":", "@", "G", "`", '"', "\\"];
  for (const [before, after] of PLACES) {
    for (let place = 0; place < 5; place++) {
      for (const digit of digits) {
        const unit = `\\u${"1bC9".slice(0, place)}${digit}${"1bC9".slice(place + 1)}`;
        for (const text of [unit, `\\\\${unit}`, `${unit}${unit}`]) {
          const body = within(raw(text), before, after);
          if (takes(body) !== parses(body)) assert.equal(takes(body), parses(body), body.toString("latin1"));
        }
      }
    }
  }
});

/** Bytes on both sides of each limit that UTF-8 knows. */
const LIMITS = [
  ...[0x22, 0x41, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
  ...[0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
];

test("UTF-8 is checked as TextDecoder checks it, except for surrogates, wherever a block ends", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  /** Surrogates replaced by another character of three bytes. */
  const isUtf8 = (bytes: Buffer): boolean => {
    const text = bytes.toString("latin1").replace(/\xed[\xa0-\xbf][\x80-\xbf]/g, "\xe1\x80\x80");
    try {
      decoder.decode(raw(text));
      return true;
    } catch {
      return false;
    }
  };
  let taken = 0;
  let refused = 0;
  for (const first of LIMITS.filter((byte) => byte >= 0x80)) {
    for (const second of LIMITS) {
      for (const third of LIMITS) {
        for (const fourth of [0x41, 0x80, 0xbf, 0xc2]) {
          const sequence = Buffer.of(first, second, third, fourth);
          if (sequence.includes(0x22) || sequence.includes(0x5c)) continue;
          const [before, after] = PLACES[(second + third + fourth) % PLACES.length]!;
          const body = within(sequence, before, after);
          const expected = isUtf8(body);
          if (takes(body) !== expected) assert.equal(takes(body), expected, sequence.toString("hex"));
          if (expected) taken++;
          else refused++;
        }
      }
    }
  }
  assert.ok(taken > 100 && refused > 10_000, `${taken} taken, ${refused} refused`);
});

test("in one piece or in two, at each cut, an error has the same place and reason in strings that blocks go over", () => {
  const text = `${"é".repeat(40)}${"\\n\\u00e9".repeat(12)}${"日本".repeat(25)}${"x".repeat(70)}`;
  const body = within(Buffer.from(text), 3, 66);
  const wrong = [0x0a, 0x22, 0x5c, 0x80, 0xc1, 0xed, 0xf0, 0xff, 0x75];
  for (let place = 6; place < body.length - 2; place += 3) {
    const damaged = Buffer.from(body);
    damaged[place] = wrong[place % wrong.length]!;
    const whole = scanBody(core, [damaged]);
    for (const cut of [place - 70, place - 2, place - 1, place, place + 1, place + 2, place + 65]) {
      if (cut < 0) continue;
      const cutAt = [damaged.subarray(0, cut), damaged.subarray(cut)];
      assert.deepEqual(scanBody(core, cutAt), whole, `${place}, cut at ${cut}`);
    }
    assert.deepEqual(scanBody(core, singleBytes(damaged)), whole, `${place}`);
  }
});

test("every state has a name and a number of its own", () => {
  const numbers = Object.entries(STATES).filter(([name]) => name !== "STATE_COUNT");
  assert.deepEqual(
    numbers.map(([, number]) => number).sort((left, right) => left - right),
    Array.from({ length: STATES.STATE_COUNT }, (_, number) => number),
  );
  assert.equal(core.exports.scanStateCount(), STATES.STATE_COUNT);
});

test("the state is told between any two bytes", () => {
  const stateBehind = (text: string): number => {
    scanBody(core, [raw(text)], false);
    return core.exports.scanState();
  };
  assert.equal(stateBehind(""), STATES.STATE_START);
  assert.equal(stateBehind("\xef\xbb"), STATES.STATE_BOM_EF_BB);
  assert.equal(stateBehind(' {"model":"a\\u00'), STATES.STATE_TEXT_HEX_2);
  assert.equal(stateBehind(`{"other":"${"x".repeat(80)}\xf0`), STATES.STATE_STRING_UTF8_F0);
  assert.equal(stateBehind(`{"other":"${"x".repeat(126)}\xe2\x82`), STATES.STATE_STRING_UTF8_1);
  assert.equal(stateBehind(`{"other":"${"x".repeat(125)}\\u0`), STATES.STATE_STRING_HEX_3);
  assert.equal(stateBehind('{"a":[-1.5e'), STATES.STATE_NUMBER_E);
  assert.equal(stateBehind('{"a":-Inf'), STATES.STATE_WORD_INF);
  assert.equal(stateBehind("{} "), STATES.STATE_DONE);
  assert.equal(stateBehind("{}}"), STATES.STATE_FAILED);
});
