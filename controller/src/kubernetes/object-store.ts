import { isDeepStrictEqual } from "node:util";
import { keyOf } from "./kinds.ts";
import type { ObjectMeta } from "./objects.ts";

/** What a reflector can hold. */
export interface Stored {
  readonly meta: ObjectMeta;
}

/** The objects of one kind by `namespace/name`, and which of them changed since that was last asked. */
export class ObjectStore<T extends Stored> {
  #objects = new Map<string, T>();
  readonly #changed = new Set<string>();

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  put(object: T): void {
    const key = keyOf(object.meta);
    const known = this.#objects.get(key);
    this.#objects.set(key, object);
    if (known === undefined || !isSame(known, object)) this.#changed.add(key);
  }

  remove({ meta }: T): void {
    const key = keyOf(meta);
    if (this.#objects.delete(key)) this.#changed.add(key);
  }

  /** Takes a complete list: what it lacks was deleted, even if nobody said so. */
  replace(objects: readonly T[]): void {
    const before = this.#objects;
    this.#objects = new Map();
    for (const object of objects) {
      const key = keyOf(object.meta);
      const known = before.get(key);
      before.delete(key);
      this.#objects.set(key, object);
      if (known === undefined || !isSame(known, object)) this.#changed.add(key);
    }
    for (const key of before.keys()) this.#changed.add(key);
  }

  /** The keys of what was added, changed or removed since the last call. */
  takeChanged(): readonly string[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }
}

/** Whether all that is kept is the same, whatever else of the object was written. */
function isSame<T extends Stored>(one: T, other: T): boolean {
  if (one.meta.resourceVersion === other.meta.resourceVersion && one.meta.uid === other.meta.uid) return true;
  const { resourceVersion } = other.meta;
  return isDeepStrictEqual({ ...one, meta: { ...one.meta, resourceVersion } }, other);
}
