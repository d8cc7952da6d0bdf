import assert from "node:assert/strict";
import { test } from "node:test";
import {
  SCAN_COMPLETE,
  SPAN_CAPACITY,
  SPAN_CONTENT,
  SPAN_MESSAGE,
  SPAN_PROMPT,
} from "../../assembly/core/body/scan_codes.ts";
import { SeededRandom } from "../emulator/random.ts";
import { bodyTree, isObject, lastMember, type Node } from "./body-tree.ts";
import { Core } from "./core.ts";
import { type Scan, scanBody, singleBytes } from "./scanner.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261127);
const core = new Core();

const PROMPT_KEYS = [
  ...["prompt", "system", "instructions", "text", "text_1", "text_2", "query", "documents", "tools"],
];
const MEDIA_TYPES = [
  ...["image_url", "input_image", "image", "input_audio", "audio_url", "video_url"],
  ...["file", "input_file", "document"],
];

function scan(text: string): Scan {
  return scanBody(core, [Buffer.from(text)]);
}

/** What the scanner says of prompts. */
type Prompts = Pick<
  Scan,
  "messages" | "tools" | "mediaParts" | "contentBytes" | "spans" | "spansDropped" | "answer"
>;

function promptsOf({
  messages,
  tools,
  mediaParts,
  contentBytes,
  spans,
  spansDropped,
  answer,
}: Scan): Prompts {
  return { messages, tools, mediaParts, contentBytes, spans, spansDropped, answer };
}

/** The same from the body's tree: of a repeated key, only the last. */
function expectedPrompts(tree: Node): Prompts {
  const spans: (readonly [number, number, number])[] = [];
  const counts = { messages: 0, tools: 0, mediaParts: 0, contentBytes: 0 };
  const message = (node: Node): void => {
    counts.messages++;
    spans.push([SPAN_MESSAGE, node.start, node.end]);
    const content = lastMember(node, "content");
    if (content === undefined) return;
    spans.push([SPAN_CONTENT, content.start, content.end]);
    const media = content.elements.filter((part) => {
      const type = lastMember(part, "type")?.value;
      return typeof type === "string" && MEDIA_TYPES.includes(type);
    });
    counts.mediaParts += media.length;
    counts.contentBytes +=
      content.end - content.start - media.reduce((sum, part) => sum + part.end - part.start, 0);
  };
  tree.members.forEach(([key, node], index) => {
    if (tree.members.slice(index + 1).some(([later]) => later === key)) return;
    if (key === "messages" || (key === "input" && isObject(node.elements[0]))) {
      node.elements.forEach(message);
    } else if (key === "input" || PROMPT_KEYS.includes(key)) {
      spans.push([SPAN_PROMPT, node.start, node.end]);
      if (key === "tools") counts.tools = node.elements.length;
      else counts.contentBytes += node.end - node.start;
    }
  });
  return {
    ...counts,
    spans: spans.slice(0, SPAN_CAPACITY),
    spansDropped: Math.max(0, spans.length - SPAN_CAPACITY),
    answer: SCAN_COMPLETE,
  };
}

function check(text: string): void {
  assert.deepEqual(promptsOf(scan(text)), expectedPrompts(bodyTree(text)), text);
}

/** The texts of the spans of one kind. */
function textsOf(text: string, kind: number): readonly string[] {
  const body = Buffer.from(text);
  return scan(text)
    .spans.filter(([of]) => of === kind)
    .map(([, start, end]) => body.subarray(start, end).toString());
}

test("messages and their contents are found with their places", () => {
  const text =
    '{"messages":[ {"role":"user","content":"é"} , {"content":[{"type":"text"}],"x":{"content":1}}]}';
  assert.deepEqual(textsOf(text, SPAN_MESSAGE), [
    '{"role":"user","content":"é"}',
    '{"content":[{"type":"text"}],"x":{"content":1}}',
  ]);
  assert.deepEqual(textsOf(text, SPAN_CONTENT), ['"é"', '[{"type":"text"}]']);
  assert.deepEqual(scan(text).spans[0], [SPAN_MESSAGE, 14, 44]);
  check(text);
});

test("an input is a prompt, unless it is a list of objects, which are messages", () => {
  for (const input of [
    '"text"',
    "[]",
    '["a","b"]',
    "[1,2,3]",
    "[[1,2],[3]]",
    '["a",{"content":"b"}]',
    "{}",
  ]) {
    const text = `{"input":${input},"model":"m"}`;
    assert.deepEqual(textsOf(text, SPAN_PROMPT), [input]);
    assert.equal(scan(text).messages, 0);
    check(text);
  }
  const text = '{"input":[ {"role":"user","content":"a"},"b",{"type":"item_reference"},3,[{"content":1}]]}';
  assert.deepEqual([scan(text).messages, textsOf(text, SPAN_PROMPT)], [5, []]);
  assert.deepEqual(textsOf(text, SPAN_CONTENT), ['"a"']);
  check(text);
});

test("prompts of every API are found", () => {
  for (const key of PROMPT_KEYS) {
    for (const value of ['"text"', '["a", "b"]', "null", '{"content":"x"}']) {
      const text = `{"x":[{"${key}":1}],"${key}" : ${value} }`;
      assert.deepEqual(textsOf(text, SPAN_PROMPT), [value], text);
      check(text);
    }
  }
});

test("tools are counted, media parts of messages too, and nothing deeper", () => {
  assert.equal(scan('{"tools":[{},{"type":"function"},1]}').tools, 3);
  assert.equal(scan('{"tools":{"a":[1]}}').tools, 0);
  assert.equal(scan('{"x":{"tools":[1]}}').tools, 0);
  for (const type of MEDIA_TYPES) {
    const part = `{"x":1,"type":"${type}"}`;
    assert.equal(scan(`{"messages":[{"content":[${part},${part}]}]}`).mediaParts, 2, type);
    assert.equal(scan(`{"input":[{"content":[${part}]}]}`).mediaParts, 1, type);
  }
  const media = '{"type":"image"}';
  for (const text of [
    `{"messages":[{"content":${media}}]}`,
    `{"messages":[{"content":[[${media}]]}]}`,
    `{"messages":[{"content":[{"type":"tool_result","content":[${media}]}]}]}`,
    `{"messages":[{"x":[${media}]}]}`,
    `{"messages":[[{"content":[${media}]}]]}`,
    `{"messages":{"a":{"content":[${media}]}}}`,
    `{"prompt":[{"content":[${media}]}]}`,
    `{"system":[${media}]}`,
    '{"messages":[{"content":[{"type":"text"},{"type":"imag"},{"type":null},{"type":["image"]},"image"]}]}',
    `{"messages":[{"content":[{"type":"${"image".padEnd(40, "x")}"}]}]}`,
  ]) {
    assert.equal(scan(text).mediaParts, 0, text);
    check(text);
  }
  const escaped = '{"messages":[{"\\u0063ontent":[{"\\u0074ype":"im\\u0061ge"}]}]}';
  assert.deepEqual([scan(escaped).mediaParts, textsOf(escaped, SPAN_CONTENT).length], [1, 1]);
});

test("the bytes of media are no content", () => {
  const text = `{"type":"text","text":"hi"}`;
  const image = `{"type":"image_url","image_url":{"url":"data:${"A".repeat(5000)}"}}`;
  const found = scan(`{"messages":[{"content":[${text},${image}]}]}`);
  assert.deepEqual([found.mediaParts, found.contentBytes], [1, text.length + "[,]".length]);
});

test("of a repeated key only the last counts, in a message and a part too", () => {
  for (const text of [
    '{"messages":[{"content":"a"},{"content":"b"}],"messages":[{"content":"c"}]}',
    '{"messages":[{"content":[{"type":"image"}]}],"prompt":"p","messages":null}',
    '{"prompt":"aa","tools":[1],"prompt":"b","tools":[2,3]}',
    '{"input":"a","input":[{"content":"b"}],"messages":[{"content":"c"}]}',
    '{"input":[{"content":"b"}],"messages":[1],"input":["c"]}',
    '{"messages":[{"content":[{"type":"image"},{"type":"image"}],"content":"text"}]}',
    '{"messages":[{"content":"text","x":1,"content":[{"type":"image"}]},{"content":"b"}]}',
    '{"messages":[{"content":[{"type":"image","type":"text"},{"type":"text","type":"image"}]}]}',
    '{"messages":[{"content":[{"type":"image","type":1}]}]}',
  ])
    check(text);
});

test(`beyond ${SPAN_CAPACITY} spans the rest is counted`, () => {
  const body = (messages: number): string =>
    JSON.stringify({
      system: "s",
      messages: Array.from({ length: messages }, (_, index) => ({ content: `${index}` })),
    });
  for (const messages of [127, 128, 129, 1000]) check(body(messages));
  assert.equal(scan(body(127)).spansDropped, 0);
  assert.equal(scan(body(128)).spansDropped, 1);
  // A repeated key gives back what it took.
  const twice = `{"messages":${JSON.stringify(Array(500).fill({ content: "a" }))},"messages":[{"content":"b"}]}`;
  check(twice);
  const content = `{"messages":[${'{"content":"a"},'.repeat(128)}{"content":"b","content":"c"}]}`;
  assert.deepEqual([scan(content).spansDropped, scan(content).messages], [2, 129]);
});

test("what is open is told before the end", () => {
  const open = scanBody(core, [Buffer.from('{"messages":[{"content":"a"},{"content":"b')], false);
  assert.deepEqual(open.spans, [
    [SPAN_MESSAGE, 13, 28],
    [SPAN_CONTENT, 24, 27],
    [SPAN_MESSAGE, 29, 0],
    [SPAN_CONTENT, 40, 0],
  ]);
  assert.deepEqual([open.messages, open.contentBytes], [2, 3]);
});

/** Values that a prompt's parts are made of, at any depth. */
function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = random.below(depth > 4 ? 3 : 8);
  if (kind === 0) return ["", "text", "é🙂", 'a "quoted" \\ text\n', "x".repeat(90)][random.below(5)]!;
  if (kind === 1) return random.below(1000);
  if (kind === 2) return null;
  if (kind === 3) return Array.from({ length: random.below(4) }, () => randomValue(random, depth + 1));
  return randomMembers(random, depth + 1);
}

/** Members as pairs, since a key may come twice. */
class Members {
  constructor(readonly pairs: readonly (readonly [string, unknown])[]) {}
}

const KEYS = ["messages", "input", "content", "type", "role", "model", ...PROMPT_KEYS];

function randomMembers(random: SeededRandom, depth: number): Members {
  const pairs = Array.from({ length: random.below(6) }, () => {
    const key = KEYS[random.below(KEYS.length)]!;
    if (key === "type") return [key, [...MEDIA_TYPES, "text"][random.below(10)]] as const;
    return [key, randomValue(random, depth)] as const;
  });
  return new Members(pairs);
}

/** A message whose content is parts, most of them typed. */
function randomMessage(random: SeededRandom): Members {
  const parts = Array.from({ length: random.below(4) }, () => randomMembers(random, 4));
  return new Members([
    ...randomMembers(random, 3).pairs,
    ["content", parts],
    ...(random.below(3) > 0 ? [] : randomMembers(random, 3).pairs),
  ]);
}

function write(random: SeededRandom, value: unknown): string {
  const space = random.below(20) === 0 ? " \n" : "";
  if (value instanceof Members) {
    const pairs = value.pairs.map(
      ([key, member]) => `${space}"${key}"${space}:${space}${write(random, member)}`,
    );
    return `{${pairs.join(",")}${space}}`;
  }
  if (Array.isArray(value)) {
    return `[${space}${value.map((element) => write(random, element)).join(`${space},`)}]`;
  }
  return JSON.stringify(value);
}

test(`random bodies in random pieces have the spans and counts that their trees have (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  let withMedia = 0;
  let withSpans = 0;
  for (let round = 0; round < 4000; round++) {
    const messages = Array.from({ length: random.below(4) }, () => randomMessage(random));
    const pairs = [
      ...randomMembers(random, 1).pairs,
      [random.below(2) === 0 ? "messages" : "input", messages] as const,
      ...randomMembers(random, 1).pairs,
    ];
    const text = write(random, new Members(pairs));
    const expected = expectedPrompts(bodyTree(text));
    const found = scan(text);
    assert.deepEqual(promptsOf(found), expected, text);
    if (round % 8 === 0) assert.deepEqual(scanBody(core, singleBytes(Buffer.from(text))), found, text);
    if (expected.mediaParts > 0) withMedia++;
    if (expected.spans.length > 3) withSpans++;
  }
  assert.ok(withMedia > 100 && withSpans > 1000, `${withMedia} with media, ${withSpans} with many spans`);
});
