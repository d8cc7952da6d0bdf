/** Host calls by name, and the bytes that went to the guest through its allocator. */
export class CallCounter {
  readonly #byName = new Map<string, number>();
  #total = 0;
  #returning = 0;
  #bytesReturned = 0;

  count(name: string): void {
    this.#byName.set(name, (this.#byName.get(name) ?? 0) + 1);
    this.#total++;
  }

  returned(bytes: number): void {
    this.#returning++;
    this.#bytesReturned += bytes;
  }

  get(name: string): number {
    return this.#byName.get(name) ?? 0;
  }

  get total(): number {
    return this.#total;
  }

  /** Calls that gave bytes back: about a microsecond each in Envoy, ten times the others. */
  get returning(): number {
    return this.#returning;
  }

  get bytesReturned(): number {
    return this.#bytesReturned;
  }

  byName(): Record<string, number> {
    return Object.fromEntries([...this.#byName].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  reset(): void {
    this.#byName.clear();
    this.#total = 0;
    this.#returning = 0;
    this.#bytesReturned = 0;
  }
}
