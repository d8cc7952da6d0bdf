/** Reads what a load client wants to know of an answer's bytes: tokens used, and that a stream ended well. */

export interface AnswerUsage {
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}

/** Longest rest of an event kept; usage events are far shorter. */
const TAIL_BYTES = 4096;

/** Fed the chunks of a stream of server-sent events, in any cut. */
export class SseMeter {
  /** `[DONE]` was seen. */
  done = false;
  #tail = "";

  push(chunk: string): void {
    const text = this.#tail + chunk;
    if (text.includes("data: [DONE]")) this.done = true;
    this.#tail = text.slice(-TAIL_BYTES);
  }

  /** Usage of the last event that had one; undefined when there was none. */
  usage(): AnswerUsage | undefined {
    const at = this.#tail.lastIndexOf('"usage":{');
    if (at < 0) return undefined;
    const start = this.#tail.lastIndexOf("data: ", at);
    const end = this.#tail.indexOf("\n", at);
    if (start < 0 || end < 0) return undefined;
    return usageOf(this.#tail.slice(start + 6, end));
  }
}

/** Usage in the JSON of an answer or event; undefined when it has none or is no JSON. */
export function usageOf(json: string): AnswerUsage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  const usage = field(parsed, "usage");
  const [prompt, output] = [field(usage, "prompt_tokens"), field(usage, "completion_tokens")];
  if (typeof prompt !== "number" || typeof output !== "number") return undefined;
  const cached = field(field(usage, "prompt_tokens_details"), "cached_tokens");
  return {
    promptTokens: prompt,
    outputTokens: output,
    cachedTokens: typeof cached === "number" ? cached : 0,
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
