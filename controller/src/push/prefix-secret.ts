/**
 * How long a controller waits after the first report for an Envoy to tell the secret that is in use, before it draws
 * one: filters dial again within 0.75 s, and report at once. Not from its start: in a cluster no Envoy may reach it
 * before it has been ready for a while.
 */
const DRAW_AFTER_MS = 2000;
/** Epochs are starts in Unix ms: none lies further ahead of this controller's clock than clocks differ. */
const MAX_AHEAD_MS = 60_000;
/** Whatever Envoys report, what they know of prompts becomes worthless no more often than this. */
const CHANGE_EVERY_MS = 10_000;

export interface SecretReport {
  /** Start of the controller whose table the Envoy has applied. */
  readonly epoch: bigint;
  /** 0: the Envoy knows none. */
  readonly secret: bigint;
}

export interface PrefixSecretDeps {
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Ms since the Unix epoch. */
  readonly wallMs: () => number;
  /** 64 random bits. */
  readonly draw: () => bigint;
  /** Start of this controller, as in its tables. */
  readonly epoch: bigint;
}

/**
 * The secret under which all Envoys make the keys of prompts, so that they may tell each other. Nobody configures it: the
 * first controller draws it, and each that starts later takes it from the first Envoy that reports it, so that a restart
 * leaves every index worth what it was. Of controllers that drew one each, that of the latest start wins, as do its tables.
 * It stays on the feed: no log, page or metric has it.
 */
export class PrefixSecret {
  readonly #deps: PrefixSecretDeps;
  #secret: bigint | undefined;
  /** Monotonic time of the first report; undefined before it. */
  #heardMs: number | undefined;
  /** Monotonic time at which a known secret was given up for a reported one; undefined: never. */
  #changedMs: number | undefined;

  constructor(deps: PrefixSecretDeps) {
    this.#deps = deps;
  }

  /** Not 0; undefined while it is not known: Envoys keep what they have. */
  get value(): bigint | undefined {
    const { nowMs, draw } = this.#deps;
    if (this.#heardMs !== undefined && nowMs() - this.#heardMs >= DRAW_AFTER_MS)
      this.#secret ??= draw() || 1n;
    return this.#secret;
  }

  /** An Envoy reports which secret it uses, 0 for none; true if this one was taken. */
  heard({ epoch, secret }: SecretReport): boolean {
    const nowMs = this.#deps.nowMs();
    this.#heardMs ??= nowMs;
    if (secret === 0n || secret === this.#secret) return false;
    if (epoch > BigInt(Math.floor(this.#deps.wallMs())) + BigInt(MAX_AHEAD_MS)) return false;
    if (this.#secret !== undefined) {
      if (epoch <= this.#deps.epoch) return false;
      if (this.#changedMs !== undefined && nowMs - this.#changedMs < CHANGE_EVERY_MS) return false;
      this.#changedMs = nowMs;
    }
    this.#secret = secret;
    return true;
  }
}
