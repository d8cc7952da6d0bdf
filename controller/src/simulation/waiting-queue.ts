import type { ModelRequest } from "./model-request.ts";

/** First come first served, with a way back to the head. Removal is marked and swept when it is met. */
export class WaitingQueue {
  /** Requests that wait. */
  length = 0;
  #items: (ModelRequest | undefined)[] = [];
  #head = 0;
  readonly #removed = new Set<ModelRequest>();

  push(request: ModelRequest): void {
    this.#items.push(request);
    this.length++;
  }

  /** Puts a request before all others. */
  unshift(request: ModelRequest): void {
    this.#sweep();
    if (this.#head === 0) {
      const room = Math.max(16, this.#items.length);
      this.#items = new Array<ModelRequest | undefined>(room).concat(this.#items);
      this.#head = room;
    }
    this.#items[--this.#head] = request;
    this.length++;
  }

  peek(): ModelRequest | undefined {
    this.#sweep();
    return this.#items[this.#head];
  }

  shift(): ModelRequest | undefined {
    const request = this.peek();
    if (request === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.length--;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return request;
  }

  /** Takes out a request known to wait here. */
  remove(request: ModelRequest): void {
    this.#removed.add(request);
    this.length--;
  }

  /** Drops removed requests from the head, so that the head is one that waits. */
  #sweep(): void {
    while (this.#removed.size > 0) {
      const head = this.#items[this.#head];
      if (head === undefined || !this.#removed.delete(head)) return;
      this.#items[this.#head++] = undefined;
    }
  }
}
