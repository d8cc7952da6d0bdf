import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { boundaryOf, type Form, FormReader } from "./multipart.ts";

/** As `fetch` writes it. */
async function encoded(form: FormData): Promise<{ boundary: string; bytes: Buffer }> {
  const request = new Request("http://form", { method: "POST", body: form });
  const boundary = boundaryOf(request.headers.get("content-type")!);
  assert.ok(boundary !== undefined);
  return { boundary, bytes: Buffer.from(await request.arrayBuffer()) };
}

function read(boundary: string, pieces: Iterable<Buffer>): Form | string {
  const reader = new FormReader(boundary);
  for (const piece of pieces) reader.push(piece);
  return reader.end();
}

function* cut(bytes: Buffer, at: readonly number[]): Generator<Buffer> {
  let from = 0;
  for (const to of [...at].sort((a, b) => a - b)) {
    yield bytes.subarray(from, to);
    from = to;
  }
  yield bytes.subarray(from);
}

const found = (form: Form | string): unknown =>
  typeof form === "string" ? form : { fields: [...form.fields], files: form.files };

test("a form is the same however it is cut", async () => {
  const form = new FormData();
  form.set("model", 'a "quoted" näme');
  form.set("empty", "");
  form.set('odd "name"', "line\r\nbreak --not-a-boundary");
  form.set("file", new File([new Uint8Array(300).fill(45)], "a;b.wav"));
  const { boundary, bytes } = await encoded(form);
  const whole = read(boundary, [bytes]);
  assert.deepEqual(found(whole), {
    fields: [
      ["model", 'a "quoted" näme'],
      ["empty", ""],
      ['odd "name"', "line\r\nbreak --not-a-boundary"],
    ],
    files: [{ name: "file", fileName: "a;b.wav", bytes: 300 }],
  });
  for (let at = 0; at <= bytes.length; at++) assert.deepEqual(read(boundary, cut(bytes, [at])), whole);
  assert.deepEqual(read(boundary, cut(bytes, [...bytes.keys()])), whole);
});

test("the sizes of files are found among bytes that look like boundaries", () => {
  const piece = fc.constantFrom("\r\n", "--", "-", "\r", "\n", "--b", "\r\n--", "\r\n--x", "a");
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(2000)), (pieces, cuts) => {
      const content = pieces.join("");
      fc.pre(!`\r\n${content}`.includes("\r\n--bound"));
      const head = 'preamble\r\n--bound\r\ncontent-disposition: form-data; name="f"; filename="n"\r\n\r\n';
      const bytes = Buffer.from(`${head}${content}\r\n--bound--\r\nepilogue`);
      const form = read(
        "bound",
        cut(
          bytes,
          cuts.map((at) => at % bytes.length),
        ),
      );
      assert.ok(typeof form === "object");
      assert.equal(form.files[0]!.bytes, content.length);
    }),
  );
});

test("a file of any size takes no memory, a field of more than a megabyte is refused", () => {
  const reader = new FormReader("b");
  reader.push(Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'));
  const chunk = Buffer.alloc(1 << 20, "\r\n-");
  const usedBefore = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200; i++) reader.push(chunk);
  assert.ok(process.memoryUsage().arrayBuffers - usedBefore < 64 * (1 << 20));
  reader.push(Buffer.from("\r\n--b--"));
  const form = reader.end();
  assert.ok(typeof form === "object");
  assert.equal(form.files[0]!.bytes, 200 * (1 << 20));

  const field = new FormReader("b");
  field.push(Buffer.from('--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n'));
  field.push(Buffer.alloc(2 << 20));
  assert.match(String(field.end()), /maximum size/);
});

test("what is no whole form is told so", () => {
  for (const text of [
    "",
    "--b",
    "--b\r\n\r\nx\r\n--b--",
    '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx',
  ]) {
    assert.equal(typeof read("b", [Buffer.from(text)]), "string", text);
  }
});

test("the boundary is read from the content type of a form only", () => {
  for (const [type, boundary] of [
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data; charset=utf-8; Boundary="a b\\"c"', 'a b"c'],
    ["multipart/form-data", undefined],
    ["multipart/mixed; boundary=abc", undefined],
    ["application/json", undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(boundaryOf(type), boundary);
  }
});
