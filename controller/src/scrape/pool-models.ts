import type { ModelSpec } from "../model.ts";

interface Listed {
  readonly models: readonly ModelSpec[];
  readonly atMs: number;
}

/**
 * What the endpoints of one pool list, put together. An endpoint that fails keeps its last list for a while, and
 * for as long as no other endpoint has a newer one, since an outage must not make models unknown. One that is gone
 * takes its list along, unless nobody else has one: then the names last as long as a failing endpoint's.
 */
export class PoolModels {
  readonly #keepMs: number;
  /** By address. */
  readonly #lists = new Map<string, Listed>();
  #last: Listed = { models: [], atMs: Number.NEGATIVE_INFINITY };

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  listed(address: string, models: readonly ModelSpec[], nowMs: number): void {
    this.#lists.set(address, { models, atMs: nowMs });
  }

  /** Endpoints other than these are gone. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#lists.keys()) if (!addresses.has(address)) this.#lists.delete(address);
  }

  /**
   * Base models before adapters, each by name, so that equal lists in another order give the same. A name that is
   * an adapter here and none there is none.
   */
  union(nowMs: number): readonly ModelSpec[] {
    const isKept = ({ atMs }: Listed) => nowMs - atMs <= this.#keepMs;
    const lists = [...this.#lists.values()];
    const fresh = lists.filter(isKept);
    const counted = fresh.length > 0 ? fresh : lists;
    if (counted.length > 0) this.#last = { models: unionOf(counted), atMs: nowMs };
    return counted.length > 0 || isKept(this.#last) ? this.#last.models : [];
  }
}

function unionOf(lists: readonly Listed[]): readonly ModelSpec[] {
  const byName = new Map<string, ModelSpec>();
  for (const model of lists.flatMap(({ models }) => models)) {
    const known = byName.get(model.name);
    if (known === undefined || (known.adapter && !model.adapter)) byName.set(model.name, model);
  }
  return [...byName.values()].sort(
    (left, right) => Number(left.adapter) - Number(right.adapter) || (left.name < right.name ? -1 : 1),
  );
}
