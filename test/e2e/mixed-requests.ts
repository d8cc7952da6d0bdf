/** Requests of every generating API, mixed by a seed, and what their answers tell of the tokens used. */
import { type Random, seededRandom } from "../../controller/src/simulation/random.ts";

export const APIS = ["chat", "completions", "responses", "messages", "embeddings"] as const;
export type MixedApi = (typeof APIS)[number];

export interface MixedRequest {
  readonly api: MixedApi;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isHttp2: boolean;
  /** The answer tells its usage. */
  readonly tells: boolean;
  /** The endpoint refuses it. */
  readonly isRefused: boolean;
}

export interface Tokens {
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
}

/**
 * Most bytes of the pieces in which answers are written, and of how many requests one asks for it; the rest come
 * as they are. Each piece is a write, so that small ones are few.
 */
const PIECE_BYTES = [
  [1, 400],
  [7, 100],
  [64, 12],
  [512, 5],
] as const;
/** Of an answer. */
const MAX_TOKENS = 16;
const PATHS: Readonly<Record<MixedApi, string>> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  responses: "/v1/responses",
  messages: "/v1/messages",
  embeddings: "/v1/embeddings",
};
const WORDS = [
  "the sea",
  'a "quoted" word',
  "\\back\\slash",
  "Łódź",
  "🙂",
  "\n",
  '{"usage":{"prompt_tokens":9}}',
  "data: x",
];
/** One in so many. */
const [HTTP2_SHARE, REFUSED_SHARE] = [5, 50];

export function* mixedRequests(
  seed: number,
  count: number,
  models: readonly string[],
): Generator<MixedRequest & { readonly model: string }> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) {
    const api = oneOf(random, APIS);
    const model = oneOf(random, models);
    const isRefused = within(random, REFUSED_SHARE) === 0;
    const stream = api !== "embeddings" && random() < 0.6;
    const includeUsage = random() < 0.6;
    const pieceBytes = PIECE_BYTES.find(([, share]) => within(random, share) === 0)?.[0];
    const json = bodyOf(random, api, stream, includeUsage, isRefused);
    const pieces = pieceBytes === undefined ? {} : { "x-sim-chunk-bytes": String(pieceBytes) };
    yield {
      api,
      model,
      path: PATHS[api],
      headers: { ...pieces, "content-type": "application/json" },
      // As the official clients write it, or the other way round.
      body: JSON.stringify(random() < 0.5 ? { ...json, model } : { model, ...json }),
      isHttp2: within(random, HTTP2_SHARE) === 0,
      tells: !isRefused && (!stream || includeUsage || api === "responses" || api === "messages"),
      isRefused,
    };
  }
}

function bodyOf(
  random: Random,
  api: MixedApi,
  stream: boolean,
  includeUsage: boolean,
  isRefused: boolean,
): object {
  const limit = isRefused ? -1 : 1 + within(random, MAX_TOKENS);
  const options = stream && includeUsage ? { stream_options: { include_usage: true } } : {};
  const continuous =
    stream && includeUsage && random() < 0.3
      ? { stream_options: { include_usage: true, continuous_usage_stats: true } }
      : {};
  const n = random() < 0.1 ? { n: 2 } : {};
  const text = textOf(random);
  const messages = [{ role: "user", content: text }];
  switch (api) {
    case "chat":
      return { messages, max_completion_tokens: limit, stream, ...n, ...options, ...continuous };
    case "completions":
      return {
        prompt: random() < 0.2 ? [text, textOf(random)] : text,
        max_tokens: limit,
        stream,
        ...n,
        ...options,
        ...continuous,
      };
    case "responses":
      return { input: text, max_output_tokens: limit, stream };
    case "messages":
      return { messages, max_tokens: limit, stream };
    case "embeddings":
      return {
        input: isRefused ? 7 : [text, text],
        dimensions: 1 + within(random, 64),
        encoding_format: "float",
      };
  }
}

/** Few different beginnings, so that some prompts are cached. */
function textOf(random: Random): string {
  let text = `Question ${within(random, 20)}. `.repeat(1 + within(random, 12));
  const words = within(random, 12);
  for (let i = 0; i < words; i++) text += `${oneOf(random, WORDS)} `;
  return text;
}

function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  return items[within(random, items.length)]!;
}

function within(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

/** What an answer tells of its tokens; undefined where it tells nothing. */
export function tokensOf(api: MixedApi, answer: string): Tokens | undefined {
  return jsonsOf(answer)
    .flatMap((json) => usageOf(api, json) ?? [])
    .at(-1);
}

/** Events of a stream of chat or completions that bring text, which is what its tokens are estimated by. */
export function textEventsOf(answer: string): number {
  const choices = jsonsOf(answer).flatMap((json) => json.choices?.[0] ?? []);
  return choices.filter(({ text, delta }) => text !== undefined || delta.role === undefined).length;
}

/** What `JSON.parse` gives. */
type ParsedJson = ReturnType<typeof JSON.parse>;

/** An answer's JSON, or that of each event of its stream. */
function jsonsOf(answer: string): readonly ParsedJson[] {
  if (answer.startsWith("{")) return [JSON.parse(answer)];
  return answer
    .split("\n")
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => JSON.parse(line.slice("data: ".length)));
}

/** Of Anthropic's events the last one that tells, as of all others, has the whole usage. */
function usageOf(api: MixedApi, json: ParsedJson): Tokens | undefined {
  const usage = json.usage ?? json.response?.usage;
  if (usage === undefined || usage === null) return undefined;
  if (api === "messages") {
    const cached = usage.cache_read_input_tokens;
    const prompt = usage.input_tokens + usage.cache_creation_input_tokens + cached;
    return { prompt, completion: usage.output_tokens, cached };
  }
  if (api === "responses") {
    const { cached_tokens: cached } = usage.input_tokens_details;
    return { prompt: usage.input_tokens, completion: usage.output_tokens, cached };
  }
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  return { prompt: usage.prompt_tokens, completion: usage.completion_tokens, cached };
}
