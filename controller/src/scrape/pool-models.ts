import type { ModelSpec } from "../model.ts";

interface Listed {
  readonly models: readonly ModelSpec[];
  atMs: number;
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
  /** The union made last, and when it was asked for; undefined: nobody has listed anything yet. */
  #last: Listed | undefined;
  /** How many lists it is of. */
  #counted = 0;
  /** Some list is another than that union was made of. */
  #changed = false;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  listed(address: string, models: readonly ModelSpec[], nowMs: number): void {
    const known = this.#lists.get(address);
    if (known !== undefined && this.#isKept(known, nowMs) && isSame(known.models, models)) {
      known.atMs = nowMs;
      return;
    }
    this.#lists.set(address, { models, atMs: nowMs });
    this.#changed = true;
  }

  /** Endpoints other than these are gone. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#lists.keys()) {
      if (addresses.has(address)) continue;
      this.#lists.delete(address);
      this.#changed = true;
    }
  }

  /**
   * Base models before adapters, each by name, so that equal lists in another order give the same. A name that is
   * an adapter here and none there is none. The same object while nothing has changed; undefined before the first list.
   */
  union(nowMs: number): readonly ModelSpec[] | undefined {
    const lists = [...this.#lists.values()];
    const fresh = lists.filter((listed) => this.#isKept(listed, nowMs));
    const counted = fresh.length > 0 ? fresh : lists;
    if (counted.length > 0) {
      // A list that counts again has changed; one that counts no more is missing in the number.
      if (this.#last === undefined || this.#changed || counted.length !== this.#counted) {
        this.#last = { models: unionOf(counted), atMs: nowMs };
        this.#counted = counted.length;
        this.#changed = false;
      }
      this.#last.atMs = nowMs;
    } else if (this.#last !== undefined && !this.#isKept(this.#last, nowMs)) {
      this.#last = { models: NONE, atMs: this.#last.atMs };
    }
    return this.#last?.models;
  }

  #isKept({ atMs }: Listed, nowMs: number): boolean {
    return nowMs - atMs <= this.#keepMs;
  }
}

const NONE: readonly ModelSpec[] = [];

function isSame(left: readonly ModelSpec[], right: readonly ModelSpec[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ name, adapter }, index) => name === right[index]!.name && adapter === right[index]!.adapter)
  );
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
