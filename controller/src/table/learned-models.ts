import { MAX_MESSAGE_BYTES, MAX_ROWS, MODEL_STRIDE } from "../../../assembly/wire/layout.ts";
import type { ModelSpec, PoolSpec } from "../model.ts";

/** Most models of one pool that were not configured. */
export const MAX_POOL_LEARNED = 1024;
/** Over all pools: a quarter of the message, and what readers hash with each table. */
export const MAX_LEARNED_ROWS = 8192;
const MAX_LEARNED_BYTES = 1024 * 1024;

/**
 * The pools with the models that their endpoints list, which come after those that are configured; `learned` is
 * by `namespace/name`, and lacks a pool that has not been told anything: that pool refuses no model. Where there is no
 * room for all, each pool keeps the same number of its first ones, the largest that fits: a pool with few loses
 * none to one with many. `roomBytes`: of a message, what all else leaves.
 */
export function withLearned(
  pools: readonly PoolSpec[],
  learned: ReadonlyMap<string, readonly ModelSpec[]>,
  roomBytes: number = MAX_MESSAGE_BYTES,
): { readonly pools: readonly PoolSpec[]; readonly dropped: number } {
  const lists = pools.map((pool) => additions(pool, learned.get(`${pool.namespace}/${pool.name}`) ?? []));
  const configured = pools.reduce((count, { models }) => count + models.length, 0);
  const perPool = share(lists, Math.min(MAX_LEARNED_ROWS, MAX_ROWS - configured), roomBytes);
  return {
    pools: pools.map((pool, index) => {
      if (!asks(pool)) return pool;
      const list = lists[index]!;
      return {
        ...pool,
        models: [...pool.models, ...list.slice(0, perPool)],
        knownModelsOnly: pool.knownModelsOnly && learned.has(`${pool.namespace}/${pool.name}`),
      };
    }),
    dropped: lists.reduce((count, { length }) => count + Math.max(0, length - perPool), 0),
  };
}

function asks(pool: PoolSpec): boolean {
  return pool.endpoints.some(({ modelList }) => modelList !== undefined);
}

/** A list of a pool that has ceased to ask is known for some time. */
function additions(pool: PoolSpec, learned: readonly ModelSpec[]): readonly ModelSpec[] {
  if (!asks(pool)) return [];
  const configured = new Set(pool.models.map(({ name }) => name));
  return learned.filter(({ name }) => !configured.has(name));
}

/** How many each pool may have, where all may have `mostRows` and `roomBytes` together. */
function share(lists: readonly (readonly ModelSpec[])[], mostRows: number, roomBytes: number): number {
  let perPool = 0;
  let rows = 0;
  let bytes = 0;
  while (perPool < MAX_POOL_LEARNED) {
    const next = lists.flatMap((list) => list[perPool] ?? []);
    if (next.length === 0) return MAX_POOL_LEARNED;
    rows += next.length;
    bytes += next.reduce((sum, { name }) => sum + Buffer.byteLength(name), 0);
    if (rows > mostRows || bytes > MAX_LEARNED_BYTES || bytes + rows * MODEL_STRIDE > roomBytes) break;
    perPool++;
  }
  return perPool;
}
