/** OpenAI's images: each is a number of tokens that are sampled; the picture itself is one dot. */
import { crc32, deflateSync } from "node:zlib";
import { textHash } from "../hash.ts";
import { MEDIA_TOKENS, tokensOfBytes } from "../prompt-tokens.ts";
import { badValue, missing, openaiError } from "../refusal.ts";
import { flagField, integerField, type Json, stringField } from "../request-fields.ts";
import { type Api, JSON_TYPE, type Result, type Work } from "./api.ts";
import { filesOf, formJson } from "./form-fields.ts";
import { textPrompt } from "./prompts.ts";

/** Sampled for each picture. */
const PICTURE_TOKENS = 64;
const MAX_PICTURES = 10;

export const openaiImages: Api = {
  name: "openai-images",
  paths: ["/v1/images/generations"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { prompt: "" },
  plan: ({ json }) => pictures(json, promptOf(json), 0),
};

export const openaiImageEdits: Api = {
  name: "openai-image-edits",
  paths: ["/v1/images/edits"],
  method: "POST",
  body: "form",
  errorForm: openaiError,
  plan: ({ form }) => {
    const json = formJson(form);
    return pictures(json, promptOf(json), filesOf(form, "image").length);
  },
};

export const openaiImageVariations: Api = {
  name: "openai-image-variations",
  paths: ["/v1/images/variations"],
  method: "POST",
  body: "form",
  errorForm: openaiError,
  plan: ({ form }) => pictures(formJson(form), "", filesOf(form, "image").length),
};

function promptOf(json: Json): string {
  const prompt = json.prompt;
  if (prompt === undefined || prompt === null) throw missing("prompt", json);
  return String(prompt);
}

/** @param given pictures that the prompt goes with */
function pictures(json: Json, prompt: string, given: number): Work {
  if (flagField(json, "stream")) throw badValue("stream", "images are not streamed");
  const text = textPrompt(prompt);
  const textTokens = tokensOfBytes(text.text.length);
  const imageTokens = given * MEDIA_TOKENS.image;
  const isUrl = stringField(json, "response_format") === "url";
  return {
    kind: "work",
    model: stringField(json, "model"),
    cacheSalt: undefined,
    prompts: [{ ...text, tokens: Math.max(1, textTokens + imageTokens) }],
    copies: integerField(json, "n", 1, MAX_PICTURES) ?? 1,
    maxTokens: PICTURE_TOKENS,
    stops: true,
    answer: ({ created }) => ({
      kind: "whole",
      contentType: JSON_TYPE,
      reports: "tokens",
      body: ({ choices, usage }: Result) =>
        JSON.stringify({
          created,
          data: choices.map((choice) => {
            const base64 = png(textHash(choice.text)).toString("base64");
            return isUrl ? { url: `data:image/png;base64,${base64}` } : { b64_json: base64 };
          }),
          usage: {
            input_tokens: usage.promptTokens,
            input_tokens_details: {
              image_tokens: imageTokens,
              text_tokens: usage.promptTokens - imageTokens,
            },
            output_tokens: usage.completionTokens,
            total_tokens: usage.promptTokens + usage.completionTokens,
          },
        }),
    }),
  };
}

/** A picture of one dot, in the colour of the seed's lowest 24 bits (PNG specification, section 11). */
function png(seed: number): Buffer {
  const size = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  const dot = deflateSync(Buffer.from([0, seed & 255, (seed >>> 8) & 255, (seed >>> 16) & 255]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    pngChunk("IHDR", size),
    pngChunk("IDAT", dot),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), content]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(content.length, 0);
  named.copy(framed, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}
