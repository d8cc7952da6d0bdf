/**
 * Reads the gateway's access log (`envoy/bootstrap.yaml`): JSON lines, of which it takes `time` (ISO 8601,
 * when the request began), `prompt_tokens` and `completion_tokens`, as the server's usage had them.
 *
 * Envoy writes a line when a request ends, so that lines are not in the order of arrival: the whole log is
 * read before the first request is given, 16 bytes a request. Requests without usage are passed over, and
 * counted: what they cost is not known.
 */
import { lineError, MOST_TOKENS } from "./field.ts";
import type { TraceRequest } from "./trace-request.ts";

export interface AccessLogCounts {
  readonly lines: number;
  /** Lines with usage. */
  readonly requests: number;
}

class Rows {
  #atMs = new Float64Array(1024);
  #promptTokens = new Uint32Array(1024);
  #outputTokens = new Uint32Array(1024);
  count = 0;

  add(atMs: number, promptTokens: number, outputTokens: number): void {
    if (this.count === this.#atMs.length) {
      const [times, prompts, outputs] = [this.#atMs, this.#promptTokens, this.#outputTokens];
      this.#atMs = new Float64Array(2 * this.count);
      this.#promptTokens = new Uint32Array(2 * this.count);
      this.#outputTokens = new Uint32Array(2 * this.count);
      this.#atMs.set(times);
      this.#promptTokens.set(prompts);
      this.#outputTokens.set(outputs);
    }
    this.#atMs[this.count] = atMs;
    this.#promptTokens[this.count] = promptTokens;
    this.#outputTokens[this.count++] = outputTokens;
  }

  /** In the order of arrival, then of the log. */
  *inOrder(): Generator<TraceRequest> {
    const atMs = this.#atMs;
    const order = Uint32Array.from({ length: this.count }, (_, row) => row);
    order.sort((a, b) => atMs[a]! - atMs[b]! || a - b);
    for (const row of order) {
      yield {
        arrivalMs: atMs[row]! - atMs[order[0]!]!,
        promptTokens: this.#promptTokens[row]!,
        outputTokens: this.#outputTokens[row]!,
      };
    }
  }
}

/**
 * Requests in the order of arrival, the first at 0. `onCounts` is told before the first of them.
 * @throws SimulationError `bad-trace-line` with line, field, value and bound
 */
export async function* readAccessLog(
  lines: AsyncIterable<string> | Iterable<string>,
  source: string,
  onCounts?: (counts: AccessLogCounts) => void,
): AsyncGenerator<TraceRequest> {
  const rows = new Rows();
  let line = 0;
  let entries = 0;
  for await (const text of lines) {
    line++;
    if (text.trim() === "") continue;
    entries++;
    const at = { source, line };
    let entry: unknown;
    try {
      entry = JSON.parse(text);
    } catch (cause) {
      throw lineError(at, "line", text, "a JSON object", cause);
    }
    if (typeof entry !== "object" || entry === null) throw lineError(at, "line", text, "a JSON object");
    const fields = entry as Readonly<Record<string, unknown>>;
    const promptTokens = tokens(fields.prompt_tokens);
    const outputTokens = tokens(fields.completion_tokens);
    if (promptTokens === undefined || outputTokens === undefined) continue;
    const atMs = typeof fields.time === "string" ? Date.parse(fields.time) : Number.NaN;
    if (Number.isNaN(atMs))
      throw lineError(at, "time", fields.time, "a time such as 2026-11-26T17:36:28.805Z");
    rows.add(atMs, promptTokens, outputTokens);
  }
  onCounts?.({ lines: entries, requests: rows.count });
  yield* rows.inOrder();
}

/** Envoy writes what the filter knows as strings, and null where it knows nothing. */
function tokens(value: unknown): number | undefined {
  const count = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof count !== "number" || !Number.isInteger(count)) return undefined;
  return count >= 1 && count <= MOST_TOKENS ? count : undefined;
}
