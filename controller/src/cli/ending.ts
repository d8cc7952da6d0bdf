/** What ends a command: a signal, a key, a failure. The first one counts. */
export class Ending {
  private readonly abort = new AbortController();
  private code = 0;
  private reason: string | undefined;

  /** `why` is for the user, one line; absent where the user asked for the end. */
  end(exitCode: number, why?: string): void {
    if (this.abort.signal.aborted) return;
    this.code = exitCode;
    this.reason = why;
    this.abort.abort();
  }

  /** Aborts with the end. */
  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** 0 until the end. */
  get exitCode(): number {
    return this.code;
  }

  get why(): string | undefined {
    return this.reason;
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Every way in which a process is asked to end, or can no longer tell anybody anything. */
export function endOnSignals(
  ending: Ending,
  host: NodeJS.Process,
  exitCode: number,
  whyOf: (signal: string) => string | undefined,
): void {
  for (const signal of SIGNALS) host.on(signal, () => ending.end(exitCode, whyOf(signal)));
  // Nobody reads: `make run | head`, or a terminal that was closed.
  host.stdout.on("error", () => ending.end(exitCode));
  host.stderr.on("error", () => ending.end(exitCode));
  host.on("uncaughtException", (error) => ending.end(1, error.stack ?? String(error)));
}
