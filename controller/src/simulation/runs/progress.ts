/** A line with a bar for each run that is under way, and one for all of them, written over in place. */
import { cut } from "../../cli/text-table.ts";
import type { Output } from "../../commands/command.ts";
import type { RunSpec } from "./run-spec.ts";
import type { RunWatch } from "./runner.ts";

/** Real time between two drawings. */
const INTERVAL_MS = 200;
const BAR_CHARACTERS = 20;
/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80;
/** Bars at most; further runs are counted only. */
const MOST_BARS = 16;

export interface ProgressOptions {
  readonly out: Output;
  readonly nowMs: () => number;
  readonly labelOf: (spec: RunSpec) => string;
  /** Runs in all; absent: not known beforehand. */
  readonly runs?: number | undefined;
}

export class Progress implements RunWatch {
  readonly #options: ProgressOptions;
  readonly #arrived = new Map<RunSpec, number>();
  #ended = 0;
  #shownMs = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  begin(spec: RunSpec): void {
    this.#arrived.set(spec, 0);
  }

  progress(spec: RunSpec, arrived: number): void {
    this.#arrived.set(spec, arrived);
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#shownMs < INTERVAL_MS) return;
    this.#shownMs = nowMs;
    this.#draw();
  }

  end(spec: RunSpec): void {
    this.#arrived.delete(spec);
    this.#ended++;
  }

  /** Takes the lines away. */
  clear(): void {
    if (this.#lines === 0) return;
    this.#options.out.write(`${this.#top()}\x1b[J`);
    this.#lines = 0;
  }

  #draw(): void {
    const runs = [...this.#arrived];
    const lines = runs.slice(0, MOST_BARS).map(([spec, arrived]) => {
      const share = Math.min(1, arrived / spec.window.requests);
      const filled = Math.floor(share * BAR_CHARACTERS);
      const bar = "█".repeat(filled) + "░".repeat(BAR_CHARACTERS - filled);
      const percent = Math.floor(100 * share);
      return `${bar} ${this.#options.labelOf(spec)}: ${arrived} of ${spec.window.requests} requests, ${percent} %`;
    });
    const more = runs.length - lines.length;
    const { out, runs: all } = this.#options;
    const others = more > 0 ? `${more} more under way, ` : "";
    if (all !== 1) lines.push(`${others}${this.#ended}${all === undefined ? "" : ` of ${all}`} runs done`);
    // 0 is not known. A line that wraps would be two when the cursor goes back up.
    const width = (out.columns || COLUMNS) - 1;
    out.write(`${this.#top()}\x1b[J${lines.map((line) => cut(line, width)).join("\n")}`);
    this.#lines = lines.length;
  }

  /** To the beginning of the first line drawn. */
  #top(): string {
    return this.#lines > 1 ? `\r\x1b[${this.#lines - 1}A` : "\r";
  }
}
