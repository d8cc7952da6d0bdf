/** Time under the test's control: a wall clock that may jump and a monotonic one that may not. */
export class FakeClock {
  #wallNs: bigint;
  #monotonicNs: bigint;

  /** Starts apart, so that a guest that confuses the two is seen. */
  constructor(wallNs = 1_800_000_000_000_000_000n, monotonicNs = 5_000_000_000_000n) {
    this.#wallNs = wallNs;
    this.#monotonicNs = monotonicNs;
  }

  get wallNs(): bigint {
    return this.#wallNs;
  }

  get monotonicNs(): bigint {
    return this.#monotonicNs;
  }

  /** Both clocks move on. */
  forward(ns: bigint): void {
    if (ns < 0n) throw new RangeError(`time moves by ${ns} ns, must be >= 0`);
    this.#wallNs += ns;
    this.#monotonicNs += ns;
  }

  /** The wall clock is set, to either side; the monotonic one does not notice. */
  jumpWall(ns: bigint): void {
    this.#wallNs += ns;
  }
}
