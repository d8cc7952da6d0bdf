/**
 * Reads the JSON lines of the Mooncake traces: `timestamp` (ms), `input_length`, `output_length` and
 * `hash_ids`, one id for each started block of 512 prompt tokens.
 */
import { boundedNumber, type LineOrigin, lineError, MOST_MS, MOST_TOKENS } from "./field.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "./trace-request.ts";

/** @throws SimulationError `bad-trace-line` with line, field, value and bound */
export function parseMooncakeLine(text: string, at: LineOrigin): TraceRequest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw lineError(at, "line", text, "a JSON object", error);
  }
  if (typeof json !== "object" || json === null) throw lineError(at, "line", text, "a JSON object");
  const fields = json as Readonly<Record<string, unknown>>;
  const arrivalMs = boundedNumber(at, "timestamp", fields.timestamp, 0, MOST_MS, false);
  const promptTokens = boundedNumber(at, "input_length", fields.input_length, 1, MOST_TOKENS);
  const outputTokens = boundedNumber(at, "output_length", fields.output_length, 1, MOST_TOKENS);
  const { hash_ids: ids } = fields;
  if (!Array.isArray(ids)) throw lineError(at, "hash_ids", ids, "an array");
  const wanted = Math.ceil(promptTokens / PREFIX_BLOCK_TOKENS);
  if (ids.length !== wanted) throw lineError(at, "hash_ids length", ids.length, wanted);
  const prefixBlocks = ids.map((id, i) =>
    boundedNumber(at, `hash_ids[${i}]`, id, 0, Number.MAX_SAFE_INTEGER),
  );
  return { arrivalMs, promptTokens, outputTokens, prefixBlocks };
}

/**
 * Streams requests from lines; empty lines are passed over.
 * @throws SimulationError as above, also where time goes back
 */
export async function* readMooncake(
  lines: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<TraceRequest> {
  let line = 0;
  let lastMs = 0;
  for await (const text of lines) {
    line++;
    if (text.trim() === "") continue;
    const at = { source, line };
    const request = parseMooncakeLine(text, at);
    if (request.arrivalMs < lastMs) throw lineError(at, "timestamp", request.arrivalMs, `≥ ${lastMs}`);
    lastMs = request.arrivalMs;
    yield request;
  }
}
