/** Where the requests of a replay come from: a window of a recording, or of the built-in traffic. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { PickerError } from "../../errors.ts";
import { type AccessLogCounts, readAccessLog } from "../traces/access-log-reader.ts";
import { readAzure } from "../traces/azure-reader.ts";
import { generateRequests } from "../traces/generator.ts";
import { readMooncake } from "../traces/mooncake-reader.ts";
import { AZURE_CONVERSATION, MOONCAKE_CONVERSATION, SHAREGPT_LIKE } from "../traces/profiles.ts";
import type { TraceRequest } from "../traces/trace-request.ts";

const READERS = { mooncake: readMooncake, azure: readAzure, "access-log": readAccessLog } as const;
const PROFILES = {
  mooncake: MOONCAKE_CONVERSATION,
  azure: AZURE_CONVERSATION,
  synthetic: SHAREGPT_LIKE,
} as const;

/** Those that are only recorded, those that are only generated, and those that are both. */
export const TRACE_FORMATS = ["mooncake", "azure", "synthetic", "access-log"] as const;
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** By the ending of a recording's name. */
export function formatOf(file: string | undefined): TraceFormat {
  if (file?.endsWith(".csv") === true) return "azure";
  return file?.endsWith(".log") === true ? "access-log" : "mooncake";
}

export interface TraceWindow {
  /** Absent: traffic is generated after the format's conversations. Never for `access-log`, always for `synthetic`. */
  readonly file?: string | undefined;
  readonly format: TraceFormat;
  /** Requests passed over, ≥ 0. */
  readonly skip: number;
  /** Requests taken, ≥ 1; a recording may hold fewer. */
  readonly requests: number;
  /** Of generated traffic. */
  readonly seed: number;
  /** New conversations a second of generated traffic, > 0; absent: as many as the format's recording has. */
  readonly qps?: number | undefined;
}

/**
 * Streams the window's requests, the first at time 0; memory does not grow with their number, but for an
 * access log's. `onCounts` is told what an access log holds.
 * @throws SimulationError for a bad line, PickerError for a file that cannot be read or ends before the window
 */
export async function* readWindow(
  window: TraceWindow,
  onCounts?: (counts: AccessLogCounts) => void,
): AsyncGenerator<TraceRequest> {
  const { skip, requests } = window;
  let seen = 0;
  let startMs = 0;
  for await (const request of source(window, onCounts)) {
    if (seen === skip) startMs = request.arrivalMs;
    if (seen++ >= skip) yield { ...request, arrivalMs: request.arrivalMs - startMs };
    if (seen === skip + requests) return;
  }
  if (seen <= skip) {
    const value = window.skip;
    throw new PickerError("CONFIG_RANGE", `${value} leaves nothing of ${seen} requests`, {
      path: "--skip",
      value,
      bound: seen,
    });
  }
}

function source(
  { file, format, seed, qps }: TraceWindow,
  onCounts: ((counts: AccessLogCounts) => void) | undefined,
): Iterable<TraceRequest> | AsyncIterable<TraceRequest> {
  if (file !== undefined && format !== "synthetic") {
    return READERS[format](linesOf(file), basename(file), onCounts);
  }
  if (format === "access-log") throw new PickerError("CONFIG_MISSING", "is needed", { path: "--trace" });
  const profile = PROFILES[format];
  const rate = qps === undefined ? 1 : qps / profile.conversationsPerSecond;
  return generateRequests({ profile, seed, durationMs: Number.POSITIVE_INFINITY, rate });
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const text of createReadStream(file, "utf8") as AsyncIterable<string>) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (cause) {
    throw new PickerError("CONFIG_REFERENCE", `${JSON.stringify(file)} cannot be read`, {
      path: "--trace",
      value: file,
      cause,
    });
  }
  if (rest !== "") yield rest;
}
