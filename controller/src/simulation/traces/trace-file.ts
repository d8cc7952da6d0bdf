/** Opens a trace file by its kind, which its name's ending tells: `.jsonl` Mooncake, `.csv` Azure. */
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { SimulationError } from "../simulation-error.ts";
import { readAzure } from "./azure-reader.ts";
import { readMooncake } from "./mooncake-reader.ts";
import type { TraceRequest } from "./trace-request.ts";

/** Streams the requests of a file; memory stays flat. @throws SimulationError, or the file system's error */
export function readTraceFile(path: string): AsyncGenerator<TraceRequest> {
  const read = path.endsWith(".jsonl") ? readMooncake : path.endsWith(".csv") ? readAzure : undefined;
  if (read === undefined) throw new SimulationError("bad-option", "trace file", path, "*.jsonl or *.csv");
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  return read(lines, basename(path));
}
