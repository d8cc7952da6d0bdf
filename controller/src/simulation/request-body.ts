/** Reads the body of a completion request and refuses what vLLM refuses, in its words and shapes. */
import type { ChatMessage } from "./prompt-tokens.ts";
import { renderChat } from "./prompt-tokens.ts";

export type ApiKind = "chat" | "completion";

export interface CompletionRequest {
  readonly kind: ApiKind;
  /** As the client named it; absent: the base model. */
  readonly model: string | undefined;
  /** Rendered prompt, UTF-8. */
  readonly prompt: Buffer;
  readonly maxTokens: number | undefined;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
  readonly cacheSalt: string | undefined;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly body: unknown;
}

export type Parsed = { readonly ok: CompletionRequest } | { readonly error: ErrorAnswer };

export function errorAnswer(
  status: number,
  type: string,
  message: string,
  param: string | null,
): ErrorAnswer {
  return { status, body: { error: { message, type, param, code: status } } };
}

function invalid(kind: string, at: string, message: string, input: string): { error: ErrorAnswer } {
  const detail = `{'type': '${kind}', 'loc': '${at}', 'msg': '${message}', 'input': '${input}'}`;
  return { error: errorAnswer(400, "Bad Request", `1 validation error:\n  ${detail}`, at) };
}

/** @param contentType of the request; a missing one is taken as JSON */
export function parseRequest(kind: ApiKind, contentType: string | undefined, raw: Buffer): Parsed {
  const media = contentType?.split(";")[0]?.trim().toLowerCase();
  if (media !== undefined && media !== "application/json" && !media.endsWith("+json")) {
    const message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed";
    return { error: errorAnswer(400, "Bad Request", message, null) };
  }
  if (raw.length === 0) return invalid("missing", "body", "Field required", "None");
  let body: unknown;
  try {
    body = JSON.parse(raw.toString("utf8"));
  } catch (error) {
    return badJson(error);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return invalid("model_attributes_type", "body", "Input should be a valid dictionary", typeof body);
  }
  return parseFields(kind, body as Readonly<Record<string, unknown>>);
}

function badJson(error: unknown): { error: ErrorAnswer } {
  const reason = error instanceof Error ? error.message : String(error);
  const position = /position (\d+)/.exec(reason)?.[1] ?? "0";
  const context = `'ctx': {'error': '${reason.split("\n")[0]?.slice(0, 80).replaceAll("'", '"')}'}`;
  const at = `body.${position}`;
  const detail = `{'type': 'json_invalid', 'loc': '${at}', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', ${context}}`;
  return { error: errorAnswer(400, "Bad Request", `1 validation error:\n  ${detail}`, at) };
}

function parseFields(kind: ApiKind, body: Readonly<Record<string, unknown>>): Parsed {
  const field = kind === "chat" ? "messages" : "prompt";
  const source = body[field];
  if (source === undefined) {
    const items = Object.keys(body).length;
    return invalid("missing", `body.${field}`, "Field required", `<dict of ${items} items>`);
  }
  let maxTokens: number | undefined;
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const value = body[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isInteger(value)) {
      const message =
        "Input should be a valid integer" +
        (typeof value === "string" ? ", unable to parse string as an integer" : "");
      return invalid("int_parsing", `body.${name}`, message, String(value));
    }
    if (value < 1) {
      const message = `${name} must be at least 1, got ${value}. (parameter=${name}, value=${value})`;
      return { error: errorAnswer(400, "BadRequestError", message, name) };
    }
    maxTokens = value;
  }
  const { model, cache_salt: salt } = body;
  if (model !== undefined && model !== null && typeof model !== "string") {
    return invalid("string_type", "body.model", "Input should be a valid string", String(model));
  }
  const text = kind === "chat" ? chatText(source, body.tools) : promptText(source);
  if (typeof text !== "string") return text;
  const options = body.stream_options;
  const flag = (name: string): boolean =>
    typeof options === "object" && options !== null && (options as Record<string, unknown>)[name] === true;
  return {
    ok: {
      kind,
      model: model ?? undefined,
      prompt: Buffer.from(text, "utf8"),
      maxTokens,
      stream: body.stream === true,
      includeUsage: flag("include_usage"),
      continuousUsage: flag("continuous_usage_stats"),
      cacheSalt: typeof salt === "string" ? salt : undefined,
    },
  };
}

function chatText(messages: unknown, tools: unknown): string | { error: ErrorAnswer } {
  if (!Array.isArray(messages)) {
    return invalid("list_type", "body.messages", "Input should be a valid list", typeof messages);
  }
  for (const [i, message] of messages.entries()) {
    if (typeof message !== "object" || message === null || typeof message.role !== "string") {
      return invalid("missing", `body.messages.${i}.role`, "Field required", typeof message);
    }
  }
  return renderChat(messages as readonly ChatMessage[], tools);
}

function promptText(prompt: unknown): string | { error: ErrorAnswer } {
  if (typeof prompt === "string") return prompt;
  if (Array.isArray(prompt)) {
    if (prompt.every((part) => typeof part === "string")) return prompt.join("");
    // Token ids: each becomes one token of four bytes.
    if (prompt.every((part) => Number.isInteger(part))) {
      return prompt.map((id: number) => (id % 65536).toString(16).padStart(4, "0")).join("");
    }
  }
  return invalid("string_type", "body.prompt", "Input should be a valid string", typeof prompt);
}
