/** OpenAI's audio: transcription and translation of an uploaded file, as vLLM serves them, and speech. */
import type { Form } from "../multipart.ts";
import { BYTES_PER_TOKEN, tokensOfBytes } from "../prompt-tokens.ts";
import { badValue, missing, openaiError } from "../refusal.ts";
import { flagField, integerField, type Json, stringField } from "../request-fields.ts";
import type { Usage } from "../usage.ts";
import {
  type Answer,
  type AnswerHead,
  type Api,
  DONE_EVENT,
  event,
  EVENT_STREAM_TYPE,
  JSON_TYPE,
  type Prompt,
  type Work,
} from "./api.ts";
import { filesOf, formJson } from "./form-fields.ts";
import { counts } from "./openai-usage.ts";
import { textPrompt } from "./prompts.ts";

/** Of sound as it is taken to be, whatever the file says: 16 bits, 16 kHz, one channel. */
const SOUND_BYTES_PER_SECOND = 32_000;
/** Of the prompt, and of the text that is heard. */
const PROMPT_TOKENS_PER_SECOND = 50;
const TEXT_TOKENS_PER_SECOND = 3;
/** Longest sound that counts, as the model hears it in windows; what is longer costs no more. */
const MAX_SECONDS = 600;

const [SPEECH_BYTES_PER_TOKEN, SPEECH_TOKENS_PER_TEXT_TOKEN] = [640, 2];
const SPEECH_TYPES: Readonly<Record<string, string>> = {
  mp3: "audio/mpeg",
  opus: "audio/ogg",
  aac: "audio/aac",
  flac: "audio/flac",
  wav: "audio/wav",
  pcm: "audio/pcm",
};

export const openaiTranscriptions: Api = {
  name: "openai-transcriptions",
  paths: ["/v1/audio/transcriptions"],
  method: "POST",
  body: "form",
  errorForm: openaiError,
  plan: ({ form }) => heard(form, "transcription", "trsc"),
};

export const openaiTranslations: Api = {
  name: "openai-translations",
  paths: ["/v1/audio/translations"],
  method: "POST",
  body: "form",
  errorForm: openaiError,
  plan: ({ form }) => heard(form, "translation", "trsl"),
};

export const openaiSpeech: Api = {
  name: "openai-speech",
  paths: ["/v1/audio/speech"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "", voice: "any" },
  plan: ({ json }): Work => {
    const input = stringField(json, "input");
    if (input === undefined) throw missing("input", json);
    const format = stringField(json, "response_format") ?? "mp3";
    const contentType = SPEECH_TYPES[format];
    if (contentType === undefined) {
      throw badValue("response_format", `${format} is none of ${Object.keys(SPEECH_TYPES).join(", ")}`);
    }
    const prompt = textPrompt(input);
    return {
      kind: "work",
      model: stringField(json, "model"),
      cacheSalt: undefined,
      prompts: [prompt],
      copies: 1,
      maxTokens: Math.max(1, tokensOfBytes(prompt.text.length) * SPEECH_TOKENS_PER_TEXT_TOKEN),
      stops: true,
      answer: () => ({
        kind: "stream",
        contentType,
        reports: "none",
        piece: ({ text }) => speech(text),
        close: () => "",
      }),
    };
  },
};

/** The same bytes for the same tokens, however many come at a time. */
function speech(text: string): Buffer {
  const sound = Buffer.alloc((text.length / BYTES_PER_TOKEN) * SPEECH_BYTES_PER_TOKEN);
  for (let token = 0; token * BYTES_PER_TOKEN < text.length; token++) {
    const start = token * SPEECH_BYTES_PER_TOKEN;
    sound.fill(
      text.slice(token * BYTES_PER_TOKEN, (token + 1) * BYTES_PER_TOKEN),
      start,
      start + SPEECH_BYTES_PER_TOKEN,
    );
  }
  return sound;
}

function heard(form: Form, object: string, prefix: string): Work {
  const json = formJson(form);
  const [file] = filesOf(form, "file");
  const seconds = Math.ceil(file!.bytes / SOUND_BYTES_PER_SECOND);
  const heardSeconds = Math.max(1, Math.min(seconds, MAX_SECONDS));
  const hint = textPrompt(typeof json.prompt === "string" ? json.prompt : "");
  const prompt: Prompt = {
    ...hint,
    tokens: heardSeconds * PROMPT_TOKENS_PER_SECOND + tokensOfBytes(hint.text.length),
  };
  const most = heardSeconds * TEXT_TOKENS_PER_SECOND;
  const format = typeof json.response_format === "string" ? json.response_format : "json";
  return {
    kind: "work",
    model: stringField(json, "model"),
    cacheSalt: undefined,
    prompts: [prompt],
    copies: 1,
    maxTokens: Math.min(integerField(json, "max_completion_tokens", 1) ?? most, most),
    stops: true,
    answer: (head) =>
      flagField(json, "stream") ? heardStream(head, json, object, prefix) : heardWhole(format, seconds),
  };
}

function heardWhole(format: string, seconds: number): Answer {
  const write = (text: string): string => {
    if (format === "text") return text;
    if (format === "verbose_json") {
      return JSON.stringify({ duration: `${seconds}.0`, language: "en", text, segments: null, words: null });
    }
    return JSON.stringify({ text, usage: { type: "duration", seconds } });
  };
  return {
    kind: "whole",
    contentType: format === "text" ? "text/plain; charset=utf-8" : JSON_TYPE,
    reports: "none",
    body: ({ choices }) => write(choices[0]!.text.trimStart()),
  };
}

function heardStream({ id, created, model }: AnswerHead, json: Json, object: string, prefix: string): Answer {
  const includeUsage = flagField(json, "stream_include_usage");
  const isContinuous = includeUsage && flagField(json, "stream_continuous_usage_stats");
  const one = (choices: readonly object[], usage: Usage | undefined): string =>
    event({
      id: `${prefix}-${id}`,
      object: `${object}.chunk`,
      created,
      model,
      choices,
      ...(usage === undefined ? {} : { usage: counts(usage) }),
    });
  return {
    kind: "stream",
    contentType: EVENT_STREAM_TYPE,
    reports: includeUsage ? "tokens" : "none",
    piece: ({ text, finish, usage }) =>
      one(
        [{ delta: { content: text }, finish_reason: finish, stop_reason: null }],
        isContinuous ? usage : undefined,
      ),
    close: ({ usage }) => (includeUsage ? one([], usage) : "") + DONE_EVENT,
  };
}
