/** Which tool an answer must call, and the JSON with which it does. */
import { badValue } from "../refusal.ts";
import { isObject, type Json } from "../request-fields.ts";
import type { Piece } from "./api.ts";

/** Most tokens of a call's arguments: a call ends by itself, long before a usual limit. */
const CALL_TOKENS = 24;

export interface ForcedCall {
  readonly name: string;
  /** Key of the arguments' only member: the first text of the tool's schema. */
  readonly key: string;
}

/** A tool in the shape of any API. */
export interface Tool {
  readonly name: string;
  /** JSON schema of the arguments. */
  readonly schema: unknown;
}

/**
 * The call to the tool of this name, or to the first one where any will do.
 * @param field at fault where there is no such tool
 * @throws Refusal
 */
export function forcedCall(tools: readonly Tool[], name: string | undefined, field: string): ForcedCall {
  const tool = name === undefined ? tools[0] : tools.find((each) => each.name === name);
  if (tool === undefined) {
    throw badValue(field, name === undefined ? "tools must be set to call one" : `there is no tool ${name}`);
  }
  const properties = isObject(tool.schema) && isObject(tool.schema.properties) ? tool.schema.properties : {};
  const key = Object.entries(properties).find(
    ([, schema]) => isObject(schema) && schema.type === "string",
  )?.[0];
  return { name: tool.name, key: key ?? "value" };
}

/** Tokens of an answer that calls a tool, within what the client allows. */
export function callTokens(maxTokens: number | undefined): number {
  return Math.min(maxTokens ?? CALL_TOKENS, CALL_TOKENS);
}

/** The arguments of a call whose tokens stand for this text; whole, as its text needs no escapes. */
export function callArguments({ key }: ForcedCall, text: string): string {
  return opening(key) + text.trimStart() + CLOSING;
}

/** What a piece adds to the arguments, so that all pieces together are `callArguments`. */
export function argumentsPiece({ key }: ForcedCall, piece: Piece): string {
  const text = piece.isFirst ? opening(key) + piece.text.trimStart() : piece.text;
  return piece.finish === null ? text : text + CLOSING;
}

function opening(key: string): string {
  return `{${JSON.stringify(key)}: "`;
}

const CLOSING = '"}';

/** The `tools` of a body. @param read a tool of the API's shape; undefined for one that it cannot call */
export function toolsOf(body: Json, read: (tool: Json) => Tool | undefined): readonly Tool[] {
  const { tools } = body;
  if (!Array.isArray(tools)) return [];
  return tools.filter(isObject).flatMap((tool) => read(tool) ?? []);
}
