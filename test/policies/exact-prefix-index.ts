/** Which leading blocks of a prompt each endpoint holds: exact, one LRU of its capacity an endpoint. */
export class ExactPrefixIndex {
  readonly #held: readonly Map<number, true>[];
  readonly #capacityBlocks: number;

  /** @param capacityBlocks blocks that an endpoint holds, ≥ 1 */
  constructor(endpoints: number, capacityBlocks: number) {
    this.#held = Array.from({ length: endpoints }, () => new Map<number, true>());
    this.#capacityBlocks = capacityBlocks;
  }

  /** Leading blocks of `blocks` that the endpoint holds. */
  matched(endpoint: number, blocks: readonly number[]): number {
    const held = this.#held[endpoint]!;
    let matched = 0;
    while (matched < blocks.length && held.has(blocks[matched]!)) matched++;
    return matched;
  }

  /** The endpoint computes these blocks now; the tail ages before the head, as engines free it. */
  record(endpoint: number, blocks: readonly number[]): void {
    const held = this.#held[endpoint]!;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i]!;
      held.delete(block);
      held.set(block, true);
    }
    for (const oldest of held.keys()) {
      if (held.size <= this.#capacityBlocks) break;
      held.delete(oldest);
    }
  }
}
