import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { SeededRandom } from "../emulator/random.ts";
import { eventsOf } from "./answer-oracle.ts";
import {
  captured,
  cut,
  dataEvent,
  MESSAGES_JSON,
  MESSAGES_STREAM,
  RESPONSES_JSON,
  RESPONSES_STREAM,
  singleBytes,
} from "./answers.ts";
import { Core } from "./core.ts";
import { Answers, type Edit } from "./response.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261127);
/** Raise it for a longer run: `FUZZ_ROUNDS=1000000 node --import tsx --test test/core/response-edit.test.ts`. */
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 2000);
/** As `assembly/core/response/usage_strip.ts` has it. */
const MOST_EVENT_BYTES = 65_536;

const answers = new Answers();

function edited(text: string | Uint8Array, edit: Edit): string {
  return answers.editAll(text, edit).toString();
}

/** The answer edited in one piece, in single bytes and cut at each of `cuts` places: always the same. */
function editedAnyhow(text: string | Uint8Array, edit: Edit, cuts = Number.POSITIVE_INFINITY): string {
  const bytes = Buffer.from(text);
  const whole = edited(bytes, edit);
  assert.equal(answers.editAll(singleBytes(bytes), edit).toString(), whole, "in single bytes");
  const step = Math.max(1, Math.floor(bytes.length / cuts));
  for (let at = 1; at < bytes.length; at += step) {
    const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
    assert.equal(answers.editAll(pieces, edit).toString(), whole, `cut at ${at}`);
  }
  return whole;
}

/** Strings, brackets, colons and commas of a JSON text. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;
/** Where the APIs say which model answered. */
const NAMED = new Set([".model", ".response.model", ".message.model"]);

/** The JSON text with the target's name replaced where it is the answer's, by the path of each string. */
function restoredJson(text: string, target: string, name: string): string {
  let path: readonly string[] = [];
  let key: string | undefined;
  let last = "";
  return text.replace(TOKENS, (token) => {
    const isValue = key !== undefined;
    if (token === "{" || token === "[") {
      path = [...path, key ?? token];
      key = undefined;
    } else if (token === "}" || token === "]") {
      path = path.slice(0, -1);
      key = undefined;
    } else if (token === ":") key = last;
    else if (token === ",") key = undefined;
    else last = JSON.parse(token);
    if (!isValue || !token.startsWith('"')) return token;
    const place = [...path.slice(1), key].map((step) => `.${step}`).join("");
    return NAMED.has(place) && path[0] === "{" && JSON.parse(token) === target ? JSON.stringify(name) : token;
  });
}

/** The same for an answer of JSON, or of events that have one JSON text in one line. */
function restored(text: string, target: string, name: string): string {
  return text.startsWith("{")
    ? restoredJson(text, target, name)
    : text.replace(/(?<=^data: )[{].*$/gm, (json) => restoredJson(json, target, name));
}

test("the client's name is given back in every API's answer, cut at any byte, and no other byte changes", () => {
  const name = 'my "best" model/é';
  const texts: readonly (readonly [string, string, number])[] = [
    [captured("chat-nonstream-1-cold").toString(), "tiny-llama", 1],
    [captured("chat-stream-usage").toString(), "tiny-llama", 10],
    [captured("completion-nonstream").toString(), "tiny-llama", 1],
    [captured("completion-stream").toString(), "tiny-llama", 5],
    [RESPONSES_JSON, "target", 1],
    [RESPONSES_STREAM, "target", 3],
    [MESSAGES_STREAM, "target", 1],
    [MESSAGES_JSON, "target", 1],
  ];
  for (const [text, target, count] of texts) {
    const found = editedAnyhow(text, { target, name });
    assert.equal(found, restored(text, target, name));
    assert.equal(found.split(JSON.stringify(name)).length - 1, count);
  }
});

test("names are compared by what they mean and written as JSON has to have them", () => {
  const forms: readonly (readonly [string, string])[] = [
    ["a/b", '"a\\/b"'],
    ["a/b", '"\\u0061\\u002F\\u0062"'],
    ["modèle é", '"mod\\u00e8le \\u00E9"'],
    ["\u4e2d\u6587/7B", '"\\u4e2d\u6587\\/7B"'],
    ["x🙂y", '"x\\ud83d\\uDE42y"'],
    ["x🙂y", '"x🙂y"'],
    ['q"\\', '"q\\"\\\\"'],
    ["\b\f\n\r\t\u0001", '"\\b\\f\\n\\r\\t\\u0001"'],
    ["\u07ff\u0800\uffff", '"\\u07ff\\u0800\\uffff"'],
  ];
  for (const [target, value] of forms) {
    assert.equal(JSON.parse(value), target);
    const found = editedAnyhow(`{"model" :\n ${value}}`, { target, name: "n" });
    assert.equal(found, '{"model" :\n "n"}', value);
  }
  for (const name of ['"', "\\", "a\nb\u0000\u001f", "é🙂", "\u007f\u2028", "\\u0041"]) {
    const found = edited('{"model":"t","x":1}', { target: "t", name });
    assert.deepEqual(JSON.parse(found), { model: name, x: 1 }, JSON.stringify(name));
  }
});

test("what is not the target, no key, or within a string stays", () => {
  for (const text of [
    '{"model":"target2","model":"targe","model":"","model":"Target"}',
    '{"model":null,"model":12,"model":["target"],"model":{"target":"target"}}',
    '{"models":"target","mode":"target","the model":"target","Model":"target","":"target"}',
    '{"type":"model","target":"target"}',
    '["model","target"]',
    '{"a":"\\"model\\":\\"target\\"","b\\"model":"target"}',
    '{"model":"targ\\u00g5t","model":"targe\\x","model":"\\ud83d","model":"\\ude42"}',
    '{"model":"target',
    '{"model"',
    '"model":"target\\',
    '"model":"\\u007',
    '"',
    "",
  ])
    assert.equal(editedAnyhow(text, { target: "target", name: "n" }), text);
  const lone = '{"model":"\\ud83d","model":"\\ud83dx","model":"\\ud83d\\u0041"}';
  assert.equal(editedAnyhow(lone, { target: "\ufffd", name: "n" }), lone, "a surrogate alone means nothing");
  assert.equal(
    editedAnyhow('{"model":"a","model":"target"}', { target: "target", name: "n" }),
    '{"model":"a","model":"n"}',
  );
});

test("the name that a tool is given, that a client wrote, or that stands anywhere else in an answer stays", () => {
  const edit = { target: "target", name: "n" };
  const model = { model: "target" };
  const named = '{"model":"n"}';
  for (const answer of [
    { content: [{ type: "tool_use", input: model }] },
    { metadata: model },
    { response: { metadata: model, output: [model], response: model }, item: model },
    { response: [model], message: null, model: [model] },
    { choices: [{ message: model, ...model }] },
    { x: "response", item: model },
    { x: ["response", model], y: { message: model } },
    [{ ...model }, model],
  ]) {
    for (const text of [JSON.stringify(answer), dataEvent(answer), JSON.stringify(answer, null, 2)])
      assert.equal(editedAnyhow(text, edit), text);
  }
  for (const answer of [
    { ...model, metadata: model },
    { metadata: model, message: { id: "x", content: [{ input: model }], ...model }, response: model },
    { message: { ...model, response: model }, delta: model },
  ]) {
    const text = JSON.stringify(answer);
    const found = editedAnyhow(text, edit);
    assert.equal(found, restoredJson(text, "target", "n"));
    assert.notEqual(found, text);
    assert.equal(editedAnyhow(dataEvent(answer), edit), `data: ${found}\n\n`);
  }
  const both = dataEvent({ message: {} }) + dataEvent({ x: model, ...model }) + dataEvent({ x: model });
  assert.equal(editedAnyhow(both, edit), both.replace('"model":"target"}\n', '"model":"n"}\n'));
  const several = 'event: "model":"target"\ndata: {"response":\ndata: {\ndata:  "model":"target"}\n\n';
  assert.equal(editedAnyhow(several, edit), several, "a key whose value begins in the next line");
  const lines = 'data: {"x":[],\ndata: "response":{"y":1,\ndata:  "model":"target"}}\n\n';
  assert.equal(editedAnyhow(lines, edit), lines.replace('"model":"target"', named.slice(1, -1)));
  for (const text of [`x ${JSON.stringify(model)}`, ` [${JSON.stringify(model)}]`, JSON.stringify("model")])
    assert.equal(editedAnyhow(text, edit), text);
});

test("without a target or a name everything passes at once", () => {
  for (const edit of [{}, { target: "tiny-llama" }, { name: "n" }]) {
    answers.begin(edit);
    for (const piece of cut(new SeededRandom(SEED), captured("chat-stream-usage"), 50))
      assert.deepEqual(answers.edit(piece), Buffer.from(piece));
    assert.equal(answers.edit("", true).length, 0);
  }
});

test("bytes are held back only while they may be the key and the target", () => {
  const held = (text: string): string => {
    answers.begin({ target: "target", name: "n" });
    return text.slice(answers.edit(text).length);
  };
  assert.equal(held('{"a'), "");
  assert.equal(held('{"'), '"');
  assert.equal(held('{"mode'), '"mode');
  assert.equal(held('{"model" : '), '"model" : ');
  assert.equal(held('{"model":"tar'), '"model":"tar');
  assert.equal(held('{"model":"tar\\u006'), '"model":"tar\\u006');
  for (const text of [
    '{"mo",',
    '{"model",',
    '{"model":"x',
    '{"model":"tart',
    '{"model":"\\u0061',
    '{"model":n',
  ])
    assert.equal(held(text), "", text);
  assert.equal(held(`{"model"${" ".repeat(1000)}`), "", "white space is not followed for ever");
  answers.begin({ target: "target", name: "n" });
  const pieces = ['{"mod', 'el":"tar', 'get"', ',"x":"'].map((piece) => answers.edit(piece).toString());
  assert.deepEqual(pieces, ["{", "", '"model":"n"', ',"x":']);
  assert.equal(answers.edit("", true).toString(), '"');
});

/** The stream's events without the usage: by JSON.parse, on lines that are one JSON text each. */
function withoutUsage(text: string): readonly unknown[] {
  return eventsOf(text).flatMap(({ name, data }) => {
    if (data.startsWith("[DONE]")) return [[name, data]];
    const { usage, ...rest } = JSON.parse(data) as Record<string, unknown>;
    const isStripped =
      typeof usage === "object" && usage !== null && !Array.isArray(usage) && "choices" in rest;
    if (!isStripped) return [[name, JSON.parse(data)]];
    return Array.isArray(rest.choices) && rest.choices.length === 0 ? [] : [[name, rest]];
  });
}

function parsedEvents(text: string): readonly unknown[] {
  return eventsOf(text).map(({ name, data }) => [name, data.startsWith("[DONE]") ? data : JSON.parse(data)]);
}

test("the usage that ends a captured stream is taken away whole, cut at any byte", () => {
  for (const name of ["chat-stream-usage", "completion-stream"]) {
    const text = captured(name).toString();
    const last = /data: [^\n]*"choices":\[\][^\n]*\n\n/.exec(text)![0];
    assert.equal(editedAnyhow(text, { stripUsage: true }), text.replace(last, ""), name);
  }
  const untouched = captured("chat-stream-nousage").toString();
  assert.equal(editedAnyhow(untouched, { stripUsage: true }), untouched);
});

test("from events with more than a usage only the member is taken", () => {
  const text = captured("chat-stream-usage-continuous").toString();
  const found = editedAnyhow(text, { stripUsage: true });
  assert.deepEqual(parsedEvents(found), withoutUsage(text));
  assert.equal(
    found,
    text.replace(/data: [^\n]*"choices":\[\][^\n]*\n\n/, "").replace(/,"usage":\{[^}]*\}/g, ""),
  );
  const one = '"choices":[{"text":"a"}]';
  const usage = '"usage" : {"prompt_tokens":1,"x":{"y":["}",{}]}}';
  for (const [before, after] of [
    [`{${usage},${one}}`, `{${one}}`],
    [`{ ${usage} , ${one} }`, `{  ${one} }`],
    [`{"id":"x" , ${usage} , ${one}}`, `{"id":"x"  , ${one}}`],
    [`{${one}\n,\t${usage} }`.replace("\n", " "), `{${one}  }`],
    [
      `{${one},"id":"\\"usage\\":{}","delta":{"usage":{}},${usage}}`,
      `{${one},"id":"\\"usage\\":{}","delta":{"usage":{}}}`,
    ],
  ] as const) {
    JSON.parse(after);
    assert.equal(editedAnyhow(`data: ${before}\n\n`, { stripUsage: true }), `data: ${after}\n\n`);
  }
});

test("answers that are no such stream keep their usage", () => {
  const kept = [
    captured("chat-nonstream-1-cold").toString(),
    RESPONSES_STREAM,
    MESSAGES_STREAM,
    RESPONSES_JSON,
    dataEvent({ choices: [], usage: null }),
    dataEvent({ choices: [], usage: [1] }),
    dataEvent({ choices: [], usages: { prompt_tokens: 1 } }),
    dataEvent({ choices: [], x: { usage: { prompt_tokens: 1 } } }),
    dataEvent({ object: "x", usage: { prompt_tokens: 1 } }),
    dataEvent([{ choices: [], usage: { prompt_tokens: 1 } }]),
    'data: {"choices":[],"usage":{"prompt_tokens":1}\n\n',
    'data: {"choices":[] "usage":{"prompt_tokens":1}}\n\n',
    'data: {"choices":[],"usage"{"prompt_tokens":1}}\n\n',
    'data: "usage"\n\n',
    ': "usage":{}\n\n',
    "data: ",
    "d",
    " \n",
    "WEBVTT",
    "",
  ];
  for (const text of kept) assert.equal(editedAnyhow(text, { stripUsage: true }, 100), text);
});

const USAGE = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const DROPPED = dataEvent({ id: "x", choices: [], usage: USAGE });
const KEPT = dataEvent({ id: "x", choices: [{ index: 0, delta: { content: "a" } }] });

test("events go on as soon as they are whole, whatever ends their lines", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const written = (...events: readonly string[]): string => events.join("").replaceAll("\n", end);
    const text = written(": hi\n\n", KEPT, DROPPED, KEPT, DROPPED, "data: [DONE]\n\n");
    const rest = written(": hi\n\n", KEPT, KEPT, "data: [DONE]\n\n");
    assert.equal(editedAnyhow(text, { stripUsage: true }), rest, JSON.stringify(end));
    answers.begin({ stripUsage: true });
    assert.equal(answers.edit(written(KEPT)).toString(), written(KEPT));
    assert.equal(answers.edit(written(DROPPED, KEPT)).toString(), written(KEPT));
    assert.equal(answers.edit(written(KEPT).slice(0, 30)).toString(), "");
    assert.equal(answers.edit(written(KEPT).slice(30)).toString(), written(KEPT));
    // Only the line feed that may follow is missing.
    const withoutFeed = written(KEPT).replace(/\r\n$/, "\r");
    assert.equal(answers.edit(withoutFeed).toString(), withoutFeed);
    if (end === "\r\n") assert.equal(answers.edit("\n").toString(), "\n");
    assert.equal(answers.edit("", true).toString(), "");
  }
});

test("what comes before the first event goes on at once, however much it is", () => {
  answers.begin({ stripUsage: true });
  const mark = Buffer.from([0xef, 0xbb, 0xbf]);
  for (const byte of singleBytes(mark)) assert.deepEqual(answers.edit(byte), Buffer.from(byte));
  const blank = "\n\r ".repeat(40_000);
  for (let round = 0; round < 3; round++) assert.equal(answers.edit(blank).toString(), blank);
  assert.equal(answers.edit(`${blank}da`).toString(), blank);
  assert.equal(answers.edit(`${DROPPED}${KEPT}`.slice(2)).toString(), KEPT);
  const whole = `\ufeff${blank}${DROPPED}${KEPT}`;
  assert.equal(edited(whole, { stripUsage: true }), `\ufeff${blank}${KEPT}`);
});

test("a byte order mark before the answer is no part of it", () => {
  const edit = { target: "t", name: "n", stripUsage: true };
  const event = 'data: {"choices":[1],"usage":{},"model":"t"}\n\n';
  const stream = `\ufeff${event}${DROPPED}`;
  assert.equal(editedAnyhow(stream, edit), '\ufeffdata: {"choices":[1],"model":"n"}\n\n');
  assert.equal(editedAnyhow('\ufeff\n{"model":"t"}', edit), '\ufeff\n{"model":"n"}');
  for (const text of [`\ufeff\ufeff${event}`, ` \ufeff${event}`])
    assert.equal(editedAnyhow(text, edit), text, "it is one only at the very beginning");
  const halfMark = Buffer.concat([Buffer.from([0xef, 0xbb]), Buffer.from(event)]);
  assert.deepEqual(answers.editAll(halfMark, edit), halfMark);
});

test("once the client has asked for usage after all, what is held goes on and none is taken any more", () => {
  answers.begin({ target: "t", name: "n", stripUsage: true });
  const named = 'data: {"choices":[],"usage":{},"model":"t"}\n\n';
  assert.equal(answers.edit(KEPT + DROPPED + named.slice(0, 30)).toString(), KEPT);
  answers.exports.editKeepUsage();
  assert.equal(answers.edit(named.slice(30)).toString(), named.replace('"t"', '"n"'));
  assert.equal(answers.edit(DROPPED).toString(), DROPPED);
  assert.equal(answers.edit("", true).toString(), "");
  answers.begin({ stripUsage: true });
  answers.edit(named.slice(0, 30));
  answers.exports.editKeepUsage();
  assert.equal(answers.edit("", true).toString(), named.slice(0, 30), "also at the answer's end");
  answers.begin({ stripUsage: true });
  answers.edit("da");
  answers.exports.editKeepUsage();
  assert.equal(answers.edit(DROPPED.slice(2)).toString(), DROPPED, "also before the kind of answer is known");
  assert.equal(answers.editAll(DROPPED, { stripUsage: true }).length, 0, "the next answer is edited again");
});

test("an event's data is found by its line's name, whatever else its lines have in them", () => {
  const before = ': [ping]\nid: {"a":1}\nevent: [x\nx: {\nretry: 1\n';
  assert.equal(editedAnyhow(before + DROPPED + KEPT, { stripUsage: true }), KEPT);
  const behind = DROPPED.replace("\n\n", ' \nid: {"usage":{}}\n: [\n\n');
  assert.equal(editedAnyhow(behind + KEPT, { stripUsage: true }), KEPT);
  const one = 'data:{"choices":[1],"usage":{}}\n\n';
  assert.equal(editedAnyhow(before + one, { stripUsage: true }), `${before}data:{"choices":[1]}\n\n`);
  for (const text of [
    DROPPED.replace("\n\n", "\ndata: x\n\n"),
    DROPPED.replace("\n\n", " x\n\n"),
    `data\n${DROPPED}`,
    DROPPED.replace("data: ", "data2: "),
    DROPPED.replace("data: ", "data: : "),
  ])
    assert.equal(editedAnyhow(text, { stripUsage: true }), text, text);
});

test("an event without its blank line is edited at the end of the answer", () => {
  const whole = KEPT + DROPPED;
  assert.equal(editedAnyhow(whole.slice(0, -1), { stripUsage: true }), KEPT);
  assert.equal(editedAnyhow(whole.slice(0, -2), { stripUsage: true }), KEPT);
  assert.equal(
    editedAnyhow(whole.slice(0, -4), { stripUsage: true }),
    whole.slice(0, -4),
    "cut off within the JSON",
  );
});

test("an event of more than 64 KiB passes as it comes, and the next one is edited again", () => {
  const big = (bytes: number): string => {
    const event = dataEvent({ text: "", choices: [], usage: USAGE });
    return event.replace('"text":""', `"text":"${"x".repeat(bytes - event.length)}"`);
  };
  const longest = big(MOST_EVENT_BYTES);
  const tooLong = big(MOST_EVENT_BYTES + 1);
  for (const most of [100_000, 5000, 100]) {
    const pieces = (text: string) => cut(new SeededRandom(SEED), Buffer.from(text), most);
    assert.equal(answers.editAll(pieces(longest + KEPT), { stripUsage: true }).toString(), KEPT);
    const text = tooLong + DROPPED + KEPT + tooLong;
    assert.equal(answers.editAll(pieces(text), { stripUsage: true }).toString(), tooLong + KEPT + tooLong);
  }
  answers.begin({ stripUsage: true });
  assert.equal(answers.edit(longest.slice(0, -1)).length, 0, "nothing goes on");
  assert.equal(answers.edit("xx").length, longest.length + 1, "but then all of it");
  assert.equal(answers.edit("y").toString(), "y");
});

test("both edits work together, also where an event is cut", () => {
  const text = captured("chat-stream-usage-continuous").toString();
  const edit = { target: "tiny-llama", name: "mine", stripUsage: true };
  const found = editedAnyhow(text, edit);
  assert.equal(found, restored(edited(text, { stripUsage: true }), "tiny-llama", "mine"));
  assert.equal(found.match(/"model":"mine"/g)?.length, 5);
  assert.equal(
    editedAnyhow('data: {"choices":[1],"usage":{},"model":"t"}\n\n', {
      target: "t",
      name: "n",
      stripUsage: true,
    }),
    'data: {"choices":[1],"model":"n"}\n\n',
  );
});

function answering(text: string): typeof fetch {
  const type = text.startsWith("{") ? "application/json" : "text/event-stream";
  return async () => new Response(text, { headers: { "content-type": type } });
}

test("the official clients read what was edited", async () => {
  const edit = { target: "tiny-llama", name: "mine", stripUsage: true };
  const openAi = (text: string): OpenAI =>
    new OpenAI({ apiKey: "none", baseURL: "http://127.0.0.1", fetch: answering(text) });
  const request = { model: "mine", messages: [], stream: true as const };
  const text: string[] = [];
  const chatText = edited(captured("chat-stream-usage"), edit);
  for await (const chunk of await openAi(chatText).chat.completions.create(request)) {
    assert.equal(chunk.model, "mine");
    assert.equal(chunk.usage, undefined);
    text.push(chunk.choices[0]!.delta.content ?? "");
  }
  assert.equal(text.join(""), "icrolibtypes stdTYPEwise25ts");
  const target = { target: "target", name: "mine", stripUsage: true };
  const events = openAi(edited(RESPONSES_STREAM, target)).responses.stream({ model: "mine", input: "x" });
  const response = await events.finalResponse();
  assert.deepEqual([response.model, response.usage?.total_tokens], ["mine", 78]);
  const anthropic = new Anthropic({
    apiKey: "none",
    baseURL: "http://127.0.0.1",
    fetch: answering(edited(MESSAGES_STREAM, target)),
  });
  const message = await anthropic.messages
    .stream({ model: "mine", max_tokens: 100, messages: [{ role: "user", content: "x" }] })
    .finalMessage();
  assert.deepEqual([message.model, message.usage.output_tokens], ["mine", 89]);
  assert.deepEqual(message.content.at(-1), {
    type: "tool_use",
    id: "toolu_1",
    name: "get_usage",
    // What a tool is given is text in the stream, and stays.
    input: { usage: { input_tokens: 7, model: "target" } },
  });
});

const TARGETS = ["t", "target", "mod/él", "🙂", '"model":"t"', "\\", "model", "tiny-llama-3.1-8B-Instruct"];

/** The string as some server might write it. */
function writtenSomehow(random: SeededRandom, text: string): string {
  return JSON.stringify(text).replace(/\\.|[^"\\]/gu, (part) => {
    if (part === "/" && random.below(2) === 0) return "\\/";
    if (part.startsWith("\\") || random.below(4) > 0) return part;
    return part.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  });
}

function someEvent(random: SeededRandom, target: string): string {
  const pickFrom = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const space = (): string => pickFrom(["", "", "", " ", "  "]);
  const member = (): string => {
    const value = random.below(2) === 0 ? target : pickFrom(TARGETS);
    const key = pickFrom(["model", "model", "models", "response", "message", "x"]);
    const string = `"model"${space()}:${space()}${writtenSomehow(random, value)}`;
    const object = pickFrom([`{${string}}`, `{"x":{${string}},${string}}`, `[{${string}}]`]);
    const isObject = random.below(key.startsWith("model") ? 4 : 2) === 0;
    return `${JSON.stringify(key)}${space()}:${space()}${isObject ? object : writtenSomehow(random, value)}`;
  };
  const usage = (): string =>
    `"usage"${space()}:${space()}${JSON.stringify(random.below(4) === 0 ? null : { ...USAGE, x: { y: [target] } })}`;
  const choices = (): string =>
    `"choices"${space()}:${space()}[${space()}${random.below(2) === 0 ? "" : JSON.stringify({ model: target })}]`;
  const members = [member(), member()];
  if (random.below(3) > 0) members.push(choices());
  if (random.below(3) > 0) members.splice(random.below(members.length + 1), 0, usage());
  return `data: {${space()}${members.join(`${space()},${space()}`)}${space()}}`;
}

test(`random streams in random pieces are edited as a plain parser would (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  let stripped = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const target = TARGETS[random.below(TARGETS.length)]!;
    const end = ["\n", "\n", "\r\n", "\r"][random.below(4)]!;
    const text = Array.from(
      { length: 1 + random.below(5) },
      () => someEvent(random, target) + end + end,
    ).join("");
    const bytes = Buffer.from(text);
    const pieces = (): readonly Uint8Array[] => cut(random, bytes, 1 + random.below(100));
    const name = TARGETS[random.below(TARGETS.length)]!;
    const named = restored(text, target, name);
    assert.equal(edited(text, { target, name }), named, text);
    assert.equal(answers.editAll(pieces(), { target, name }).toString(), named, text);
    const bare = edited(text, { stripUsage: true });
    assert.deepEqual(parsedEvents(bare), withoutUsage(text), text);
    assert.equal(answers.editAll(pieces(), { stripUsage: true }).toString(), bare, text);
    const both = { target, name, stripUsage: true };
    assert.equal(answers.editAll(pieces(), both).toString(), restored(bare, target, name), text);
    if (bare !== text) stripped++;
  }
  assert.ok(stripped > ROUNDS / 4, `${stripped} stripped`);
});

test(`damaged streams never trap, and the pieces do not matter (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED ^ 0x33);
  const sources = ["chat-stream-usage", "chat-stream-usage-continuous", "completion-stream"].map(captured);
  const hostile = Buffer.from('"\\{}[]:, \r\num');
  const edit = { target: "tiny-llama", name: "n", stripUsage: true };
  for (let round = 0; round < ROUNDS; round++) {
    const damaged = Buffer.from(sources[random.below(sources.length)]!);
    for (let hit = 0; hit <= random.below(20); hit++)
      damaged[random.below(damaged.length)] =
        random.below(2) === 0 ? random.below(256) : hostile[random.below(hostile.length)]!;
    const whole = answers.editAll(damaged, edit);
    assert.ok(
      whole.equals(answers.editAll(cut(random, damaged, 1 + random.below(60)), edit)),
      damaged.toString("latin1"),
    );
    if (round % 20 === 0) assert.ok(whole.equals(answers.editAll(singleBytes(damaged), edit)));
  }
});

test("an answer no longer than one before is edited without allocation", () => {
  const core = new Core();
  const own = new Answers(core);
  const bytes = captured("chat-stream-usage-continuous");
  const edit = { target: "tiny-llama", name: "a-longer-name-of-the-client", stripUsage: true };
  own.editAll(bytes, edit);
  own.editAll(singleBytes(bytes), edit);
  core.exports.collect();
  const probe = (): number => {
    const block = core.exports.allocate(40);
    core.exports.release(block);
    return block;
  };
  const before = probe();
  for (let round = 0; round < 20; round++) own.editAll(cut(new SeededRandom(round), bytes, 300), edit);
  assert.equal(probe(), before);
});
