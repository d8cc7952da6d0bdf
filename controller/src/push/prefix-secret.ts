/**
 * How long a new controller waits for an Envoy to tell the secret that is in use, before it draws one: filters dial
 * again within 0.75 s, and report at once.
 */
const DRAW_AFTER_MS = 2000;

export interface SecretReport {
  /** Start of the controller whose table the Envoy has applied. */
  readonly epoch: bigint;
  /** 0: the Envoy knows none. */
  readonly secret: bigint;
}

export interface PrefixSecretDeps {
  /** Monotonic ms. */
  readonly nowMs: () => number;
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
  readonly #startedMs: number;
  #secret: bigint | undefined;

  constructor(deps: PrefixSecretDeps) {
    this.#deps = deps;
    this.#startedMs = deps.nowMs();
  }

  /** Not 0; undefined while it is not known: Envoys keep what they have. */
  get value(): bigint | undefined {
    const { nowMs, draw } = this.#deps;
    if (nowMs() - this.#startedMs >= DRAW_AFTER_MS) this.#secret ??= draw() || 1n;
    return this.#secret;
  }

  /** An Envoy reports which secret it uses; true if this one was taken. */
  heard({ epoch, secret }: SecretReport): boolean {
    if (secret === 0n || secret === this.#secret) return false;
    if (this.#secret !== undefined && epoch <= this.#deps.epoch) return false;
    this.#secret = secret;
    return true;
  }
}
