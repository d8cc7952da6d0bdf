import { caseSeed, Dice } from "./dice.ts";
import { Disagreement, type Target, type Verdict } from "./target.ts";

/** Cases that one call of `prepare` serves. */
export const BATCH = 1_000;
/** After so many failures a target is given up: they are most likely one. */
const MOST_FAILURES = 3;

export interface Failure {
  readonly target: string;
  /** `case 12` or the corpus file's name. */
  readonly where: string;
  readonly kind: "disagreement" | "trap";
  readonly message: string;
  /** What `Target.encode` makes of the shrunk input. */
  readonly reproducer: Uint8Array;
}

export interface Tally {
  accepted: number;
  refused: number;
}

/** A campaign, whatever its inputs are. */
export type AnyCampaign = Omit<Campaign<never>, "run">;

/** Runs inputs of one target, and shrinks what fails. */
export class Campaign<Input> {
  readonly name: string;
  readonly tally: Tally = { accepted: 0, refused: 0 };
  readonly failures: Failure[] = [];
  readonly #target: Target<Input>;
  readonly #seed: number;
  readonly #kind: number;

  /** `kind` keeps the seeds of different targets apart. */
  constructor(target: Target<Input>, seed: number, kind: number) {
    this.name = target.name;
    this.#target = target;
    this.#seed = seed;
    this.#kind = kind;
  }

  get givenUp(): boolean {
    return this.failures.length >= MOST_FAILURES;
  }

  /** A file of the corpus; `cuts` is the seed that says how it is cut. */
  file(name: string, bytes: Uint8Array, cuts: number): void {
    this.run(name, this.#target.decode(bytes), cuts);
  }

  /** What `--save` would write of a file that was read. */
  kept(bytes: Uint8Array): Uint8Array {
    return this.#target.encode(this.#target.decode(bytes));
  }

  /** What every run tries. */
  always(): void {
    let index = 0;
    for (const input of this.#target.always?.() ?? []) {
      if (this.givenUp) return;
      this.run(`input ${index}`, input, index++);
    }
  }

  /** Cases [batch × BATCH, …), `count` of them. The same seed and the same numbers give the same inputs. */
  async batch(batch: number, count: number): Promise<void> {
    await this.#prepare(batch);
    for (let index = batch * BATCH; index < batch * BATCH + count && !this.givenUp; index++)
      this.#case(index);
  }

  /** One case of a run. */
  async single(index: number): Promise<void> {
    await this.#prepare(Math.floor(index / BATCH));
    this.#case(index);
  }

  async #prepare(batch: number): Promise<void> {
    await this.#target.prepare?.(new Dice(caseSeed(this.#seed, this.#kind + 0x100, batch)));
  }

  #case(index: number): void {
    const seed = caseSeed(this.#seed, this.#kind, index);
    this.run(`case ${index}`, this.#target.generate(new Dice(seed)), seed);
  }

  run(where: string, input: Input, seed: number): void {
    const result = this.#attempt(input, seed);
    if (typeof result === "string") this.tally[result]++;
    else this.#report(where, input, seed, result);
  }

  #attempt(input: Input, seed: number): Verdict | Error {
    try {
      return this.#target.check(input, new Dice(seed));
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #report(where: string, input: Input, seed: number, error: Error): void {
    const kind = kindOf(error);
    const shrunk = this.#target.shrink(input, (smaller) => {
      const result = this.#attempt(smaller, seed);
      return typeof result !== "string" && kindOf(result) === kind;
    });
    const last = this.#attempt(shrunk, seed);
    this.failures.push({
      target: this.#target.name,
      where,
      kind,
      message: typeof last === "string" ? error.message : last.message,
      reproducer: this.#target.encode(shrunk),
    });
  }
}

function kindOf(error: Error): Failure["kind"] {
  return error instanceof Disagreement ? "disagreement" : "trap";
}
