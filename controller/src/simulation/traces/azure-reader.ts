/**
 * Reads the CSV of the Azure LLM inference traces: `TIMESTAMP` (`2023-11-16 18:15:46.6805900`, UTC,
 * seven digits of a second), `ContextTokens`, `GeneratedTokens`. Arrivals are counted from the first row.
 */
import { boundedNumber, type LineOrigin, lineError, MOST_MS, MOST_TOKENS } from "./field.ts";
import type { TraceRequest } from "./trace-request.ts";

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const STAMP = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d{1,9})?$/;

function unixMs(text: string, at: LineOrigin): number {
  const match = STAMP.exec(text);
  if (match === null) throw lineError(at, "TIMESTAMP", text, "YYYY-MM-DD hh:mm:ss.fffffff");
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const whole = Date.UTC(year, month - 1, day, hour, minute, second);
  return whole + Number(match[7] ?? 0) * 1000;
}

/** Streams requests from lines. @throws SimulationError `bad-trace-line` with line, field, value and bound */
export async function* readAzure(
  lines: AsyncIterable<string> | Iterable<string>,
  source: string,
): AsyncGenerator<TraceRequest> {
  let line = 0;
  let startMs = Number.NaN;
  let lastMs = 0;
  for await (const raw of lines) {
    line++;
    const at = { source, line };
    const text = raw.trim();
    if (line === 1) {
      if (text.replace(/^\uFEFF/, "") !== HEADER) throw lineError(at, "header", text, HEADER);
      continue;
    }
    if (text === "") continue;
    const cells = text.split(",");
    if (cells.length !== 3) throw lineError(at, "cells", cells.length, 3);
    const ms = unixMs(cells[0]!, at);
    if (Number.isNaN(startMs)) startMs = ms;
    const arrivalMs = boundedNumber(at, "ms since the first row", ms - startMs, lastMs, MOST_MS, false);
    lastMs = arrivalMs;
    yield {
      arrivalMs,
      promptTokens: boundedNumber(at, "ContextTokens", count(cells[1]!), 1, MOST_TOKENS),
      outputTokens: boundedNumber(at, "GeneratedTokens", count(cells[2]!), 1, MOST_TOKENS),
    };
  }
}

/** NaN for what is not written as a whole number. */
function count(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
