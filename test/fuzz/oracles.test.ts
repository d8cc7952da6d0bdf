import assert from "node:assert/strict";
import { test } from "node:test";
import { BYTE_CLASSES } from "./byte-classes.ts";
import { expectedAnswer } from "./oracles/answer.ts";
import { strictBoundary, strictForm } from "./oracles/form.ts";
import { memberSpans } from "./oracles/member-spans.ts";
import { pythonJson } from "./oracles/python-json.ts";
import { expectedBody } from "./oracles/request-body.ts";
import { canBecomeObject } from "./oracles/viable-prefix.ts";

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

test("the classes hold each byte once", () => {
  const all = BYTE_CLASSES.flatMap((byteClass) => byteClass.bytes).sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 256 }, (_, byte) => byte),
  );
});

test("Python's reading differs from JSON.parse in what is listed, and in nothing near it", () => {
  const kindOf = (text: string): string => pythonJson(bytes(text)).kind;
  const taken = ['\xef\xbb\xbf{"a":1}', '{"a":NaN}', "[Infinity,-Infinity]", '"\xed\xa0\x80\xed\xbf\xbf"'];
  for (const text of taken) assert.equal(kindOf(text), "value", text);
  const refused = [
    ...[
      "\xef\xbb\xbf\xef\xbb\xbf{}",
      "+Infinity",
      "-NaN",
      "NaN1",
      "1NaN",
      "NaNNaN",
      "{NaN:1}",
      "nan",
      "\xa0{}",
    ],
    ...['"\xed\xa0"', '"\xed\xa0A"', '"\xc0\x80"', '"\xf4\x90\x80\x80"', '"\xf0\x8f\xbf\xbf"', '"\x7f\x80"'],
    ...["01", "1.", ".5", "[1,]", '{"a":1,}', "'a'", '"\t"', '"\\x"', "", " ", '"NaN', "tru"],
  ];
  for (const text of refused) assert.equal(kindOf(text), "refused", text);
  const others = ["\xfe\xff\0{", "\xff\xfe{\0", "{\0}\0", "\0{\0}", "\0\0\0{", " \0{\0"];
  for (const text of others) assert.equal(kindOf(text), "encoding", text);
  assert.deepEqual(pythonJson(bytes('["NaN",NaN]')), { kind: "value", value: ["NaN", []] });
});

test("members are found where they stand, repeated and nested ones too", () => {
  const text = '{ "a" : [1,{"b":"]}"}] ,"b":"\\"","a":-1.5e3}';
  assert.deepEqual(
    memberSpans(bytes(text), 0).map(({ key, start, end }) => [key, text.slice(start, end)]),
    [
      ["a", '[1,{"b":"]}"}]'],
      ["b", '"\\""'],
      ["a", "-1.5e3"],
    ],
  );
});

test("a body's fields are those of the last of equal keys", () => {
  const text =
    '{"model":"a","n":1,"stream":true,"model":"b","messages":[{"content":[{"type":"image"}]}],"n":-1}';
  const expected = expectedBody(bytes(text));
  assert.ok(expected.accepted);
  const { modelRepeated, model, modelStart, modelEnd, stream, n, messages, mediaParts } = expected.fields;
  assert.equal(text.slice(modelStart, modelEnd), '"b"');
  assert.equal(model?.bytes.toString(), "b");
  assert.deepEqual([modelRepeated, stream, n, messages, mediaParts], [true, true, undefined, 1, 1]);
  assert.deepEqual(expectedBody(bytes("[]")), { accepted: false, refusal: "not an object" });
});

test("a beginning can become an object up to the byte that is wrong", () => {
  const wrong: readonly (readonly [text: string, offset: number])[] = [
    ['{"a":1]', 6],
    ['{"a":01}', 6],
    ['{"a":"\\x"}', 7],
    ['{"a":"\xe2\x82"}', 8],
    ['{"a":"\xf0\x8f"}', 7],
    ['{"a":"\\u12G4"}', 10],
    ['{"a":nulx}', 8],
    ['{"a":-Inx}', 8],
    ['{"a" 1}', 5],
    ['{"a":1,}', 7],
    ["{}x", 2],
    ["\xef\xbb{", 2],
    ["[", 0],
  ];
  for (const [text, offset] of wrong) {
    for (let length = 0; length <= text.length; length++) {
      const beginning = bytes(text).subarray(0, length);
      assert.equal(canBecomeObject(beginning), length <= offset, `${length} bytes of ${text}`);
    }
  }
});

test("an event stream is taken apart as the standard says", () => {
  const stream =
    'event: x.delta\r\ndata: {"a":\rdata:1}\n\n: no\nid\ndata\n\ndata: {"usage":{"total_tokens":7}}\n\ndata: [DONE]\n\n';
  const said = expectedAnswer(bytes(stream));
  assert.deepEqual([said.isEventStream, said.events], [true, 3]);
  // An empty event is no JSON: of such a stream nothing but the events is known.
  assert.equal(said.usage, undefined);
  const whole = expectedAnswer(bytes(stream.replace("data\n\n", "")));
  assert.deepEqual([whole.events, whole.contentEvents, whole.done, whole.isError], [2, 1, true, false]);
  assert.deepEqual([whole.usage?.prompt, whole.usage?.completion, whole.usage?.cached], [7n, 0n, -1n]);
});

test("a form that keeps to the standard is told from one that does not", () => {
  const part = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--bc\r\n';
  assert.deepEqual(strictForm("b", bytes(`${part}--b--`)), [
    { name: "model", isFile: false, start: 53, end: 60 },
  ]);
  for (const odd of [part, `x${part}--b--`, `${part}--b --`, `${part.replace("; name", "; nam")}--b--`])
    assert.equal(strictForm("b", bytes(odd)), undefined, odd);
  assert.equal(strictBoundary('multipart/form-data; charset=x; Boundary="a b"'), "a b");
  assert.equal(strictBoundary("multipart/form-data; boundary=a b"), undefined);
});
