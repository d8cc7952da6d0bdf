import type { Answer } from "./response.ts";

/**
 * What an answer says, by the book: lines split as HTML's server-sent events define them, each event parsed
 * as JSON. Slow and plain; a `usage` is looked for in the data itself and in the objects right in it.
 */
export function expected(answer: string): Answer {
  const text = answer.replace(/^[ \t\r\n]+/, "");
  if (/^[{[]/.test(text)) {
    const value = parsed(text);
    return { ...nothing("json"), isError: isErrorObject(value), ...counted(usagesIn(value)) };
  }
  if (!/^(?:data:|event:|:|id:|retry:)/.test(text)) return nothing("other");
  const events = eventsOf(text);
  const values = events.filter(({ data }) => !data.startsWith("[DONE]"));
  const types = values.map(({ name, data }) =>
    name !== "" && name !== "message" ? name : typeOf(parsed(data)),
  );
  return {
    kind: "event stream",
    events: values.length,
    contentEvents: values.filter(({ data }, index) => hasTokens(types[index]!, parsed(data))).length,
    isError: values.some(({ data }, index) => types[index] === "error" || isErrorObject(parsed(data))),
    done:
      values.length < events.length ||
      types.some((type) => /^(?:message_stop|response\.(?:completed|failed|incomplete))$/.test(type)),
    ...counted(values.flatMap(({ data }) => usagesIn(parsed(data)))),
  };
}

/** As `assembly/core/response/answer_keys.ts` has it. */
const MOST_TYPE_BYTES = 48;

function nothing(kind: Answer["kind"]): Answer {
  const unknown = { usageSeen: false, prompt: -1, completion: -1, cached: -1 };
  return { kind, events: 0, contentEvents: 0, isError: false, done: false, ...unknown };
}

interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/** The events that have data; one that the stream's end cuts off counts too. */
export function eventsOf(text: string): readonly ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  let name = "";
  let data: string[] = [];
  const end = (): void => {
    if (data.length > 0) events.push({ name, data: data.join("\n") });
    name = "";
    data = [];
  };
  for (const line of text.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*)(?:: ?)?([\s\S]*)$/.exec(line)!;
    if (line === "") end();
    else if (field === "data") data.push(value!);
    else if (field === "event") name = value!;
  }
  end();
  return events;
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function typeOf(value: unknown): string {
  return isObject(value) && typeof value.type === "string" ? value.type : "";
}

function isErrorObject(value: unknown): boolean {
  const own = isObject(value) && [value.error ?? null, value.object, value.type];
  if (own && (own[0] !== null || own[1] === "error" || own[2] === "error")) return true;
  return objectsAt(value, 2).some((inner) => isObject(inner.error));
}

function hasTokens(type: string, value: unknown): boolean {
  if (type !== "") return /\.delta$|^content_block_delta$/.test(type) && type.length <= MOST_TYPE_BYTES;
  if ([...objectsAt(value, 1), ...objectsAt(value, 3)].some(({ text }) => typeof text === "string"))
    return true;
  const deltas = objectsAt(value, 4);
  const texts = deltas.flatMap((delta) => [
    delta.content,
    delta.reasoning,
    delta.reasoning_content,
    delta.refusal,
  ]);
  if (texts.some((text) => typeof text === "string" && text !== "")) return true;
  if (deltas.some((delta) => Array.isArray(delta.tool_calls))) return true;
  return texts.includes("") && !deltas.some(({ role }) => typeof role === "string");
}

/** The objects at this depth, the value itself being at 1; none of those within a `usage` that is read. */
function objectsAt(value: unknown, depth: number, at = 1): readonly Json[] {
  if (at === depth) return isObject(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value)
    .filter(([key, inner]) => !(at < 3 && key === "usage" && isObject(inner) && isObject(value)))
    .flatMap(([, inner]) => objectsAt(inner, depth, at + 1));
}

function usagesIn(value: unknown): readonly Json[] {
  if (Array.isArray(value)) return value.flatMap((inner) => (isObject(inner) ? ownUsages(inner) : []));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (!isObject(inner)) return [];
    return key === "usage" ? [inner] : ownUsages(inner);
  });
}

function ownUsages(value: Json): readonly Json[] {
  return isObject(value.usage) ? [value.usage] : [];
}

const COUNTS = [
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "input_tokens",
  "output_tokens",
  "cache_read_input_tokens",
  "cache_creation_input_tokens",
] as const;

/** The counts of several usage objects: what the last one says of each. */
function counted(usages: readonly Json[]): Pick<Answer, "usageSeen" | "prompt" | "completion" | "cached"> {
  const latest: Record<string, number> = {};
  let usageSeen = false;
  for (const usage of usages) {
    const details = [usage.prompt_tokens_details, usage.input_tokens_details].filter(isObject);
    const given = [
      ...COUNTS.map((key) => [key, usage[key]] as const),
      ...details.map((detail) => ["cached_tokens", detail.cached_tokens] as const),
    ].flatMap(([key, count]) =>
      typeof count === "number" ? [[key, isCount(count) ? count : -1] as const] : [],
    );
    if (!given.some(([, count]) => count >= 0)) continue;
    usageSeen = true;
    Object.assign(latest, Object.fromEntries(given));
  }
  const known = (key: string): number => latest[key] ?? -1;
  const either = (first: number, second: number): number => (first >= 0 ? first : second);
  const completion = either(known("completion_tokens"), known("output_tokens"));
  const input = known("input_tokens");
  // Three counts up to 2^53: rounded once.
  const withCache = [input, known("cache_read_input_tokens"), known("cache_creation_input_tokens")]
    .map((count) => BigInt(Math.max(0, count)))
    .reduce((sum, count) => sum + count);
  const total = known("total_tokens");
  const prompt = either(known("prompt_tokens"), input >= 0 ? Number(withCache) : completion < 0 ? total : -1);
  const rest = prompt >= 0 && total >= prompt ? total - prompt : -1;
  return {
    usageSeen,
    prompt,
    completion: either(completion, rest),
    cached: either(known("cached_tokens"), known("cache_read_input_tokens")),
  };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 2 ** 53;
}
