/**
 * The deterministic tokenizer of the simulation: a token is four bytes of the rendered prompt.
 *
 * A chat is rendered to one text with a header of 16 bytes (4 tokens) before each message and after the
 * last one, and each message is filled up with spaces to whole tokens; so every token count is known to
 * who writes the prompt, and equal beginnings of conversations are equal tokens. An answer continues the
 * same text, four bytes a token, and therefore is found again when it comes back in the next turn.
 *
 * An image, a sound or a film costs a fixed number of tokens, whatever its size; equal ones are equal tokens.
 */
import { chainHashBytes, textHash } from "./hash.ts";

export const BYTES_PER_TOKEN = 4;
/** Tokens of the header before each message, and of the one that opens the answer. */
export const HEADER_TOKENS = 4;
const HEADER_BYTES = HEADER_TOKENS * BYTES_PER_TOKEN;

/** Tokens of a part of a message that is not text. */
export const MEDIA_TOKENS = { image: 256, audio: 128, video: 1024 } as const;

/** Of which medium a part is, by its `type` in the APIs' own words; its content stands in the field of that name. */
const MEDIA_PARTS: Readonly<Record<string, readonly [medium: keyof typeof MEDIA_TOKENS, field: string]>> = {
  image_url: ["image", "image_url"],
  input_image: ["image", "image_url"],
  image: ["image", "source"],
  input_audio: ["audio", "input_audio"],
  audio_url: ["audio", "audio_url"],
  video_url: ["video", "video_url"],
};

export interface ChatMessage {
  readonly role: string;
  /** Text, or parts: those with a `text`, media, and others, which count as their JSON. */
  readonly content?: unknown;
  /** Calls that the model has made; they count as their JSON. */
  readonly tool_calls?: unknown;
}

/** The text that a chat is rendered to. `tools` stand before the first message, as JSON. */
export function renderChat(messages: readonly ChatMessage[], tools?: unknown): string {
  let text = "";
  if (tools !== undefined && tools !== null) text += padded(header("tools") + JSON.stringify(tools));
  for (const { role, content, tool_calls: calls } of messages) {
    const called = Array.isArray(calls) && calls.length > 0 ? JSON.stringify(calls) : "";
    text += padded(header(role) + contentText(content) + called);
  }
  return text + header("assistant");
}

/** Tokens of a rendered text of this many bytes. */
export function tokensOfBytes(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

/** Seed of the hash chain: equal only for the same model or adapter and the same salt. */
export function chainSeed(model: string, salt: string | undefined): number {
  return textHash(`${model}\n${salt ?? ""}`);
}

/** Hashes of the full blocks of a sequence, chained from `seed`. */
export function blockHashesOf(bytes: Uint8Array, blockTokens: number, seed: number): number[] {
  const blockBytes = blockTokens * BYTES_PER_TOKEN;
  const hashes: number[] = [];
  let hash = seed;
  for (let end = blockBytes; end <= bytes.length; end += blockBytes) {
    hash = chainHashBytes(hash, bytes, end - blockBytes, end);
    hashes.push(hash);
  }
  return hashes;
}

function header(role: string): string {
  return padTo(`<|${role.replace(/[^\x20-\x7e]/g, "?")}|>`.slice(0, HEADER_BYTES), HEADER_BYTES);
}

function padded(text: string): string {
  const bytes = Buffer.byteLength(text);
  return text + " ".repeat((BYTES_PER_TOKEN - (bytes % BYTES_PER_TOKEN)) % BYTES_PER_TOKEN);
}

function padTo(text: string, bytes: number): string {
  return text + " ".repeat(bytes - text.length);
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content))
    return content === undefined || content === null ? "" : JSON.stringify(content);
  let text = "";
  for (const part of content as readonly unknown[]) {
    if (typeof part === "string") text += part;
    else if (typeof part === "object" && part !== null) text += partText(part as Part);
  }
  return text;
}

type Part = Readonly<Record<string, unknown>>;

function partText(part: Part): string {
  if (typeof part.text === "string") return part.text;
  const media = typeof part.type === "string" ? MEDIA_PARTS[part.type] : undefined;
  if (media === undefined) return JSON.stringify(part);
  const [medium, field] = media;
  const seed = textHash(JSON.stringify(part[field] ?? part));
  let text = "";
  for (let i = 0; i < MEDIA_TOKENS[medium]; i++) text += tokenText(seed, i);
  return text;
}

const CONSONANTS = "bcdfghjklmnpqrstvwxz";
const VOWELS = "aeiou";

/** Four-byte token number `index` of the text of `seed`: a space and three letters. */
export function tokenText(seed: number, index: number): string {
  let x = Math.imul((seed ^ (seed / 4294967296)) + Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) >>> 0;
  x ^= x >>> 13;
  const [first, vowel, last] = [(x >>> 3) % 20, (x >>> 9) % 5, (x >>> 17) % 20];
  return ` ${CONSONANTS[first]}${VOWELS[vowel]}${CONSONANTS[last]}`;
}
