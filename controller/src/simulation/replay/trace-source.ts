/** Where the requests of a replay come from: a window of a recording, or of the built-in traffic. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { PickerError } from "../../errors.ts";
import { readAzure } from "../traces/azure-reader.ts";
import { generateRequests } from "../traces/generator.ts";
import { readMooncake } from "../traces/mooncake-reader.ts";
import { AZURE_CONVERSATION, MOONCAKE_CONVERSATION } from "../traces/profiles.ts";
import type { TraceRequest } from "../traces/trace-request.ts";

const READERS = { mooncake: readMooncake, azure: readAzure } as const;
const PROFILES = { mooncake: MOONCAKE_CONVERSATION, azure: AZURE_CONVERSATION } as const;

export type TraceFormat = keyof typeof READERS;
export const TRACE_FORMATS = Object.keys(READERS) as readonly TraceFormat[];

export interface TraceWindow {
  /** Absent: traffic is generated after the format's conversations. */
  readonly file?: string | undefined;
  readonly format: TraceFormat;
  /** Requests passed over, ≥ 0. */
  readonly skip: number;
  /** Requests taken, ≥ 1; a recording may hold fewer. */
  readonly requests: number;
  /** Of generated traffic. */
  readonly seed: number;
}

/**
 * Streams the window's requests, the first at time 0; memory does not grow with their number.
 * @throws SimulationError for a bad line, PickerError for a file that cannot be read or ends before the window
 */
export async function* readWindow(window: TraceWindow): AsyncGenerator<TraceRequest> {
  const { skip, requests } = window;
  let seen = 0;
  let startMs = 0;
  for await (const request of source(window)) {
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

function source({ file, format, seed }: TraceWindow): Iterable<TraceRequest> | AsyncIterable<TraceRequest> {
  if (file === undefined) {
    return generateRequests({ profile: PROFILES[format], seed, durationMs: Number.POSITIVE_INFINITY });
  }
  return READERS[format](linesOf(file), basename(file));
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
