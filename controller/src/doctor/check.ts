/**
 * `skipped`: not looked at, because of another check's failure or for want of a flag.
 * A warning is what works and should not stay so, or what only its owner can judge.
 */
export type CheckStatus = "ok" | "warning" | "failure" | "skipped";

/** What one look at one thing found. Texts hold no secret and no control character. */
export interface Check {
  /** What belongs together in the report: `controller`, `Envoy 127.0.0.1:9901`. */
  readonly group: string;
  /** The check's own name; docs/doctor.md explains it. */
  readonly name: string;
  readonly status: CheckStatus;
  readonly seen: string;
  /** What to do about it; present on warnings and failures. */
  readonly remedy?: string;
}

/** Exit codes: nothing wrong; something does not work; something works but is worth a look. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_WARNING = 3;

/** Names in one text; the rest is a number. */
const NAMES_SHOWN = 5;

/** Collects one group's checks in the order in which they are made. */
export class Checks {
  readonly list: Check[] = [];
  readonly #group: string;

  constructor(group: string) {
    this.#group = plain(group);
  }

  ok(name: string, seen: string): void {
    this.#add(name, "ok", seen);
  }

  warning(name: string, seen: string, remedy: string): void {
    this.#add(name, "warning", seen, remedy);
  }

  failure(name: string, seen: string, remedy: string): void {
    this.#add(name, "failure", seen, remedy);
  }

  skipped(name: string, why: string): void {
    this.#add(name, "skipped", why);
  }

  #add(name: string, status: CheckStatus, seen: string, remedy?: string): void {
    const check = { group: this.#group, name, status, seen: plain(seen) };
    this.list.push(remedy === undefined ? check : { ...check, remedy: plain(remedy) });
  }
}

export function exitCodeOf(checks: readonly Check[]): number {
  if (checks.some(({ status }) => status === "failure")) return EXIT_FAILURE;
  return checks.some(({ status }) => status === "warning") ? EXIT_WARNING : EXIT_OK;
}

/** `a, b, c, d, e and 7 more`. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  return names.length <= NAMES_SHOWN ? shown : `${shown} and ${names.length - NAMES_SHOWN} more`;
}

/** `1 pool`, `3 pools`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Names come from clusters, files and servers: none may steer the terminal, and each check is one line. */
function plain(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, "; ").replaceAll(/\p{Cc}/gu, "?");
}
