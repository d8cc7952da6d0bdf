/** Prompts in the shapes in which the APIs take them. */
import { BYTES_PER_TOKEN, type ChatMessage, renderChat } from "../prompt-tokens.ts";
import { badValue, invalid, missing } from "../refusal.ts";
import { isObject, type Json } from "../request-fields.ts";
import type { Prompt } from "./api.ts";

/** Most prompts of one request, as OpenAI bounds the inputs of embeddings. */
const MAX_PROMPTS = 2048;

/** The chat of `messages` and `tools`. @throws Refusal */
export function chatPrompt(body: Json): Prompt {
  if (body.messages === undefined) throw missing("messages", body);
  return textPrompt(renderChat(messagesOf(body.messages), body.tools));
}

/** @throws Refusal unless it is a list of objects with a role */
export function messagesOf(messages: unknown): readonly ChatMessage[] {
  if (!Array.isArray(messages)) {
    throw invalid("list_type", "body.messages", "Input should be a valid list", typeof messages);
  }
  for (const [i, message] of messages.entries()) {
    if (!isObject(message) || typeof message.role !== "string") {
      throw invalid("missing", `body.messages.${i}.role`, "Field required", typeof message);
    }
  }
  return messages as readonly ChatMessage[];
}

export function textPrompt(text: string): Prompt {
  return { text: Buffer.from(text, "utf8") };
}

/** A text, token ids, or a list of either. @throws Refusal */
export function promptsField(body: Json, name: string): readonly Prompt[] {
  const value = body[name];
  if (value === undefined || value === null) throw missing(name, body);
  if (typeof value === "string") return [textPrompt(value)];
  if (Array.isArray(value) && value.length > 0) {
    if (value.every(isTokenId)) return [tokensPrompt(value)];
    if (value.length > MAX_PROMPTS)
      throw badValue(name, `${name} has ${value.length} items, ${MAX_PROMPTS} at most`);
    if (value.every((each) => typeof each === "string")) return value.map(textPrompt);
    if (value.every((each) => Array.isArray(each) && each.length > 0 && each.every(isTokenId))) {
      return value.map(tokensPrompt);
    }
  }
  throw invalid("string_type", `body.${name}`, "Input should be a valid string", typeof value);
}

function isTokenId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

/** A token's id is its four bytes, read as a little-endian number. */
export function tokensPrompt(ids: readonly number[]): Prompt {
  const text = Buffer.alloc(ids.length * BYTES_PER_TOKEN);
  for (const [i, id] of ids.entries()) text.writeUInt32LE(id, i * BYTES_PER_TOKEN);
  return { text };
}

/** The ids of a text's tokens; a short last one is filled up with zeros. */
export function tokenIds({ text }: Prompt): number[] {
  const ids: number[] = [];
  const whole = Buffer.alloc(Math.ceil(text.length / BYTES_PER_TOKEN) * BYTES_PER_TOKEN);
  text.copy(whole);
  for (let at = 0; at < whole.length; at += BYTES_PER_TOKEN) ids.push(whole.readUInt32LE(at));
  return ids;
}
