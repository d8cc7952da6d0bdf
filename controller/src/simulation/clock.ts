/** Time as a parameter. */
export interface Clock {
  /** Monotonic ms. */
  nowMs(): number;
  /** Unix ms. */
  unixMs(): number;
  /** Calls once after at least `delayMs`; returns what calls it off. */
  after(delayMs: number, call: () => void): () => void;
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};
