import {
  SCORER_IN_FLIGHT,
  SCORER_KV_CACHE_UTILIZATION,
  SCORER_LORA_AFFINITY,
  SCORER_PREFIX_AFFINITY,
  SCORER_QUEUE_DEPTH,
  SCORER_RUNNING_REQUESTS,
} from "../../wire/layout";
import { InFlight } from "./in_flight";
import { KvCacheUtilization } from "./kv_cache_utilization";
import { LoraAffinity } from "./lora_affinity";
import { PrefixAffinity } from "./prefix_affinity";
import { QueueDepth } from "./queue_depth";
import { RunningRequests } from "./running_requests";
import { Scorer } from "./scorer";

/** Highest SCORER_* number that the wire format knows. */
export const LAST_SCORER_KIND: u32 = SCORER_PREFIX_AFFINITY;

const scorers = new StaticArray<Scorer | null>(<i32>LAST_SCORER_KIND + 1);

scorers[SCORER_QUEUE_DEPTH] = new QueueDepth();
scorers[SCORER_KV_CACHE_UTILIZATION] = new KvCacheUtilization();
scorers[SCORER_RUNNING_REQUESTS] = new RunningRequests();
scorers[SCORER_IN_FLIGHT] = new InFlight();
scorers[SCORER_LORA_AFFINITY] = new LoraAffinity();
scorers[SCORER_PREFIX_AFFINITY] = new PrefixAffinity();

/** The scorer of a SCORER_* kind; null for a kind that the wire format names and nothing here computes. */
export function scorerOf(kind: u32): Scorer | null {
  return kind <= LAST_SCORER_KIND ? unchecked(scorers[kind]) : null;
}
