import { TextSink } from "./text_sink";

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

/** Objects deeper than this have no role: body, messages, message, content, part. */
export const ROLE_DEPTH: i32 = 5;

/** Whether the keys of an object of this role are read. */
export function hasReadKeys(role: i32): bool {
  return role == ROLE_BODY || role == ROLE_MESSAGE || role == ROLE_PART || role == ROLE_STREAM_OPTIONS;
}

/** The role of the value behind a key of an object of role `container`. */
export function roleOfKey(container: i32, key: TextSink): i32 {
  if (key.tooLong) return ROLE_NONE;
  switch (container) {
    case ROLE_BODY:
      return roleInBody(key);
    case ROLE_MESSAGE:
      return key.equals("content") ? ROLE_CONTENT : ROLE_NONE;
    case ROLE_PART:
      return key.equals("type") ? ROLE_TYPE : ROLE_NONE;
    case ROLE_STREAM_OPTIONS:
      return key.equals("include_usage") ? ROLE_INCLUDE_USAGE : ROLE_NONE;
  }
  return ROLE_NONE;
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

/** Whether a part of this `type` is media: those of the OpenAI, Anthropic and vLLM APIs. */
export function isMediaType(type: TextSink): bool {
  switch (type.bytes) {
    case 4:
      return type.equals("file");
    case 5:
      return type.equals("image");
    case 8:
      return type.equals("document");
    case 9:
      return type.equals("image_url") || type.equals("audio_url") || type.equals("video_url");
    case 10:
      return type.equals("input_file");
    case 11:
      return type.equals("input_image") || type.equals("input_audio");
  }
  return false;
}

/** By length first, since most keys are none of these. */
function roleInBody(key: TextSink): i32 {
  switch (key.bytes) {
    case 1:
      if (key.equals("n")) return ROLE_N;
      break;
    case 4:
      if (key.equals("user")) return ROLE_USER;
      if (key.equals("text")) return ROLE_TEXT;
      break;
    case 5:
      if (key.equals("model")) return ROLE_MODEL;
      if (key.equals("input")) return ROLE_INPUT;
      if (key.equals("tools")) return ROLE_TOOLS;
      if (key.equals("query")) return ROLE_QUERY;
      break;
    case 6:
      if (key.equals("stream")) return ROLE_STREAM;
      if (key.equals("prompt")) return ROLE_PROMPT;
      if (key.equals("system")) return ROLE_SYSTEM;
      if (key.equals("text_1")) return ROLE_TEXT_1;
      if (key.equals("text_2")) return ROLE_TEXT_2;
      break;
    case 8:
      if (key.equals("messages")) return ROLE_MESSAGES;
      if (key.equals("priority")) return ROLE_PRIORITY;
      break;
    case 9:
      if (key.equals("documents")) return ROLE_DOCUMENTS;
      break;
    case 10:
      if (key.equals("max_tokens")) return ROLE_MAX_TOKENS;
      if (key.equals("cache_salt")) return ROLE_CACHE_SALT;
      break;
    case 12:
      if (key.equals("instructions")) return ROLE_INSTRUCTIONS;
      break;
    case 14:
      if (key.equals("stream_options")) return ROLE_STREAM_OPTIONS;
      break;
    case 17:
      if (key.equals("max_output_tokens")) return ROLE_MAX_OUTPUT_TOKENS;
      break;
    case 21:
      if (key.equals("max_completion_tokens")) return ROLE_MAX_COMPLETION_TOKENS;
      break;
  }
  return ROLE_NONE;
}
