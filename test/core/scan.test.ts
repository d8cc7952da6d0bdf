import assert from "node:assert/strict";
import { test } from "node:test";
import {
  REASON_NOT_AN_OBJECT,
  REASON_TRUNCATED,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
  SCAN_MORE,
} from "../../assembly/core/body/scan_codes.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { type Scan, scanBody, singleBytes } from "./scanner.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
/** Raise it for a longer run: `FUZZ_ROUNDS=1000000 node --import tsx --test test/core`. */
const DAMAGED = Number(process.env.FUZZ_ROUNDS ?? 20_000);

const core = new Core();

function scan(text: string | Uint8Array): Scan {
  return scanBody(core, [typeof text === "string" ? Buffer.from(text) : text]);
}

/** The body in pieces of one to `most` bytes. */
function pieces(random: SeededRandom, body: Uint8Array, most: number): readonly Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const length = 1 + random.below(most);
    cut.push(body.subarray(at, at + length));
    at += length;
  }
  return cut;
}

const CHAT = JSON.stringify({
  messages: [
    { role: "system", content: 'Say "hi" \\ and {[ "model": "wrong" ]}\n' },
    { role: "user", content: "ünïcödé 🙂 \u0000 model", tool_calls: [{ model: "inner", n: [1, 2, [3]] }] },
  ],
  temperature: -0.5e3,
  nothing: null,
  model: 'meta/Llama "3" \\ 🙂',
  stream: true,
  max_tokens: 512,
  metadata: { model: "no", stream: false, max_tokens: 1 },
});

test("the top-level model, stream and max_tokens are found among nested ones of the same name", () => {
  const found = scan(CHAT);
  assert.equal(found.answer, SCAN_COMPLETE);
  assert.equal(found.model, 'meta/Llama "3" \\ 🙂');
  assert.equal(found.stream, true);
  assert.equal(found.maxTokens, 512);
  const value = Buffer.from(CHAT).subarray(found.modelStart, found.modelEnd).toString();
  assert.equal(JSON.parse(value), 'meta/Llama "3" \\ 🙂');
});

test("two pieces cut at any byte give what one piece gives", () => {
  const body = Buffer.from(CHAT);
  const whole = scan(body);
  for (let cut = 0; cut <= body.length; cut++) {
    assert.deepEqual(scanBody(core, [body.subarray(0, cut), body.subarray(cut)]), whole, `cut at ${cut}`);
  }
});

test("single bytes give what one piece gives, before the end too", () => {
  const body = Buffer.from(CHAT);
  assert.deepEqual(scanBody(core, singleBytes(body)), scan(body));
  for (let length = 0; length < body.length; length++) {
    const part = body.subarray(0, length);
    assert.equal(scanBody(core, [part], false).answer, SCAN_MORE, `${length} bytes`);
    const ended = scan(part);
    assert.deepEqual(
      [ended.answer, ended.errorReason, ended.errorOffset],
      [SCAN_MALFORMED, REASON_TRUNCATED, length],
    );
  }
});

test("escapes in keys and in the model are undone, surrogates become UTF-8", () => {
  assert.equal(scan('{"\\u006d\\u006Fdel":"a\\/\\b\\f\\n\\r\\t\\"\\\\"}').model, 'a/\b\f\n\r\t"\\');
  assert.equal(scan('{"model":"\\u00e9\\u20AC\\ud83d\\ude42"}').model, "é€🙂");
  assert.equal(scan('{"model":"\\ud83dx\\ude42\\ud83d\\ud83d\\ude42\\ud83d"}').model, "�x��🙂�");
  assert.equal(scan('{"model":"\\ud83d\\n"}').model, "�\n");
  assert.equal(scan('{"model\\u0000":"x"}').modelSeen, false);
  assert.equal(scan('{"models":"x","mode":"y","Model":"z"}').modelSeen, false);
});

test("the last of several models wins, whatever it is", () => {
  assert.equal(scan('{"model":"a","model":"b"}').model, "b");
  const number = scan('{"model":"a","model": 12 }');
  assert.deepEqual([number.modelSeen, number.model], [true, undefined]);
  assert.deepEqual([number.modelStart, number.modelEnd], [22, 24]);
  assert.equal(scan('{"model":{"model":"x"},"model":"b"}').model, "b");
  assert.equal(scan('{"model":"a","model":null}').modelSeen, false);
  assert.equal(scan('{"model":"a","model":["b"]}').model, undefined);
  assert.equal(scanBody(core, [Buffer.from('{"model":"a","model":"b')], false).modelSeen, false);
});

test("a model that is null is none, whatever stands around it", () => {
  for (const text of [
    '{"model":null}',
    '{"model" : null ,"stream":true}',
    '{"model":null,"a":{"model":"b"}}',
  ]) {
    const found = scan(text);
    assert.deepEqual([found.answer, found.modelSeen, found.model], [SCAN_COMPLETE, false, undefined], text);
  }
  assert.deepEqual(scan('{"model":null,"model":"b"}').model, "b");
  assert.equal(scan('{"model":"null"}').model, "null");
});

test("a repeated model key is told, whatever its values, and nested ones are not counted", () => {
  const repeated = (text: string): boolean => scan(text).modelRepeated;
  for (const text of [
    '{"model":"a","model":"a"}',
    '{"model":null,"\\u006dodel":"a"}',
    '{"model":1,"x":2,"model":[]}',
  ])
    assert.equal(repeated(text), true, text);
  for (const text of ['{"model":"a","models":"b"}', '{"x":{"model":"a"},"model":"b"}', "{}", '{"a":"model"}'])
    assert.equal(repeated(text), false, text);
  const three = Buffer.from('{"model":1,"model":2,"model":3');
  assert.equal(scanBody(core, [three], false).modelRepeated, true);
});

test("a model that is missing, empty, long or too long is told apart", () => {
  assert.equal(scan("{}").modelSeen, false);
  const empty = scan('{"model":""}');
  assert.deepEqual([empty.modelSeen, empty.model, empty.modelStart, empty.modelEnd], [true, "", 9, 11]);
  const longest = scan(JSON.stringify({ model: "m".repeat(1024) }));
  assert.deepEqual([longest.model?.length, longest.modelTooLong], [1024, false]);
  const tooLong = scan(JSON.stringify({ model: "m".repeat(1025) }));
  assert.deepEqual([tooLong.modelTooLong, tooLong.model?.length], [true, 1024]);
  const again = scan(JSON.stringify({ model: "short" }));
  assert.deepEqual([again.model, again.modelTooLong], ["short", false]);
});

test("stream and max_tokens are read by their JSON types, the last one wins", () => {
  const streams = (text: string): boolean => scan(`{${text}}`).stream;
  assert.equal(streams('"stream":true'), true);
  assert.equal(streams('"stream":false'), false);
  assert.equal(streams('"stream":"true"'), false);
  assert.equal(streams('"stream":true,"stream":null'), false);
  assert.equal(streams('"x":true,"stream":{}'), false);
  const limit = (text: string): number | undefined => scan(`{${text}}`).maxTokens;
  assert.equal(limit('"max_tokens":0'), 0);
  assert.equal(limit('"max_completion_tokens":77'), 77);
  assert.equal(limit('"max_tokens":99999999999999999999999'), 0xffffffff);
  for (const other of ["1.5", "1e3", "-4", '"9"', "null", "[1]"])
    assert.equal(limit(`"max_tokens":${other}`), undefined);
});

test("white space and a byte order mark are tolerated where JSON allows the former", () => {
  const found = scan('\ufeff \t\r\n{ \n"model" \t:\r\n"m" , "a" : [ ] , "b":1 \n}\n \r\t');
  assert.deepEqual([found.answer, found.model], [SCAN_COMPLETE, "m"]);
  assert.equal(scan(" \ufeff{}").errorReason, REASON_NOT_AN_OBJECT);
});

test("after a refusal nothing is taken any more, and a reset begins anew", () => {
  core.exports.scanReset();
  const feed = (text: string): number => {
    const bytes = Buffer.from(text);
    return core.exports.scanFeed(core.put(bytes), bytes.length);
  };
  assert.equal(feed('{"a":1}}'), SCAN_MALFORMED);
  assert.equal(feed('{"model":"m"}'), SCAN_MALFORMED);
  assert.equal(core.exports.scanErrorOffset(), 7);
  core.exports.scanReset();
  assert.equal(feed('{"model":"m"}'), SCAN_COMPLETE);
  assert.equal(feed(" "), SCAN_COMPLETE);
  assert.equal(core.exports.scanOffset(), 14);
  assert.equal(feed("{"), SCAN_MALFORMED);
});

const TEXTS = [
  "model",
  "stream",
  "max_tokens",
  "a",
  "",
  "é",
  '"',
  "\\",
  "\n",
  "🙂",
  "{",
  "]",
  "x".repeat(70),
];

function randomText(random: SeededRandom): string {
  return Array.from({ length: random.below(4) }, () => TEXTS[random.below(TEXTS.length)]!).join("");
}

function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = random.below(depth > 4 ? 5 : 7);
  if (kind === 0) return randomText(random);
  if (kind === 1) return random.below(100_000);
  if (kind === 2) return (random.word() - 2 ** 31) / 1024;
  if (kind === 3) return random.below(2) === 0;
  if (kind === 4) return null;
  if (kind === 5) return Array.from({ length: random.below(4) }, () => randomValue(random, depth + 1));
  return randomObject(random, depth + 1);
}

function randomObject(random: SeededRandom, depth: number): Record<string, unknown> {
  const keys = Array.from({ length: random.below(6) }, () =>
    random.below(3) === 0 ? TEXTS[random.below(3)]! : randomText(random),
  );
  return Object.fromEntries(keys.map((key) => [key, randomValue(random, depth)]));
}

/** The same JSON with some letters inside its strings written as escapes. */
function escaped(random: SeededRandom, json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"/gu, (literal) =>
    literal.replace(/\\.|[a-zé]/gu, (part) => {
      if (part.length > 1 || random.below(8) > 0) return part;
      return `\\u${part.charCodeAt(0).toString(16).padStart(4, "0")}`;
    }),
  );
}

test(`random objects in random pieces give what JSON.parse gives (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 4000; round++) {
    const text = escaped(random, JSON.stringify(randomObject(random, 0), null, random.below(3)));
    const parsed = JSON.parse(text) as Record<string, unknown>;
    const body = Buffer.from(text);
    const found = scanBody(core, pieces(random, body, 1 + random.below(200)));
    assert.equal(found.answer, SCAN_COMPLETE, text);
    assert.equal(found.modelSeen, "model" in parsed && parsed.model !== null, text);
    assert.equal(found.modelRepeated, false, text);
    assert.equal(found.model, typeof parsed.model === "string" ? parsed.model : undefined, text);
    assert.equal(found.stream, parsed.stream === true, text);
    if (found.modelSeen) {
      const value = body.subarray(found.modelStart, found.modelEnd).toString();
      assert.deepEqual(JSON.parse(value), parsed.model, text);
    }
  }
});

test(`random damage is refused where JSON.parse refuses it, and the pieces do not matter (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED ^ 0x77);
  const body = Buffer.from(CHAT);
  const hostile = '"\\{}[]:,u0 \n\ufffd';
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  let refused = 0;
  for (let round = 0; round < DAMAGED; round++) {
    const damaged = Buffer.from(body);
    for (let hit = 0; hit <= random.below(3); hit++) {
      const byte =
        random.below(2) === 0 ? random.below(256) : hostile.charCodeAt(random.below(hostile.length)) & 255;
      damaged[random.below(damaged.length)] = byte;
    }
    const whole = scanBody(core, [damaged]);
    assert.deepEqual(scanBody(core, pieces(random, damaged, 40)), whole, damaged.toString("latin1"));
    let parsed: Record<string, unknown> | undefined;
    try {
      parsed = JSON.parse(utf8.decode(damaged)) as Record<string, unknown>;
    } catch {
      refused++;
    }
    assert.equal(whole.answer === SCAN_COMPLETE, parsed !== undefined, damaged.toString("latin1"));
    if (parsed !== undefined) assert.equal(whole.modelSeen, "model" in parsed && parsed.model !== null);
  }
  assert.ok(refused > 1000, `${refused} refused`);
});
