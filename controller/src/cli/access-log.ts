import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { type LatencyFigures, LatencyWindow } from "../simulation/latency-window.ts";

/** The fields of the gateway's access log that are read here; `envoy/bootstrap.yaml` writes them. */
export interface AccessLogEntry {
  readonly status: number;
  readonly duration_ms: number;
  readonly cluster: string | null;
  /** The picked list, best first; null where the filter did not pick. */
  readonly picked: string | null;
  /** Host that answered; null where none was reached. */
  readonly served: string | null;
  /** Times that the request was sent to a host. */
  readonly attempts: number;
}

/** Did the filter's first choice answer, or after a retry another that it named? */
export function wasPicked({ picked, served, attempts }: AccessLogEntry): boolean {
  if (picked === null || served === null) return false;
  const named = picked.split(",");
  return attempts > 1 ? named.includes(served) : named[0] === served;
}

const NEWLINE = 10;
const CHUNK_BYTES = 1 << 20;

/** Reads a growing access log, whole lines only; lines that are not JSON objects are passed over. */
export class AccessLogReader {
  private readonly path: string;
  private offset = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.path = path;
  }

  /** The entries written since the last call; none while the file does not exist. One cut short is read anew. */
  read(): readonly AccessLogEntry[] {
    if (!existsSync(this.path)) return [];
    const file = openSync(this.path, "r");
    try {
      const { size } = fstatSync(file);
      if (size < this.offset) {
        this.offset = 0;
        this.rest = Buffer.alloc(0);
      }
      const entries: AccessLogEntry[] = [];
      while (this.offset < size) {
        const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, size - this.offset));
        const count = readSync(file, bytes, 0, bytes.length, this.offset);
        if (count === 0) break;
        this.offset += count;
        this.takeLines(bytes.subarray(0, count), entries);
      }
      return entries;
    } finally {
      closeSync(file);
    }
  }

  /** Bytes, not text, are kept between reads: a chunk may end within a character. */
  private takeLines(bytes: Buffer, entries: AccessLogEntry[]): void {
    const end = bytes.lastIndexOf(NEWLINE);
    if (end < 0) {
      this.rest = Buffer.concat([this.rest, bytes]);
      return;
    }
    const text = Buffer.concat([this.rest, bytes.subarray(0, end)]).toString();
    this.rest = Buffer.from(bytes.subarray(end + 1));
    for (const line of text.split("\n")) {
      const entry = parseLine(line);
      if (entry !== undefined) entries.push(entry);
    }
  }
}

function parseLine(line: string): AccessLogEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null ? (entry as AccessLogEntry) : undefined;
  } catch {
    return undefined;
  }
}

const WINDOW_MS = 10_000;

/** Percentiles by the host that answered, over the last ten seconds, and counts from the start. */
export class ServedFigures {
  private readonly byHost = new Map<string, LatencyWindow>();
  requests = 0;
  /** Answered by a host that the filter did not pick. */
  unpicked = 0;
  /** Answered 5xx, by whomever, or not at all. */
  failed = 0;

  add(entries: readonly AccessLogEntry[], nowMs: number): void {
    for (const entry of entries) {
      this.requests++;
      if (entry.status === 0 || entry.status >= 500) this.failed++;
      if (entry.served === null) continue;
      if (!wasPicked(entry)) this.unpicked++;
      let window = this.byHost.get(entry.served);
      if (window === undefined) {
        window = new LatencyWindow(WINDOW_MS);
        this.byHost.set(entry.served, window);
      }
      window.add(entry.duration_ms, nowMs);
    }
  }

  of(address: string, nowMs: number): LatencyFigures | undefined {
    return this.byHost.get(address)?.figures(nowMs);
  }
}
