import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MODEL_CAPACITY_BYTES,
  SALT_CAPACITY_BYTES,
  SCAN_COMPLETE,
  USER_CAPACITY_BYTES,
} from "../../assembly/core/body/scan_codes.ts";
import { SeededRandom } from "../emulator/random.ts";
import { bodyTree, isObject, lastMember, type Node } from "./body-tree.ts";
import { Core } from "./core.ts";
import { type Scan, scanBody, singleBytes } from "./scanner.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
const core = new Core();

function scan(text: string): Scan {
  return scanBody(core, [Buffer.from(text)]);
}

/** A scan of an object of these members. */
function scanMembers(members: string): Scan {
  return scan(`{${members}}`);
}

test("limits of output tokens: the key that servers prefer counts, wherever it stands", () => {
  const limit = (members: string): number | undefined => scanMembers(members).maxTokens;
  assert.equal(limit('"max_tokens":1,"max_completion_tokens":2'), 2);
  assert.equal(limit('"max_completion_tokens":2,"max_tokens":1'), 2);
  assert.equal(limit('"max_output_tokens":3'), 3);
  assert.equal(limit('"max_tokens":1,"max_output_tokens":3'), 1);
  assert.equal(limit('"max_completion_tokens":null,"max_tokens":1'), 1);
  assert.equal(limit('"max_completion_tokens":2,"max_tokens":1,"max_completion_tokens":null'), 1);
  assert.equal(limit('"max_tokens":1,"max_tokens":"2"'), undefined);
  assert.equal(limit('"x":{"max_tokens":1},"y":[{"max_tokens":1}]'), undefined);
});

test("numbers count where they are whole, and stop at their bounds", () => {
  const n = (value: string): number | undefined => scanMembers(`"n":${value}`).n;
  const priority = (value: string): number | undefined => scanMembers(`"priority":${value}`).priority;
  assert.equal(n("0"), 0);
  assert.equal(n(" 4294967295 "), 4294967295);
  assert.equal(n("4294967296"), 4294967295);
  assert.equal(n("9".repeat(400)), 4294967295);
  assert.equal(priority("-0"), 0);
  assert.equal(priority("-7"), -7);
  assert.equal(priority("2147483647"), 2147483647);
  assert.equal(priority("2147483648"), 2147483647);
  assert.equal(priority("-2147483648"), -2147483648);
  assert.equal(priority(`-${"9".repeat(30)}`), -2147483648);
  for (const value of ["1.0", "1e3", "0.0", '"1"', "null", "true", "[1]", "{}", "NaN", "Infinity"]) {
    assert.equal(n(value), undefined, value);
    assert.equal(priority(value), undefined, value);
  }
  assert.equal(n("-1"), undefined);
  assert.equal(scanMembers('"n":2,"n":1.5').n, undefined);
});

test("cache salt and user are strings, kept to their capacity; a repeated salt is told", () => {
  const found = scanMembers('"cache_salt":"s\\u00e4lt","user":"\\ud83d\\ude42"');
  assert.deepEqual([found.cacheSalt, found.user, found.cacheSaltRepeated], ["sält", "🙂", false]);
  for (const value of ["null", "1", "true", '["a"]', '{"a":"b"}']) {
    const other = scanMembers(`"cache_salt":"a","user":"b","cache_salt":${value},"user":${value}`);
    assert.deepEqual(
      [other.cacheSalt, other.user, other.cacheSaltRepeated],
      [undefined, undefined, true],
      value,
    );
  }
  const longest = scanMembers(
    `"cache_salt":"${"s".repeat(SALT_CAPACITY_BYTES)}","user":"${"u".repeat(USER_CAPACITY_BYTES)}"`,
  );
  assert.deepEqual([longest.cacheSaltTooLong, longest.userTooLong], [false, false]);
  const tooLong = scanMembers(
    `"cache_salt":"${"s".repeat(SALT_CAPACITY_BYTES + 1)}","user":"${"u".repeat(5000)}"`,
  );
  assert.deepEqual([tooLong.cacheSaltTooLong, tooLong.userTooLong], [true, true]);
  assert.equal(tooLong.cacheSalt, "s".repeat(SALT_CAPACITY_BYTES));
  assert.equal(scanMembers('"cache_salt":"a').cacheSalt, undefined);
});

test("surrogates written in UTF-8 become U+FFFD one by one, those of two escapes are joined", () => {
  const body = Buffer.from(
    '{"model":"a\xed\xa0\xbd\xed\xb9\x82b\\ud83d\xed\xb9\x82\\ud83d\\ude42"}',
    "latin1",
  );
  for (const pieces of [[body], singleBytes(body)])
    assert.equal(scanBody(core, pieces).model, "a\ufffd\ufffdb\ufffd\ufffd🙂");
});

test("a text that is cut at its capacity is the same in any pieces", () => {
  for (const unit of ["é", "日", "🙂", "\\u65e5", "\\ud83d\\ude42", "\\n", "xy\\\\"]) {
    const body = Buffer.from(`{"model":"${`abc${unit}`.repeat(400)}","user":"${unit.repeat(300)}"}`);
    const whole = scanBody(core, [body]);
    assert.deepEqual([whole.answer, whole.modelTooLong, whole.userTooLong], [SCAN_COMPLETE, true, true]);
    assert.deepEqual(scanBody(core, singleBytes(body)), whole, unit);
    assert.equal(core.exports.scanModelBytes(), MODEL_CAPACITY_BYTES);
  }
});

test("stream options and what they say of usage are found with their places", () => {
  const text = '{ "stream_options" : {"a":[{"include_usage":1}], "include_usage" : true } ,"stream":true}';
  const found = scan(text);
  assert.equal(text.slice(...found.streamOptions!), '{"a":[{"include_usage":1}], "include_usage" : true }');
  assert.equal(text.slice(...found.includeUsageRange!), "true");
  assert.deepEqual(
    [found.includeUsage, found.streamOptionsIsObject, found.streamOptionsEmpty],
    [true, true, false],
  );
  const empty = scanMembers('"stream_options":{ }');
  assert.deepEqual(
    [empty.streamOptions, empty.streamOptionsIsObject, empty.streamOptionsEmpty, empty.includeUsageRange],
    [[18, 21], true, true, undefined],
  );
  for (const value of ["null", "[]", '["include_usage",true]', '"x"', "1"]) {
    const other = scanMembers(`"stream_options":{"include_usage":true},"stream_options":${value}`);
    assert.deepEqual(
      [other.includeUsage, other.streamOptionsIsObject, other.streamOptionsEmpty, other.includeUsageRange],
      [false, false, false, undefined],
      value,
    );
  }
  const last = scanMembers('"stream_options":{"include_usage":true,"include_usage":false}');
  assert.deepEqual([last.includeUsage, last.includeUsageRange], [false, [56, 61]]);
  assert.equal(scanMembers('"include_usage":true').includeUsage, false);
  assert.equal(scanMembers('"x":{"include_usage":true}').includeUsage, false);
});

test("the object's inside is found, and whether it is empty", () => {
  const places = (text: string): readonly unknown[] => {
    const { objectStart, objectEnd, isEmptyObject } = scan(text);
    return [objectStart, objectEnd, isEmptyObject];
  };
  assert.deepEqual(places("{}"), [1, 1, true]);
  assert.deepEqual(places(" \n{ \t} "), [3, 5, true]);
  assert.deepEqual(places('\ufeff{"a":{}}'), [4, 10, false]);
  const open = scanBody(core, [Buffer.from(' {"a":{}')], false);
  assert.deepEqual([open.objectStart, open.objectEnd, open.isEmptyObject], [2, 0, false]);
});

test("the place of a model that has begun and not ended is told", () => {
  const open = (text: string): number | undefined =>
    scanBody(core, [Buffer.from(text)], false).openModelStart;
  assert.equal(open('{"model"'), undefined);
  assert.equal(open('{"model": '), undefined);
  assert.equal(open('{"model": "a'), 10);
  assert.equal(open('{"model": "a"'), undefined);
  assert.equal(open('{"model":"a","model":{"x":["y"'), 21);
  assert.equal(open('{"model":12'), 9);
  assert.equal(open('{"model":12}'), undefined);
});

const KEYS = [
  ...["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens"],
  ...["n", "priority", "cache_salt", "user", "include_usage", "other"],
];
const VALUES = [
  ...["true", "false", "null", "0", "17", "-3", "1.5", "99999999999", '""', '"text"', '"\\u00e9\\n"', "[]"],
  ...["[1]", "{}", '{"include_usage":true}', '{"include_usage":false,"model":"inner"}', '{"x":{"user":"y"}}'],
];

/** Members with repeated keys and any white space. */
function randomMembers(random: SeededRandom): string {
  const space = (): string => ["", "", "", " ", "\n", "\t \r"][random.below(6)]!;
  const members = Array.from({ length: random.below(9) }, () => {
    const key = KEYS[random.below(KEYS.length)]!;
    const escaped = random.below(6) === 0 ? `\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}` : key;
    return `${space()}"${escaped}"${space()}:${space()}${VALUES[random.below(VALUES.length)]}${space()}`;
  });
  return `${space()}{${members.join(",")}${members.length === 0 ? space() : ""}}${space()}`;
}

function countOf(node: Node | undefined): number | undefined {
  const value = node?.value;
  return Number.isInteger(value) && Number(value) >= 0 ? Math.min(Number(value), 2 ** 32 - 1) : undefined;
}

function textOf(node: Node | undefined): string | undefined {
  return typeof node?.value === "string" ? node.value : undefined;
}

test(`random members, repeated and escaped, mean what JSON.parse makes of them (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 3000; round++) {
    const text = randomMembers(random);
    const tree = bodyTree(text);
    const last = (key: string): Node | undefined => lastMember(tree, key);
    const times = (key: string): number => tree.members.filter(([name]) => name === key).length;
    const model = last("model")?.value === null ? undefined : last("model");
    const options = last("stream_options");
    const usage = isObject(options) ? lastMember(options, "include_usage") : undefined;
    const limits = ["max_completion_tokens", "max_tokens", "max_output_tokens"].map((key) =>
      countOf(last(key)),
    );
    const priority = last("priority")?.value;
    const found = scan(text);
    assert.deepEqual(
      {
        answer: found.answer,
        model: [found.modelSeen, found.model, found.modelStart, found.modelEnd, found.modelRepeated],
        stream: [found.streamSeen, found.stream],
        options: [found.streamOptions, found.streamOptionsIsObject, found.streamOptionsEmpty],
        usage: [found.includeUsage, found.includeUsageRange],
        counts: [found.maxTokens, found.n, found.priority],
        texts: [found.cacheSalt, found.cacheSaltRepeated, found.user],
        object: [found.objectStart, found.objectEnd, found.isEmptyObject],
      },
      {
        answer: SCAN_COMPLETE,
        model: [model !== undefined, textOf(model), model?.start ?? 0, model?.end ?? 0, times("model") > 1],
        stream: [times("stream") > 0, last("stream")?.value === true],
        options: [
          options && [options.start, options.end],
          isObject(options),
          isObject(options) && options.members.length === 0,
        ],
        usage: [usage?.value === true, usage && [usage.start, usage.end]],
        counts: [
          limits.find((limit) => limit !== undefined),
          countOf(last("n")),
          Number.isInteger(priority) ? Math.min(Number(priority), 2 ** 31 - 1) : undefined,
        ],
        texts: [textOf(last("cache_salt")), times("cache_salt") > 1, textOf(last("user"))],
        object: [tree.start + 1, tree.end - 1, tree.members.length === 0],
      },
      text,
    );
    if (round % 10 === 0) assert.deepEqual(scanBody(core, singleBytes(Buffer.from(text))), found, text);
  }
});
