/** Reads fields of a JSON body and refuses what vLLM refuses. A field that is null counts as absent. */
import { badValue, invalid, Refusal } from "./refusal.ts";

export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The body of a JSON request.
 * @param contentType of the request; a missing one is taken as JSON
 * @throws Refusal
 */
export function parseJson(contentType: string | undefined, raw: Buffer): Json {
  requireJson(contentType);
  if (raw.length === 0) throw invalid("missing", "body", "Field required", "None");
  let body: unknown;
  try {
    body = JSON.parse(raw.toString("utf8"));
  } catch (error) {
    throw badJson(error);
  }
  if (isObject(body)) return body;
  throw invalid("model_attributes_type", "body", "Input should be a valid dictionary", typeof body);
}

/** @throws Refusal for a body that says that it is something else */
export function requireJson(contentType: string | undefined): void {
  const media = contentType?.split(";")[0]?.trim().toLowerCase();
  if (media === undefined || media === "application/json" || media.endsWith("+json")) return;
  const message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed";
  throw new Refusal(400, "Bad Request", message, null);
}

function badJson(error: unknown): Refusal {
  const reason = error instanceof Error ? error.message : String(error);
  const at = `body.${/position (\d+)/.exec(reason)?.[1] ?? "0"}`;
  const context = `'ctx': {'error': '${reason.split("\n")[0]?.slice(0, 80).replaceAll("'", '"')}'}`;
  const detail = `{'type': 'json_invalid', 'loc': '${at}', 'msg': 'JSON decode error', 'input': '<dict of 0 items>', ${context}}`;
  return new Refusal(400, "Bad Request", `1 validation error:\n  ${detail}`, at);
}

/** Undefined when absent. @throws Refusal unless it is a string */
export function stringField(body: Json, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw invalid("string_type", `body.${name}`, "Input should be a valid string", String(value));
}

/** Undefined when absent. @throws Refusal unless it is an integer from `least` to `most` */
export function integerField(
  body: Json,
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) {
    const more = typeof value === "string" ? ", unable to parse string as an integer" : "";
    throw invalid("int_parsing", `body.${name}`, `Input should be a valid integer${more}`, String(value));
  }
  if (value < least) {
    throw badValue(
      name,
      `${name} must be at least ${least}, got ${value}. (parameter=${name}, value=${value})`,
    );
  }
  if (value > most) {
    throw badValue(
      name,
      `${name} must be at most ${most}, got ${value}. (parameter=${name}, value=${value})`,
    );
  }
  return value;
}

/** False when absent. @throws Refusal unless it is a boolean */
export function flagField(body: Json, name: string): boolean {
  const value = body[name];
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw invalid("bool_parsing", `body.${name}`, "Input should be a valid boolean", String(value));
}
