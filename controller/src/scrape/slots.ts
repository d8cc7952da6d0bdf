/** A bound on how many things happen at once; the others wait in order. */
export class Slots {
  readonly #limit: number;
  readonly #waiting = new Set<(release: () => void) => void>();
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `start` with the slot's release as soon as one is free, at once if one is. Returns a
   * cancellation that takes a waiting caller out of the line; it does nothing after the start.
   */
  take(start: (release: () => void) => void): () => void {
    if (this.#taken < this.#limit) {
      this.#run(start);
      return () => {};
    }
    this.#waiting.add(start);
    return () => {
      this.#waiting.delete(start);
    };
  }

  #run(start: (release: () => void) => void): void {
    this.#taken++;
    let released = false;
    start(() => {
      if (released) return;
      released = true;
      this.#taken--;
      const next = this.#waiting.values().next();
      if (next.done === true) return;
      this.#waiting.delete(next.value);
      this.#run(next.value);
    });
  }
}
