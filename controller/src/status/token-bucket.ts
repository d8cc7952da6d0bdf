/** Lets `burst` through at once and then one every `refillMs`. */
export class TokenBucket {
  readonly #burst: number;
  readonly #refillMs: number;
  readonly #nowMs: () => number;
  #tokens: number;
  #atMs: number;

  constructor(burst: number, refillMs: number, nowMs: () => number) {
    this.#burst = burst;
    this.#refillMs = refillMs;
    this.#nowMs = nowMs;
    this.#tokens = burst;
    this.#atMs = nowMs();
  }

  /** Ms until one may be taken; 0: at once. */
  waitMs(): number {
    this.#refill();
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) * this.#refillMs);
  }

  /** Takes one. Without one left the next wait is longer. */
  take(): void {
    this.#refill();
    this.#tokens -= 1;
  }

  #refill(): void {
    const nowMs = this.#nowMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) / this.#refillMs);
    this.#atMs = nowMs;
  }
}
