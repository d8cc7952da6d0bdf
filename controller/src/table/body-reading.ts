import type { PoolSpec } from "../model.ts";

/**
 * Does a request to the pool wait for its body? Where the pool leaves it open (`auto`): if the pick, the body
 * that the endpoint gets, or an answer in its place differs with what the body says.
 *
 * @param isByModel the pool is on a route whose pool is chosen by the model
 */
export function readsBody(pool: PoolSpec, isByModel: boolean): boolean {
  if (pool.readBody !== "auto") return pool.readBody;
  return (
    isByModel ||
    pool.rewrites.length > 0 ||
    pool.addUsage ||
    pool.requireModel ||
    pool.knownModelsOnly ||
    pool.models.length > 1 ||
    pool.models.some(({ adapter }) => adapter) ||
    pool.scorers.some(({ name }) => name === "lora-affinity")
  );
}
