const NEVER = Number.POSITIVE_INFINITY;

/** When each server's next event is due, the earliest at the top; of equal times the lower server first. */
export class StepQueue {
  readonly #atMs: Float64Array;
  /** A binary heap of servers, and where in it each server is. */
  readonly #heap: Int32Array;
  readonly #place: Int32Array;

  /** @param servers ≥ 1; none has an event yet */
  constructor(servers: number) {
    this.#atMs = new Float64Array(servers).fill(NEVER);
    this.#heap = Int32Array.from({ length: servers }, (_, server) => server);
    this.#place = this.#heap.slice();
  }

  /** `Infinity` when no server has one. */
  get nextMs(): number {
    return this.#atMs[this.#heap[0]!]!;
  }

  get nextServer(): number {
    return this.#heap[0]!;
  }

  /** `Infinity`: the server has no event. */
  set(server: number, atMs: number): void {
    this.#atMs[server] = atMs;
    this.#down(this.#up(this.#place[server]!));
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.#atMs[left]! - this.#atMs[right]!;
    // Infinity less Infinity is NaN: neither has an event.
    return difference === 0 || Number.isNaN(difference) ? left < right : difference < 0;
  }

  #up(from: number): number {
    const heap = this.#heap;
    const server = heap[from]!;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(server, heap[parent]!)) break;
      this.#put(heap[parent]!, at);
      at = parent;
    }
    this.#put(server, at);
    return at;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const server = heap[from]!;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, server)) break;
      this.#put(heap[child]!, at);
      at = child;
    }
    this.#put(server, at);
  }

  #put(server: number, at: number): void {
    this.#heap[at] = server;
    this.#place[server] = at;
  }
}
