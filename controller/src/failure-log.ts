import type { Logger } from "./telemetry/logger.ts";

/** Logs what fails once when it begins to fail and once when it works again. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #what: string;
  readonly #failing = new Set<string>();

  /** `what` begins the messages: `scrape` gives "scrape works again". */
  constructor(logger: Logger, what: string) {
    this.#logger = logger;
    this.#what = what;
  }

  failed(endpoint: string, failure: string, message = `${this.#what} failed`): void {
    if (this.#failing.has(endpoint)) return;
    this.#failing.add(endpoint);
    this.#logger.warn({ endpoint, failure }, message);
  }

  worked(endpoint: string): void {
    if (this.#failing.delete(endpoint)) this.#logger.info({ endpoint }, `${this.#what} works again`);
  }

  /** Forgets the others. */
  retain(endpoints: ReadonlySet<string>): void {
    for (const endpoint of this.#failing) if (!endpoints.has(endpoint)) this.#failing.delete(endpoint);
  }
}
