import { f32At, i32At, u16At, u32At, u8At } from "../wire/bytes";
import { fnv1a64 } from "../wire/hash";
import {
  AGE_NEVER,
  DEFAULT_TPOT_MS,
  DEFAULT_TTFT_BASE_MS,
  DEFAULT_TTFT_PER_1K_TOKENS_MS,
  ENDPOINT_FLAG_UNMEASURED,
  POOL_API_COUNT,
  POOL_API_START,
  POOL_BODY_LIMIT_BYTES,
  POOL_BODY_WINDOW_BYTES,
  POOL_CLASS_COUNT,
  POOL_CLASS_HEADER,
  POOL_CLASS_START,
  POOL_ENDPOINT_COUNT,
  POOL_ENDPOINT_START,
  POOL_FAILURE_MODE,
  POOL_FLAGS,
  POOL_KV_LIMIT,
  POOL_MODEL_COUNT,
  POOL_MODEL_START,
  POOL_NAME,
  POOL_OBJECTIVE_COUNT,
  POOL_OBJECTIVE_START,
  POOL_PICK_FLAGS,
  POOL_PROFILE,
  POOL_QUEUE_LIMIT,
  POOL_REWRITE_COUNT,
  POOL_REWRITE_START,
  POOL_SCORER_COUNT,
  POOL_SCORER_START,
  POOL_STALE_AFTER_MS,
  POOL_TPOT_MS,
  POOL_TTFT_BASE_MS,
  POOL_TTFT_PER_1K_TOKENS_MS,
  SECTION_POOLS,
  VALID_KV_USED,
  VALID_LOAD_COLUMNS,
  VALID_QUEUED,
  VALID_REMOTE,
} from "../wire/layout";
import { hasPicking, hasRewrites, sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { EndpointColumns, isPickable } from "./endpoint_columns";

/**
 * What a table says of each pool, in flat columns by pool index, and what is worked out from its
 * endpoints' rows as they age.
 */
export class PoolColumns extends EndpointColumns {
  poolCount: i32 = 0;
  /** When the message arrived, on the caller's monotonic clock, in ms. */
  receivedMs: f64 = 0;

  poolId: StaticArray<u64> = new StaticArray<u64>(0);
  poolEndpointStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolEndpointCount: StaticArray<i32> = new StaticArray<i32>(0);
  /** PROFILE_* */
  poolProfile: StaticArray<u32> = new StaticArray<u32>(0);
  /** FAILURE_MODE_* */
  poolFailureMode: StaticArray<u32> = new StaticArray<u32>(0);
  /** POOL_FLAG_* bits */
  poolFlags: StaticArray<u32> = new StaticArray<u32>(0);
  poolStaleAfterMs: StaticArray<u32> = new StaticArray<u32>(0);
  poolBodyWindow: StaticArray<u32> = new StaticArray<u32>(0);
  poolBodyLimit: StaticArray<u32> = new StaticArray<u32>(0);
  poolModelStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolModelCount: StaticArray<i32> = new StaticArray<i32>(0);
  poolScorerStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolScorerCount: StaticArray<i32> = new StaticArray<i32>(0);
  poolObjectiveStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolObjectiveCount: StaticArray<i32> = new StaticArray<i32>(0);
  poolRewriteStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolRewriteCount: StaticArray<i32> = new StaticArray<i32>(0);
  poolApiStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolApiCount: StaticArray<i32> = new StaticArray<i32>(0);
  poolQueueLimit: StaticArray<f32> = new StaticArray<f32>(0);
  poolKvLimit: StaticArray<f32> = new StaticArray<f32>(0);
  /** Objective for the time to the first token: this and, for each 1000 tokens of the prompt, the next column. */
  poolTtftBaseMs: StaticArray<f32> = new StaticArray<f32>(0);
  poolTtftPer1kTokensMs: StaticArray<f32> = new StaticArray<f32>(0);
  /** Objective for the time per output token after the first. */
  poolTpotMs: StaticArray<f32> = new StaticArray<f32>(0);
  /** POOL_PICK_FLAG_* bits */
  poolPickFlags: StaticArray<u32> = new StaticArray<u32>(0);
  poolClassStart: StaticArray<i32> = new StaticArray<i32>(0);
  poolClassCount: StaticArray<i32> = new StaticArray<i32>(0);
  protected poolNameOffset: StaticArray<u32> = new StaticArray<u32>(0);
  protected poolNameLength: StaticArray<u32> = new StaticArray<u32>(0);
  protected poolClassHeaderOffset: StaticArray<u32> = new StaticArray<u32>(0);
  protected poolClassHeaderLength: StaticArray<u32> = new StaticArray<u32>(0);
  protected poolSaturation: StaticArray<f32> = new StaticArray<f32>(0);

  /**
   * Recomputes which measurements count at `nowMs` (the clock of `receivedMs`) and what is cached
   * per pool. A row whose age at sending plus the time since then exceeds its pool's limit, or that
   * was never scraped, loses its load columns. What other Envoys have in flight is as old as the
   * message, and is lost by the same limit: a dead controller's last word must not count for ever.
   */
  age(nowMs: f64): void {
    const sinceMs = max<f64>(0, nowMs - this.receivedMs);
    for (let pool = 0, pools = this.poolCount; pool < pools; pool++) this.agePool(pool, sinceMs);
  }

  private agePool(pool: i32, sinceMs: f64): void {
    const start = unchecked(this.poolEndpointStart[pool]);
    const end = start + unchecked(this.poolEndpointCount[pool]);
    const staleAfterMs = <f64>unchecked(this.poolStaleAfterMs[pool]);
    const queueLimit = unchecked(this.poolQueueLimit[pool]);
    const kvLimit = unchecked(this.poolKvLimit[pool]);
    let measured = 0;
    let suspect = 0;
    let sum: f32 = 0;
    for (let row = start; row < end; row++) {
      let valid = unchecked(this.rowSentValid[row]);
      const ageMs = unchecked(this.rowAgeMs[row]);
      const flags = unchecked(this.rowFlags[row]);
      if (ageMs == AGE_NEVER || flags & ENDPOINT_FLAG_UNMEASURED || <f64>ageMs + sinceMs > staleAfterMs) {
        valid &= ~VALID_LOAD_COLUMNS;
      }
      if (sinceMs > staleAfterMs) valid &= ~VALID_REMOTE;
      unchecked((this.rowValid[row] = valid));
      if (!isPickable(flags)) continue;
      if (valid & (VALID_QUEUED | VALID_KV_USED)) {
        const queue = valid & VALID_QUEUED ? <f32>unchecked(this.rowQueued[row]) / queueLimit : 0;
        const kv = valid & VALID_KV_USED ? unchecked(this.rowKvUsed[row]) / kvLimit : 0;
        sum += max<f32>(queue, kv);
        measured++;
      } else if (!(flags & ENDPOINT_FLAG_UNMEASURED)) {
        sum += 1;
        suspect++;
      }
    }
    unchecked((this.poolSaturation[pool] = measured == 0 ? -1 : sum / <f32>(measured + suspect)));
  }

  /**
   * How full the pool is: mean over its pickable endpoints of max(queued / queue limit, KV use / KV
   * limit); 1 and more is saturated. A stale row counts as 1.0, an endpoint without metrics by
   * configuration not at all; -1 (unknown) when no row is measured, so that a dead controller does
   * not saturate a pool. As of the last `age`.
   */
  saturation(pool: i32): f32 {
    return unchecked(this.poolSaturation[pool]);
  }

  poolNamePtr(pool: i32): usize {
    return this.heap + unchecked(this.poolNameOffset[pool]);
  }

  poolNameBytes(pool: i32): i32 {
    return <i32>unchecked(this.poolNameLength[pool]);
  }

  /** Address of the name of the header whose value names a request's class. */
  classHeaderPtr(pool: i32): usize {
    return this.heap + unchecked(this.poolClassHeaderOffset[pool]);
  }

  /** 0: no header names it. */
  classHeaderBytes(pool: i32): i32 {
    return <i32>unchecked(this.poolClassHeaderLength[pool]);
  }

  protected decodePools(message: usize): void {
    const count = sectionCount(message, SECTION_POOLS);
    const stride = sectionStride(message, SECTION_POOLS);
    const rewrites = hasRewrites(message);
    const picking = hasPicking(message);
    this.growPools(count);
    this.poolCount = count;
    let pool = sectionPtr(message, SECTION_POOLS);
    for (let index = 0; index < count; index++, pool += stride) {
      this.poolNameOffset[index] = u32At(pool + POOL_NAME);
      this.poolNameLength[index] = u32At(pool + POOL_NAME + 4);
      this.poolId[index] = fnv1a64(this.poolNamePtr(index), this.poolNameBytes(index));
      this.poolEndpointStart[index] = i32At(pool + POOL_ENDPOINT_START);
      this.poolEndpointCount[index] = i32At(pool + POOL_ENDPOINT_COUNT);
      this.poolModelStart[index] = i32At(pool + POOL_MODEL_START);
      this.poolModelCount[index] = i32At(pool + POOL_MODEL_COUNT);
      this.poolScorerStart[index] = i32At(pool + POOL_SCORER_START);
      this.poolScorerCount[index] = i32At(pool + POOL_SCORER_COUNT);
      this.poolObjectiveStart[index] = i32At(pool + POOL_OBJECTIVE_START);
      this.poolObjectiveCount[index] = i32At(pool + POOL_OBJECTIVE_COUNT);
      this.poolRewriteStart[index] = rewrites ? i32At(pool + POOL_REWRITE_START) : 0;
      this.poolRewriteCount[index] = rewrites ? i32At(pool + POOL_REWRITE_COUNT) : 0;
      this.poolApiStart[index] = rewrites ? i32At(pool + POOL_API_START) : 0;
      this.poolApiCount[index] = rewrites ? i32At(pool + POOL_API_COUNT) : 0;
      this.poolProfile[index] = u16At(pool + POOL_PROFILE);
      this.poolFailureMode[index] = u8At(pool + POOL_FAILURE_MODE);
      this.poolFlags[index] = u8At(pool + POOL_FLAGS);
      this.poolStaleAfterMs[index] = u32At(pool + POOL_STALE_AFTER_MS);
      this.poolBodyWindow[index] = u32At(pool + POOL_BODY_WINDOW_BYTES);
      this.poolBodyLimit[index] = u32At(pool + POOL_BODY_LIMIT_BYTES);
      this.poolQueueLimit[index] = f32At(pool + POOL_QUEUE_LIMIT);
      this.poolKvLimit[index] = f32At(pool + POOL_KV_LIMIT);
      this.poolTtftBaseMs[index] = picking ? f32At(pool + POOL_TTFT_BASE_MS) : DEFAULT_TTFT_BASE_MS;
      this.poolTtftPer1kTokensMs[index] = picking
        ? f32At(pool + POOL_TTFT_PER_1K_TOKENS_MS)
        : DEFAULT_TTFT_PER_1K_TOKENS_MS;
      this.poolTpotMs[index] = picking ? f32At(pool + POOL_TPOT_MS) : DEFAULT_TPOT_MS;
      this.poolPickFlags[index] = picking ? u32At(pool + POOL_PICK_FLAGS) : 0;
      this.poolClassStart[index] = picking ? i32At(pool + POOL_CLASS_START) : 0;
      this.poolClassCount[index] = picking ? i32At(pool + POOL_CLASS_COUNT) : 0;
      this.poolClassHeaderOffset[index] = picking ? u32At(pool + POOL_CLASS_HEADER) : 0;
      this.poolClassHeaderLength[index] = picking ? u32At(pool + POOL_CLASS_HEADER + 4) : 0;
    }
  }

  private growPools(count: i32): void {
    this.poolId = fresh<u64>(this.poolId, count);
    this.poolNameOffset = fresh<u32>(this.poolNameOffset, count);
    this.poolNameLength = fresh<u32>(this.poolNameLength, count);
    this.poolEndpointStart = fresh<i32>(this.poolEndpointStart, count);
    this.poolEndpointCount = fresh<i32>(this.poolEndpointCount, count);
    this.poolModelStart = fresh<i32>(this.poolModelStart, count);
    this.poolModelCount = fresh<i32>(this.poolModelCount, count);
    this.poolScorerStart = fresh<i32>(this.poolScorerStart, count);
    this.poolScorerCount = fresh<i32>(this.poolScorerCount, count);
    this.poolObjectiveStart = fresh<i32>(this.poolObjectiveStart, count);
    this.poolObjectiveCount = fresh<i32>(this.poolObjectiveCount, count);
    this.poolRewriteStart = fresh<i32>(this.poolRewriteStart, count);
    this.poolRewriteCount = fresh<i32>(this.poolRewriteCount, count);
    this.poolApiStart = fresh<i32>(this.poolApiStart, count);
    this.poolApiCount = fresh<i32>(this.poolApiCount, count);
    this.poolProfile = fresh<u32>(this.poolProfile, count);
    this.poolFailureMode = fresh<u32>(this.poolFailureMode, count);
    this.poolFlags = fresh<u32>(this.poolFlags, count);
    this.poolStaleAfterMs = fresh<u32>(this.poolStaleAfterMs, count);
    this.poolBodyWindow = fresh<u32>(this.poolBodyWindow, count);
    this.poolBodyLimit = fresh<u32>(this.poolBodyLimit, count);
    this.poolQueueLimit = fresh<f32>(this.poolQueueLimit, count);
    this.poolKvLimit = fresh<f32>(this.poolKvLimit, count);
    this.poolTtftBaseMs = fresh<f32>(this.poolTtftBaseMs, count);
    this.poolTtftPer1kTokensMs = fresh<f32>(this.poolTtftPer1kTokensMs, count);
    this.poolTpotMs = fresh<f32>(this.poolTpotMs, count);
    this.poolPickFlags = fresh<u32>(this.poolPickFlags, count);
    this.poolClassStart = fresh<i32>(this.poolClassStart, count);
    this.poolClassCount = fresh<i32>(this.poolClassCount, count);
    this.poolClassHeaderOffset = fresh<u32>(this.poolClassHeaderOffset, count);
    this.poolClassHeaderLength = fresh<u32>(this.poolClassHeaderLength, count);
    this.poolSaturation = fresh<f32>(this.poolSaturation, count);
  }
}
