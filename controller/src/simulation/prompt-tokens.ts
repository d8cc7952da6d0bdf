/**
 * The deterministic tokenizer of the simulation: a token is four bytes of the rendered prompt.
 *
 * A chat is rendered to one text with a header of 16 bytes (4 tokens) before each message and after the
 * last one, and each message is filled up with spaces to whole tokens; so every token count is known to
 * who writes the prompt, and equal beginnings of conversations are equal tokens. An answer continues the
 * same text, four bytes a token, and therefore is found again when it comes back in the next turn.
 */
import { chainHashBytes, textHash } from "./hash.ts";

export const BYTES_PER_TOKEN = 4;
/** Tokens of the header before each message, and of the one that opens the answer. */
export const HEADER_TOKENS = 4;
const HEADER_BYTES = HEADER_TOKENS * BYTES_PER_TOKEN;

export interface ChatMessage {
  readonly role: string;
  /** Text, or parts of which those with a `text` count. */
  readonly content?: unknown;
}

/** The text that a chat is rendered to. `tools` stand before the first message, as JSON. */
export function renderChat(messages: readonly ChatMessage[], tools?: unknown): string {
  let text = "";
  if (tools !== undefined && tools !== null) text += padded(header("tools") + JSON.stringify(tools));
  for (const message of messages) text += padded(header(message.role) + contentText(message.content));
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
    else if (typeof part === "object" && part !== null) {
      text += "text" in part && typeof part.text === "string" ? part.text : JSON.stringify(part);
    }
  }
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
