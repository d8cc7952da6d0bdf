import { isText } from "./text_sink";

// What a value of a body is, by where it stands.

// Top-level values that the model reads, the sources of spans: 0 to SOURCE_COUNT - 1.
export const ROLE_MESSAGES: i32 = 0;
/** `input` as long as it is not known to be a list of messages. */
export const ROLE_INPUT: i32 = 1;
export const ROLE_PROMPT: i32 = 2;
export const ROLE_SYSTEM: i32 = 3;
export const ROLE_INSTRUCTIONS: i32 = 4;
export const ROLE_TOOLS: i32 = 5;
export const ROLE_TEXT: i32 = 6;
export const ROLE_TEXT_1: i32 = 7;
export const ROLE_TEXT_2: i32 = 8;
export const ROLE_QUERY: i32 = 9;
export const ROLE_DOCUMENTS: i32 = 10;
export const SOURCE_COUNT: i32 = 11;

// Other top-level values.
export const ROLE_MODEL: i32 = 11;
export const ROLE_STREAM: i32 = 12;
export const ROLE_STREAM_OPTIONS: i32 = 13;
export const ROLE_MAX_COMPLETION_TOKENS: i32 = 14;
export const ROLE_MAX_TOKENS: i32 = 15;
export const ROLE_MAX_OUTPUT_TOKENS: i32 = 16;
export const ROLE_N: i32 = 17;
export const ROLE_PRIORITY: i32 = 18;
export const ROLE_CACHE_SALT: i32 = 19;
export const ROLE_USER: i32 = 20;
/** Roles below stand in the top-level object. */
export const TOP_ROLE_COUNT: i32 = 21;

/** The top-level object itself. */
export const ROLE_BODY: i32 = 21;
/** An `input` whose first element is an object. */
export const ROLE_INPUT_MESSAGES: i32 = 22;
/** An element of `messages`, or of such an `input`. */
export const ROLE_MESSAGE: i32 = 23;
export const ROLE_CONTENT: i32 = 24;
/** An element of a message's `content`. */
export const ROLE_PART: i32 = 25;
/** The `type` of a part. */
export const ROLE_TYPE: i32 = 26;
/** An element of `tools`. */
export const ROLE_TOOL: i32 = 27;
/** In `stream_options`. */
export const ROLE_INCLUDE_USAGE: i32 = 28;
/** Nobody reads it. */
export const ROLE_NONE: i32 = 29;

// Keys that every message and part has, as the little-endian numbers that their bytes make.
const WORD_CONTENT: u64 = 0x746e65746e6f63;
const FIRST_7_BYTES: u64 = 0x00ffffffffffffff;
const WORD_TYPE: u32 = 0x65707974;

/** Objects deeper than this have no role: body, messages, message, content, part. */
export const ROLE_DEPTH: i32 = 5;

/** Whether the keys of an object of this role are read. */
export function hasReadKeys(role: i32): bool {
  return role == ROLE_BODY || role == ROLE_MESSAGE || role == ROLE_PART || role == ROLE_STREAM_OPTIONS;
}

/**
 * The role of the value behind a key, of `bytes` bytes at `key`, of an object of role `container`. Eight bytes may be
 * read from `key`, however short it is.
 */
export function roleOfKey(container: i32, key: usize, bytes: i32): i32 {
  if (container == ROLE_MESSAGE) {
    return bytes == 7 && (load<u64>(key) & FIRST_7_BYTES) == WORD_CONTENT ? ROLE_CONTENT : ROLE_NONE;
  }
  if (container == ROLE_PART) return bytes == 4 && load<u32>(key) == WORD_TYPE ? ROLE_TYPE : ROLE_NONE;
  if (container == ROLE_BODY) return roleInBody(key, bytes);
  return container == ROLE_STREAM_OPTIONS && isText(key, bytes, "include_usage")
    ? ROLE_INCLUDE_USAGE
    : ROLE_NONE;
}

/** The role of an element of an array of role `container`. */
export function roleOfElement(container: i32): i32 {
  switch (container) {
    case ROLE_MESSAGES:
    case ROLE_INPUT_MESSAGES:
      return ROLE_MESSAGE;
    case ROLE_CONTENT:
      return ROLE_PART;
    case ROLE_TOOLS:
      return ROLE_TOOL;
  }
  return ROLE_NONE;
}

/** Of a role that limits the output's tokens: 0 for the one that servers prefer, then 1, 2; -1 for other roles. */
export function preferenceOf(role: i32): i32 {
  const isLimit = role >= ROLE_MAX_COMPLETION_TOKENS && role <= ROLE_MAX_OUTPUT_TOKENS;
  return isLimit ? role - ROLE_MAX_COMPLETION_TOKENS : -1;
}

/** Whether a part whose `type` is this text is media: those of the OpenAI, Anthropic and vLLM APIs. */
export function isMediaType(type: usize, bytes: i32): bool {
  switch (bytes) {
    case 4:
      return isText(type, bytes, "file");
    case 5:
      return isText(type, bytes, "image");
    case 8:
      return isText(type, bytes, "document");
    case 9:
      return (
        isText(type, bytes, "image_url") ||
        isText(type, bytes, "audio_url") ||
        isText(type, bytes, "video_url")
      );
    case 10:
      return isText(type, bytes, "input_file");
    case 11:
      return isText(type, bytes, "input_image") || isText(type, bytes, "input_audio");
  }
  return false;
}

/** By length first, since most keys are none of these. */
function roleInBody(key: usize, bytes: i32): i32 {
  switch (bytes) {
    case 1:
      if (isText(key, bytes, "n")) return ROLE_N;
      break;
    case 4:
      if (isText(key, bytes, "user")) return ROLE_USER;
      if (isText(key, bytes, "text")) return ROLE_TEXT;
      break;
    case 5:
      if (isText(key, bytes, "model")) return ROLE_MODEL;
      if (isText(key, bytes, "input")) return ROLE_INPUT;
      if (isText(key, bytes, "tools")) return ROLE_TOOLS;
      if (isText(key, bytes, "query")) return ROLE_QUERY;
      break;
    case 6:
      if (isText(key, bytes, "stream")) return ROLE_STREAM;
      if (isText(key, bytes, "prompt")) return ROLE_PROMPT;
      if (isText(key, bytes, "system")) return ROLE_SYSTEM;
      if (isText(key, bytes, "text_1")) return ROLE_TEXT_1;
      if (isText(key, bytes, "text_2")) return ROLE_TEXT_2;
      break;
    case 8:
      if (isText(key, bytes, "messages")) return ROLE_MESSAGES;
      if (isText(key, bytes, "priority")) return ROLE_PRIORITY;
      break;
    case 9:
      if (isText(key, bytes, "documents")) return ROLE_DOCUMENTS;
      break;
    case 10:
      if (isText(key, bytes, "max_tokens")) return ROLE_MAX_TOKENS;
      if (isText(key, bytes, "cache_salt")) return ROLE_CACHE_SALT;
      break;
    case 12:
      if (isText(key, bytes, "instructions")) return ROLE_INSTRUCTIONS;
      break;
    case 14:
      if (isText(key, bytes, "stream_options")) return ROLE_STREAM_OPTIONS;
      break;
    case 17:
      if (isText(key, bytes, "max_output_tokens")) return ROLE_MAX_OUTPUT_TOKENS;
      break;
    case 21:
      if (isText(key, bytes, "max_completion_tokens")) return ROLE_MAX_COMPLETION_TOKENS;
      break;
  }
  return ROLE_NONE;
}
