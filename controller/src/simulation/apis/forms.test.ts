import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inflateSync } from "node:zlib";
import { type Fleet, startFleet } from "../fleet.ts";
import type { ModelServer } from "../model-server.ts";
import { MEDIA_TOKENS } from "../prompt-tokens.ts";
import { call, events, json, type ParsedJson, sendForm } from "../test-client.ts";

/** Two seconds of sound. */
const SOUND = new File([new Uint8Array(64_000)], "sound.wav", { type: "audio/wav" });
const PICTURE = new File([new Uint8Array(1000)], "picture.png", { type: "image/png" });

function form(fields: Readonly<Record<string, string | File | readonly File[]>>): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of Array.isArray(value) ? value : [value]) made.append(name, each);
  }
  return made;
}

describe("sound and pictures on a simulated server", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base", "7"], speed: 50 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  test("a sound is transcribed and translated, and its length told", async () => {
    for (const path of ["/v1/audio/transcriptions", "/v1/audio/translations"]) {
      const answer = await sendForm(server, path, form({ file: SOUND, model: "base" }));
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers["x-sim-model"], "base");
      const { text, usage } = JSON.parse(answer.text);
      assert.ok(text.length > 10);
      assert.deepEqual(usage, { type: "duration", seconds: 2 });
    }
  });

  test("a model named like a number keeps its name", async () => {
    const answer = await sendForm(server, "/v1/audio/transcriptions", form({ model: "7", file: SOUND }));
    assert.equal(answer.headers["x-sim-model"], "7");
  });

  test("a transcription streams chunks, with usage where it is asked for", async () => {
    const asked = form({ file: SOUND, stream: "true", stream_include_usage: "true" });
    const answer = await sendForm(server, "/v1/audio/transcriptions", asked);
    const sent = events(answer.text);
    assert.equal(sent.at(-1), "[DONE]");
    const { usage } = sent.at(-2);
    assert.equal(usage.prompt_tokens, 100);
    assert.equal(usage.completion_tokens, 6);
    const text = sent.flatMap(({ choices = [] }) => choices).map(({ delta }: ParsedJson) => delta.content);
    const whole = await sendForm(
      server,
      "/v1/audio/transcriptions",
      form({ file: SOUND, response_format: "text" }),
    );
    assert.equal(text.join("").trimStart(), whole.text);
  });

  test("speech comes as sound of the kind asked for", async () => {
    const asked = { input: "Good morning", voice: "any", response_format: "wav" };
    const answer = await call(server, "/v1/audio/speech", asked);
    assert.equal(answer.headers["content-type"], "audio/wav");
    assert.equal(answer.bytes.length, 3 * 2 * 640);
    assert.equal((await call(server, "/v1/audio/speech", { ...asked, response_format: "tape" })).status, 400);
  });

  test("pictures are generated, edited and varied, and each is a whole PNG", async () => {
    const made = await json(server, "/v1/images/generations", { prompt: "a cat by the sea", n: 2 });
    assert.equal(made.data.length, 2);
    for (const { b64_json } of made.data) checkPng(Buffer.from(b64_json, "base64"));
    assert.equal(made.usage.output_tokens, 2 * 64);
    assert.equal(made.usage.input_tokens, 4);

    const edit = form({
      prompt: "a hat",
      "image[]": [PICTURE, PICTURE],
      model: "base",
      response_format: "url",
    });
    const edited = JSON.parse((await sendForm(server, "/v1/images/edits", edit)).text);
    assert.equal(edited.usage.input_tokens_details.image_tokens, 2 * MEDIA_TOKENS.image);
    checkPng(Buffer.from(edited.data[0].url.split(",")[1], "base64"));

    const varied = await sendForm(server, "/v1/images/variations", form({ image: PICTURE }));
    assert.equal(varied.status, 200);
  });

  test("a form without its file, and what is no form, are refused", async () => {
    const path = "/v1/audio/transcriptions";
    const lacking = await sendForm(server, path, form({ model: "base" }));
    assert.equal(lacking.status, 400);
    assert.equal(JSON.parse(lacking.text).error.param, "body.file");
    assert.equal((await call(server, path, { model: "base" })).status, 400);
    const broken = { headers: { "content-type": "multipart/form-data; boundary=x" } };
    assert.equal((await call(server, path, "--y\r\n", broken)).status, 400);
    const unknown = await sendForm(server, path, form({ model: "nope", file: SOUND }));
    assert.equal(unknown.status, 404);
  });
});

/** Signature, chunk names and the one dot's row. */
function checkPng(png: Buffer): void {
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  const length = png.readUInt32BE(33);
  assert.equal(png.subarray(37, 41).toString(), "IDAT");
  assert.equal(inflateSync(png.subarray(41, 41 + length)).length, 4);
  assert.equal(png.subarray(-8, -4).toString(), "IEND");
}
