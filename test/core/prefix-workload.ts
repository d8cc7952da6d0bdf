/**
 * What an index of prefixes loses against exact caches: a workload of conversations, an exact LRU for each endpoint, and both
 * asked before each request.
 */
import type { SeededRandom } from "../emulator/random.ts";
import type { PrefixCore } from "./prefix.ts";

/** One request's prompt as a chain of block ids: equal ids, equal text from the beginning to there. */
export type Chain = readonly number[];

export interface Workload {
  readonly requests: number;
  /** Conversations at a time. */
  readonly conversations: number;
  readonly systemPrompts: number;
}

/**
 * Conversations that begin with one of a few system prompts of 2 to 33 blocks, the first of them most often, and append 1 to 12 blocks a
 * turn; after each turn one in eight ends and another begins. Who speaks next is random.
 */
export function* conversations(workload: Workload, random: SeededRandom): Generator<Chain> {
  let nextId = 1;
  const fresh = (count: number): number[] => Array.from({ length: count }, () => nextId++);
  const systems = Array.from({ length: workload.systemPrompts }, () => fresh(2 + random.below(32)));
  const begin = (): number[] => [
    ...systems[Math.min(random.below(systems.length), random.below(systems.length))]!,
  ];
  const open = Array.from({ length: workload.conversations }, begin);
  for (let request = 0; request < workload.requests; request++) {
    const at = random.below(open.length);
    open[at]!.push(...fresh(1 + random.below(12)));
    yield open[at]!;
    if (random.below(8) === 0) open[at] = begin();
  }
}

/** The blocks of one cache: the longest unused goes first, and of one prompt the tail before the head. */
export class ExactLru {
  readonly #capacity: number;
  readonly #blocks = new Set<number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  prefix(chain: Chain): number {
    let length = 0;
    while (length < chain.length && this.#blocks.has(chain[length]!)) length++;
    return length;
  }

  use(chain: Chain): void {
    for (let block = Math.min(chain.length, this.#capacity) - 1; block >= 0; block--) {
      this.#blocks.delete(chain[block]!);
      this.#blocks.add(chain[block]!);
    }
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= this.#capacity) break;
      this.#blocks.delete(oldest);
    }
  }
}

/** Shares of all blocks asked for. */
export interface Loss {
  readonly blocks: number;
  /** In the cache of the endpoint that has most of the prompt. */
  readonly bestHeld: number;
  /** In the cache of the endpoint that the index says has most. */
  readonly chosenHeld: number;
  /** Over all endpoints, held and not known to the index, of what is held. */
  readonly missed: number;
  /** Over all endpoints, believed and not held, of what is held. */
  readonly invented: number;
}

/**
 * Runs the chains over endpoints of `capacity` blocks each; three of four requests go where the index says most of the prompt is, the
 * others anywhere, as load would have it. The index takes each endpoint to hold `room` × `capacity`.
 */
export function measureLoss(
  core: PrefixCore,
  chains: Iterable<Chain>,
  endpoints: number,
  capacity: number,
  random: SeededRandom,
  room = 1,
): Loss {
  core.sized(2 * endpoints * capacity, endpoints, Math.round(capacity * room));
  const caches = Array.from({ length: endpoints }, () => new ExactLru(capacity));
  let blocks = 0;
  let best = 0;
  let chosen = 0;
  let held = 0;
  let missed = 0;
  let invented = 0;
  for (const chain of chains) {
    const believed = core.lookUp(chain, endpoints);
    const exact = caches.map((cache) => cache.prefix(chain));
    const longest = Math.max(...believed);
    const offset = random.below(endpoints);
    const ties = [...believed.keys()].filter((account) => believed[account] === longest);
    const choice = ties[offset % ties.length]!;
    blocks += chain.length;
    best += Math.max(...exact);
    chosen += exact[choice]!;
    for (let account = 0; account < endpoints; account++) {
      held += exact[account]!;
      missed += Math.max(0, exact[account]! - believed[account]!);
      invented += Math.max(0, believed[account]! - exact[account]!);
    }
    const account = random.below(4) === 0 ? offset : choice;
    caches[account]!.use(chain);
    core.record(account, chain);
  }
  return {
    blocks,
    bestHeld: best / blocks,
    chosenHeld: chosen / blocks,
    missed: missed / held,
    invented: invented / held,
  };
}
