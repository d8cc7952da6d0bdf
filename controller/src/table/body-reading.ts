import type { PoolSpec, ProfileName, ScorerName } from "../model.ts";

/** They go by load alone, whatever is asked. */
const PROFILES_BY_LOAD: ReadonlySet<ProfileName> = new Set(["least-request", "round-robin", "random"]);
/** Scorers that know what is asked for. */
const SCORERS_OF_BODY: ReadonlySet<ScorerName> = new Set(["lora-affinity", "prefix-affinity"]);

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
    pool.picking.contextLengthLabel !== undefined ||
    profileReads(pool)
  );
}

/** A mix reads for its terms; any other profile has the prompt looked at. */
function profileReads({ profile, scorers }: PoolSpec): boolean {
  if (profile === "weighted") return scorers.some(({ name }) => SCORERS_OF_BODY.has(name));
  return !PROFILES_BY_LOAD.has(profile);
}
