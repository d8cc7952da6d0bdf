import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BOUNDARY_MAX_BYTES,
  MODEL_CAPACITY_BYTES,
  PART_HEADER_MAX_BYTES,
  REASON_BAD_DELIMITER,
  REASON_BAD_PART_HEADER,
  REASON_PART_HEADER_TOO_LONG,
  REASON_PART_WITHOUT_NAME,
  REASON_TRUNCATED,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
  SCAN_MORE,
} from "../../assembly/core/body/scan_codes.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { type FormScan, scanForm, singleBytes } from "./scanner.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261128);
const core = new Core();

/** A form of the boundary `XX`, each line of the template with CRLF. */
function form(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join("\r\n"), "latin1");
}

function field(name: string, value: string): readonly string[] {
  return ["--XX", `Content-Disposition: form-data; name="${name}"`, "", value];
}

function scan(body: Uint8Array, boundary = "XX"): FormScan {
  return scanForm(core, boundary, [body]);
}

/** What a form of these fields says. */
function scanFields(...fields: readonly (readonly [name: string, value: string])[]): FormScan {
  return scan(form(...fields.flatMap(([name, value]) => field(name, value)), "--XX--", ""));
}

/** What `findBoundary` finds in a content-type. */
function boundaryOf(contentType: string): string | undefined {
  const bytes = Buffer.from(contentType, "latin1");
  const { exports } = core;
  if (exports.boundaryOf(core.put(bytes), bytes.length) === 0) return undefined;
  return Buffer.from(core.bytesAt(exports.boundaryPtr(), exports.boundaryBytes())).toString("latin1");
}

/** What a client of Node's own sends. */
async function sent(data: FormData): Promise<{ readonly body: Buffer; readonly boundary: string }> {
  const request = new Request("http://localhost/", { method: "POST", body: data });
  const boundary = boundaryOf(request.headers.get("content-type") ?? "");
  assert.ok(boundary !== undefined);
  return { body: Buffer.from(await request.arrayBuffer()), boundary };
}

test("the form of Node's own client is read: model, stream, limits, and files as media", async () => {
  const data = new FormData();
  data.append(
    "file",
    new Blob([new SeededRandom(SEED).bytes(70_000)], { type: "audio/wav" }),
    'a"b;name="model".wav',
  );
  data.append("prompt", "Ünïcode\r\n--not a boundary");
  data.append("model", "whisper-✓");
  data.append("stream", "true");
  data.append("stream_include_usage", "1");
  data.append("max_completion_tokens", "77");
  data.append("user", "someone");
  data.append("n", "2");
  const { body, boundary } = await sent(data);
  const found = scan(body, boundary);
  assert.deepEqual(
    [found.answer, found.model, found.stream, found.includeUsage, found.maxTokens, found.user, found.n],
    [SCAN_COMPLETE, "whisper-✓", true, true, 77, "someone", 2],
  );
  assert.equal(found.mediaParts, 1);
  assert.equal(body.subarray(found.modelStart, found.modelEnd).toString(), "whisper-✓");
  assert.equal(body.subarray(...found.prompt!).toString(), "Ünïcode\r\n--not a boundary");
});

test("cut at any byte, and in single bytes, a form says what it says in one piece", async () => {
  const data = new FormData();
  data.append("model", "m\r\n--m");
  data.append(
    "file",
    new Blob([Buffer.from("\r\r\n\r\n-\r\n--\r\n------formdata\r\n------formdata-undici")]),
    "f",
  );
  data.append("stream", "false");
  const { body, boundary } = await sent(data);
  const whole = scan(body, boundary);
  assert.deepEqual([whole.answer, whole.model, whole.stream], [SCAN_COMPLETE, "m\r\n--m", false]);
  for (let cut = 0; cut <= body.length; cut++) {
    const pieces = [body.subarray(0, cut), body.subarray(cut)];
    assert.deepEqual(scanForm(core, boundary, pieces), whole, `cut at ${cut}`);
  }
  assert.deepEqual(scanForm(core, boundary, singleBytes(body)), whole);
});

test("a field that the form's end cuts off counts not, nor does an earlier one of its name", () => {
  const fields: readonly (readonly [name: string, value: string, of: keyof FormScan])[] = [
    ["model", "m", "model"],
    ["stream", "true", "stream"],
    ["stream_include_usage", "1", "includeUsage"],
    ["n", "2", "n"],
    ["max_tokens", "5", "maxTokens"],
    ["max_completion_tokens", "6", "maxTokens"],
    ["user", "u", "user"],
  ];
  const other = [...field("x", "y"), "--XX--", ""];
  for (const [name, value, of] of fields) {
    const none = scan(form(...other))[of];
    assert.notDeepEqual(scan(form(...field(name, value), ...other))[of], none, name);
    const cutOff = form(...field(name, value), ...field(name, value)).subarray(0, -1);
    assert.deepEqual(scan(cutOff)[of], none, name);
    const begun = form(
      ...field(name, value),
      "--XX",
      `Content-Disposition: form-data; name="${name}"`,
      "",
      "",
    );
    assert.deepEqual(scan(begun)[of], none, name);
  }
  const limits = [...field("max_tokens", "5"), ...field("max_completion_tokens", "6")];
  assert.equal(
    scan(form(...limits, ...field("max_completion_tokens", "7"))).maxTokens,
    5,
    "the other is left",
  );
});

test("the last field of a name counts, an empty one is none, and a file is none", () => {
  assert.equal(scanFields(["model", "a"], ["model", "b"]).model, "b");
  assert.equal(scanFields(["model", "a"], ["model", "b"]).modelRepeated, true);
  assert.equal(scanFields(["model", "a"], ["models", "b"]).modelRepeated, false);
  const empty = scanFields(["model", "a"], ["model", ""]);
  assert.deepEqual([empty.model, empty.modelStart, empty.modelEnd], [undefined, 0, 0]);
  const file = scan(
    form("--XX", 'Content-Disposition: form-data; name="model"; filename="x"', "", "a", "--XX--"),
  );
  assert.deepEqual([file.answer, file.model, file.mediaParts], [SCAN_COMPLETE, undefined, 1]);
  assert.equal(scanFields(["Model", "a"]).model, undefined);
  assert.equal(scanFields(["x", "a"]).model, undefined);
});

test("a long model is kept to its capacity", () => {
  const longest = scanFields(["model", "m".repeat(MODEL_CAPACITY_BYTES)]);
  assert.deepEqual([longest.model?.length, longest.modelTooLong], [MODEL_CAPACITY_BYTES, false]);
  const tooLong = scanFields(["model", "m".repeat(MODEL_CAPACITY_BYTES + 1)]);
  assert.deepEqual([tooLong.model?.length, tooLong.modelTooLong], [MODEL_CAPACITY_BYTES, true]);
  assert.equal(tooLong.modelEnd - tooLong.modelStart, MODEL_CAPACITY_BYTES + 1);
});

test("truth and numbers are read from text as FastAPI reads them", () => {
  for (const value of ["true", "True", "TRUE", "1", "yes", "on", "t", "Y"])
    assert.equal(scanFields(["stream", value]).stream, true, value);
  for (const value of ["false", "0", "no", "off", "truex", " true"])
    assert.equal(scanFields(["stream", value]).stream, false, value);
  assert.equal(scanFields(["stream", ""]).stream, undefined);
  assert.equal(scanFields(["stream", "true"], ["stream", "false"]).stream, false);
  const limit = (value: string): number | undefined => scanFields(["max_completion_tokens", value]).maxTokens;
  assert.equal(limit("12"), 12);
  assert.equal(limit("99999999999"), 0xffffffff);
  for (const value of ["", "-1", "1.5", "1e3", "x", "012", "1 "])
    assert.equal(limit(value), undefined, value);
  assert.equal(scanFields(["max_tokens", "1"], ["max_completion_tokens", "2"]).maxTokens, 2);
  assert.equal(scanFields(["n", "3"], ["n", "x"]).n, undefined);
});

test("headers in any case, in any order and with anything else are read", () => {
  const models: readonly (readonly string[])[] = [
    ['content-disposition: form-data; name="model"'],
    ['CONTENT-DISPOSITION:form-data;name="model"'],
    ["Content-Disposition:   form-data ; NAME = model ; x=y"],
    ['Content-Type: text/plain; name="other"', 'Content-Disposition: form-data; x="a;name=b"; name="model"'],
    ['Content-Disposition: form-data; name="other"', 'Content-Disposition: form-data; name="model"'],
    ['Content-Disposition: form-data; name="other"; name="model"'],
    ['Content-Disposition: form-data; x="a\\";name=\\"b"; name="model"', "X-Empty:"],
    ['Content-Disposition: x; name="model"', "x-!#$%&'*+-.^_`|~: \x01\xff"],
  ];
  for (const headers of models) {
    assert.equal(scan(form("--XX", ...headers, "", "m", "--XX--")).model, "m", headers.join("|"));
  }
  for (const name of ['"mod%65l"', '"model;"', '"\\"model\\""', "'model'", '"model', 'x; filename=model"'])
    assert.equal(
      scan(form("--XX", `Content-Disposition: form-data; name=${name}`, "", "m", "--XX--")).model,
      undefined,
      name,
    );
});

test("what comes before the first delimiter and behind the last one is ignored", () => {
  const fields = [...field("model", "m"), "--XX--"];
  for (const before of [[], [""], ["", ""], ["preamble -- XX", "--X", "--XXY", "--XX-Y", " --XX"], ["\n"]])
    assert.equal(scan(form(...before, ...fields)).model, "m", before.join("|"));
  assert.equal(scan(Buffer.concat([Buffer.from("junk\n"), form(...fields)])).model, "m");
  for (const behind of ["\r\n", "\r\nepilogue", " x", "--", "\r\n--XX\r\nbad", "\0"])
    assert.equal(scan(Buffer.concat([form(...fields), Buffer.from(behind)])).model, "m", behind);
  assert.equal(scan(form("--XX--")).answer, SCAN_COMPLETE);
});

test("blanks may follow a delimiter, and nothing else", () => {
  const padded = form(
    "--XX \t",
    ...field("model", "a").slice(1),
    "--XX\t ",
    ...field("stream", "1").slice(1),
    "--XX--",
  );
  assert.deepEqual([scan(padded).model, scan(padded).stream], ["a", true]);
});

test("what only begins as a delimiter is data", () => {
  const alike = [
    "\r",
    "\r\n",
    "\n--XX",
    "\r\n-",
    "\r\n--",
    "\r\n--X",
    "\r\n--XX",
    "\r\n--XXX",
    "\r\n--XX-",
    "\r\n--XX\r",
  ];
  for (const value of [...alike, ...alike.map((text) => `${text}\r`), ...alike.map((text) => `${text}-`)]) {
    // A delimiter behind it is one: that is data which is a delimiter's beginning and its end.
    const text = `a${value}z`;
    if (/\r\n--XX(?:--|\r\n|[ \t])/.test(`${text}\r\n`)) continue;
    for (const data of [text, `a${value}`]) {
      if (/\r\n--XX(?:--|\r\n|[ \t])/.test(`${data}\r\n--XX`)) continue;
      const body = form(...field("model", data), "--XX--");
      const found = scan(body);
      assert.equal(found.model, data, JSON.stringify(data));
      assert.equal(body.subarray(found.modelStart, found.modelEnd).toString("latin1"), data);
      assert.deepEqual(scanForm(core, "XX", singleBytes(body)), found);
    }
  }
});

/** The body, the reason, and the offset as the first byte of a text in it. */
const MALFORMED: readonly (readonly [lines: readonly string[], reason: number, at: string])[] = [
  [["--XX x", ""], REASON_BAD_DELIMITER, "x"],
  [["--XX \rx", ""], REASON_BAD_DELIMITER, "x"],
  [["--XX", " folded: x", ""], REASON_BAD_PART_HEADER, " "],
  [["--XX", ": x", ""], REASON_BAD_PART_HEADER, ":"],
  [["--XX", "no colon", ""], REASON_BAD_PART_HEADER, " "],
  [["--XX", "a: b\rc", ""], REASON_BAD_PART_HEADER, "c"],
  [["--XX", "\rc", ""], REASON_BAD_PART_HEADER, "c"],
  [["--XX", "a(b: c", ""], REASON_BAD_PART_HEADER, "("],
  [["--XX", "a\xe9: c", ""], REASON_BAD_PART_HEADER, "\xe9"],
  [["--XX", "Content-Type: text/plain", "", "x", "--XX--"], REASON_PART_WITHOUT_NAME, "\nx"],
  [["--XX", "", "x", "--XX--"], REASON_PART_WITHOUT_NAME, "\nx"],
  [["--XX", "Content-Disposition: form-data", "", "x"], REASON_PART_WITHOUT_NAME, "\nx"],
  [["--XX", 'Content-Disposition: form-data; filename="a"', "", "x"], REASON_PART_WITHOUT_NAME, "\nx"],
  [["--XX", 'Content-Disposition: name="model"', "", "x"], REASON_PART_WITHOUT_NAME, "\nx"],
];

test("a malformed form is refused with the place and the reason, in one piece or in single bytes", () => {
  for (const [lines, reason, at] of MALFORMED) {
    const body = form(...lines);
    for (const pieces of [[body], singleBytes(body)]) {
      const found = scanForm(core, "XX", pieces);
      assert.deepEqual(
        [found.answer, found.errorReason, found.errorOffset],
        [SCAN_MALFORMED, reason, body.indexOf(at, 4, "latin1")],
        lines.join("|"),
      );
    }
  }
});

test("a form without any delimiter is refused at its end, one that breaks off later is not", () => {
  for (const text of ["", "x", "\r\n", "--X", "--XX", "--XX\r", "--XY--", "x--XX--"]) {
    const found = scan(Buffer.from(text));
    assert.deepEqual(
      [found.answer, found.errorReason, found.errorOffset],
      [SCAN_MALFORMED, REASON_TRUNCATED, text.length],
      text,
    );
  }
  const body = form(...field("model", "m"), ...field("stream", "1"), "--XX--");
  const modelEnd = scan(body).modelEnd;
  for (let length = "--XX\r\n".length; length < body.length; length++) {
    const found = scan(body.subarray(0, length));
    assert.equal(found.answer, SCAN_COMPLETE, `${length}`);
    assert.equal(found.model, length < modelEnd + "\r\n--XX\r\n".length ? undefined : "m", `${length}`);
    assert.equal(scanForm(core, "XX", [body.subarray(0, length)], false).answer, SCAN_MORE);
  }
});

test("the headers of a part are bounded", () => {
  const disposition = 'Content-Disposition: form-data; name="model"';
  const ends = "\r\n\r\n".length;
  const headers = (bytes: number): Buffer =>
    form(
      "--XX",
      disposition,
      `X: ${"x".repeat(bytes - disposition.length - ends - "\r\nX: ".length)}`,
      "",
      "m",
      "--XX--",
    );
  const longest = scan(headers(PART_HEADER_MAX_BYTES));
  assert.deepEqual([longest.answer, longest.model], [SCAN_COMPLETE, "m"]);
  const tooLong = scan(headers(PART_HEADER_MAX_BYTES + 1));
  assert.deepEqual(
    [tooLong.answer, tooLong.errorReason, tooLong.errorOffset],
    [SCAN_MALFORMED, REASON_PART_HEADER_TOO_LONG, "--XX\r\n".length + PART_HEADER_MAX_BYTES],
  );
  const endless = scan(form("--XX", "x".repeat(3 * PART_HEADER_MAX_BYTES)));
  assert.equal(endless.errorReason, REASON_PART_HEADER_TOO_LONG);
});

test("the boundary is found in a content-type, quoted or not, in any case", () => {
  assert.equal(boundaryOf("multipart/form-data; boundary=abc"), "abc");
  assert.equal(boundaryOf('Multipart/Form-Data;BOUNDARY="a b;c"'), "a b;c");
  assert.equal(boundaryOf("multipart/form-data ; charset=utf-8; Boundary = abc ; x=y"), "abc");
  assert.equal(boundaryOf('multipart/form-data; x="boundary=no"; boundary=yes'), "yes");
  assert.equal(boundaryOf("multipart/form-data; boundary=a; boundary=b"), "b");
  assert.equal(
    boundaryOf("multipart/form-data; boundary=----WebKitFormBoundary7MA4"),
    "----WebKitFormBoundary7MA4",
  );
  for (const other of [
    ...["", "multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'],
    ...["application/json; boundary=a", "multipart/mixed; boundary=a", "multipart/form-data; boundary*=a"],
    ...[
      "multipart/form-data; xboundary=a",
      "multipart/form-data, boundary=a",
      "x; multipart/form-data; boundary=a",
    ],
  ])
    assert.equal(boundaryOf(other), undefined, other);
});

test(`a boundary has 1 to ${BOUNDARY_MAX_BYTES} bytes`, () => {
  const longest = "b".repeat(BOUNDARY_MAX_BYTES);
  const body = form(
    `--${longest}`,
    'Content-Disposition: form-data; name="model"',
    "",
    "m",
    `--${longest}--`,
  );
  assert.equal(scan(body, longest).model, "m");
  assert.throws(() => scan(body, `${longest}b`), RangeError);
  assert.throws(() => scan(body, ""), RangeError);
  assert.equal(core.exports.formFeed(core.put(body), body.length), SCAN_MALFORMED);
  assert.equal(core.exports.formFinish(), SCAN_MALFORMED);
});

/** Bytes that are much like delimiters and headers. */
const CHUNKS = [
  ...[
    "\r",
    "\n",
    "\r\n",
    "-",
    "--",
    "--XX",
    "\r\n--XX",
    "\r\n--XX\r\n",
    "\r\n--XX--",
    "XX",
    " ",
    ":",
    ";",
    '"',
    "=",
    "x",
  ],
  ...[
    'Content-Disposition: form-data; name="model"\r\n\r\n',
    'content-disposition: x; name="file"; filename="f"\r\n\r\n',
  ],
];

test(`random forms never trap and say the same in any pieces (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const answers = new Map<number, number>();
  let models = 0;
  for (let round = 0; round < 5000; round++) {
    const start = random.below(3) > 0 ? ["--XX\r\n"] : [];
    const chunks = Array.from({ length: random.below(14) }, () => CHUNKS[random.below(CHUNKS.length)]!);
    const body = Buffer.from([...start, ...chunks].join(""), "latin1");
    const whole = scan(body);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < body.length; at += pieces.at(-1)!.length)
      pieces.push(body.subarray(at, at + 1 + random.below(9)));
    assert.deepEqual(scanForm(core, "XX", pieces), whole, body.toString("latin1"));
    assert.deepEqual(scanForm(core, "XX", singleBytes(body)), whole, body.toString("latin1"));
    answers.set(whole.answer, (answers.get(whole.answer) ?? 0) + 1);
    if (whole.model !== undefined) models++;
  }
  assert.ok(
    (answers.get(SCAN_COMPLETE) ?? 0) > 500 && (answers.get(SCAN_MALFORMED) ?? 0) > 500 && models > 50,
  );
});
