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
}

/** Was the host that answered one that the filter named? */
export function wasPicked(entry: AccessLogEntry): boolean {
  return entry.served !== null && (entry.picked ?? "").split(",").includes(entry.served);
}

/** Reads a growing access log, whole lines only. */
export class AccessLogReader {
  private readonly path: string;
  private offset = 0;
  private rest = "";

  constructor(path: string) {
    this.path = path;
  }

  /** The entries written since the last call; none while the file does not exist. */
  read(): readonly AccessLogEntry[] {
    if (!existsSync(this.path)) return [];
    const file = openSync(this.path, "r");
    try {
      const size = fstatSync(file).size;
      if (size <= this.offset) return [];
      const bytes = Buffer.alloc(size - this.offset);
      this.offset += readSync(file, bytes, 0, bytes.length, this.offset);
      const lines = (this.rest + bytes.toString()).split("\n");
      this.rest = lines.pop() ?? "";
      return lines.map((line) => JSON.parse(line) as AccessLogEntry);
    } finally {
      closeSync(file);
    }
  }
}

const WINDOW_MS = 10_000;

/** Rates and percentiles by the host that answered, over the last ten seconds. */
export class ServedFigures {
  private readonly byHost = new Map<string, LatencyWindow>();
  requests = 0;
  /** Answered by a host that the filter did not name, or by none. */
  unpicked = 0;

  add(entries: readonly AccessLogEntry[], nowMs: number): void {
    for (const entry of entries) {
      this.requests++;
      if (!wasPicked(entry)) this.unpicked++;
      if (entry.served === null) continue;
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
