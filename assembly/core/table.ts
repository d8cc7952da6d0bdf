import { ByteBuffer, equalBytes, f32At, i32At, u16At, u32At, u64At, u8At } from "../wire/bytes";
import { fnv1a64 } from "../wire/hash";
import {
  ACCEPTED,
  ADAPTER_NAME,
  ADAPTER_RUNNING,
  ADAPTER_STATE,
  AGE_NEVER,
  ENDPOINT_ADAPTER_COUNT,
  ENDPOINT_ADAPTER_START,
  ENDPOINT_ADDRESS,
  ENDPOINT_AGE_MS,
  ENDPOINT_FLAGS,
  ENDPOINT_FLAG_DRAINING,
  ENDPOINT_FLAG_READY,
  ENDPOINT_FLAG_UNMEASURED,
  ENDPOINT_ID,
  ENDPOINT_KV_BLOCKS,
  ENDPOINT_KV_BLOCK_TOKENS,
  ENDPOINT_KV_USED,
  ENDPOINT_MAX_ADAPTERS,
  ENDPOINT_NAME,
  ENDPOINT_QUEUED,
  ENDPOINT_REMOTE_REQUESTS,
  ENDPOINT_REMOTE_RESIDENT_TOKENS,
  ENDPOINT_REMOTE_UNCACHED_TOKENS,
  ENDPOINT_RUNNING,
  ENDPOINT_VALID,
  HEADER_EPOCH,
  HEADER_SEQUENCE,
  MODEL_FLAGS,
  MODEL_NAME,
  MODEL_PRIORITY,
  OBJECTIVE_NAME,
  OBJECTIVE_PRIORITY,
  POOL_BODY_LIMIT_BYTES,
  POOL_BODY_WINDOW_BYTES,
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
  POOL_PROFILE,
  POOL_QUEUE_LIMIT,
  POOL_SCORER_COUNT,
  POOL_SCORER_START,
  POOL_STALE_AFTER_MS,
  SCORER_KIND,
  SCORER_WEIGHT,
  SECTION_ADAPTERS,
  SECTION_ENDPOINTS,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_POOLS,
  SECTION_SCORERS,
  SECTION_STRINGS,
  VALID_KV_USED,
  VALID_LOAD_COLUMNS,
  VALID_QUEUED,
  VALID_REMOTE,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { Ledger } from "./ledger";
import { NameList } from "./name_list";
import { NameMap } from "./name_map";
import { TableCheck } from "./table_check";

/**
 * The table in use, decoded once per version into flat columns: `pool…` columns by pool index,
 * `row…` columns by endpoint row, a pool's rows side by side. Strings are addresses into the table's
 * own copy of the message; they hold until the next accepted `decode`.
 */
export class Table {
  /** Start of the sender's life in ms since the Unix epoch; 0 before the first table. */
  epoch: u64 = 0;
  sequence: u64 = 0;
  /** When the message arrived, on the caller's monotonic clock, in ms. */
  receivedMs: f64 = 0;
  poolCount: i32 = 0;
  endpointCount: i32 = 0;

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
  poolQueueLimit: StaticArray<f32> = new StaticArray<f32>(0);
  poolKvLimit: StaticArray<f32> = new StaticArray<f32>(0);
  /** Endpoints that may be picked. */
  poolReadyCount: StaticArray<i32> = new StaticArray<i32>(0);
  private poolNameOffset: StaticArray<u32> = new StaticArray<u32>(0);
  private poolNameLength: StaticArray<u32> = new StaticArray<u32>(0);
  private poolSaturation: StaticArray<f32> = new StaticArray<f32>(0);

  rowId: StaticArray<u64> = new StaticArray<u64>(0);
  /** ENDPOINT_FLAG_* bits */
  rowFlags: StaticArray<u32> = new StaticArray<u32>(0);
  /** VALID_* bits that count at the time of the last `age`. */
  rowValid: StaticArray<u32> = new StaticArray<u32>(0);
  rowAgeMs: StaticArray<u32> = new StaticArray<u32>(0);
  rowQueued: StaticArray<u32> = new StaticArray<u32>(0);
  rowRunning: StaticArray<u32> = new StaticArray<u32>(0);
  rowKvUsed: StaticArray<f32> = new StaticArray<f32>(0);
  rowKvBlocks: StaticArray<u32> = new StaticArray<u32>(0);
  rowKvBlockTokens: StaticArray<u32> = new StaticArray<u32>(0);
  rowMaxAdapters: StaticArray<u32> = new StaticArray<u32>(0);
  rowAdapterStart: StaticArray<i32> = new StaticArray<i32>(0);
  rowAdapterCount: StaticArray<i32> = new StaticArray<i32>(0);
  rowRemoteRequests: StaticArray<u32> = new StaticArray<u32>(0);
  rowRemoteUncached: StaticArray<u32> = new StaticArray<u32>(0);
  rowRemoteResident: StaticArray<u32> = new StaticArray<u32>(0);
  /** Ledger account of the row; -1 until `bind`. */
  rowAccount: StaticArray<i32> = new StaticArray<i32>(0);
  private rowSentValid: StaticArray<u32> = new StaticArray<u32>(0);
  private rowAddressOffset: StaticArray<u32> = new StaticArray<u32>(0);
  private rowAddressLength: StaticArray<u32> = new StaticArray<u32>(0);
  private rowNameOffset: StaticArray<u32> = new StaticArray<u32>(0);
  private rowNameLength: StaticArray<u32> = new StaticArray<u32>(0);

  models: NameList = new NameList();
  /** MODEL_FLAG_* bits by model row. */
  modelFlags: StaticArray<u32> = new StaticArray<u32>(0);
  modelPriority: StaticArray<i32> = new StaticArray<i32>(0);
  objectives: NameList = new NameList();
  objectivePriorities: StaticArray<i32> = new StaticArray<i32>(0);
  private adapters: NameList = new NameList();
  private adapterStates: StaticArray<u32> = new StaticArray<u32>(0);
  /** SCORER_* kind and weight by scorer row. */
  scorerKind: StaticArray<u32> = new StaticArray<u32>(0);
  scorerWeight: StaticArray<f32> = new StaticArray<f32>(0);

  private message: ByteBuffer = new ByteBuffer();
  private heap: usize = 0;
  private check: TableCheck = new TableCheck();
  private poolsByName: NameMap = new NameMap();
  private poolsByCluster: NameMap = new NameMap();
  private poolOfRows: StaticArray<i32> = new StaticArray<i32>(0);

  /**
   * Replaces the content by the message of `bytes` bytes at `ptr`, which arrived at `receivedMs` of
   * the caller's monotonic clock. Everything is checked first: on a REFUSED_* nothing changed.
   * After ACCEPTED, rows have no account (`bind`) and the age that they had when they arrived.
   */
  decode(ptr: usize, bytes: u32, receivedMs: f64): u32 {
    const refusal = this.check.run(ptr, bytes);
    if (refusal != ACCEPTED) return refusal;
    this.message.assign(ptr, bytes);
    const message = this.message.ptr;
    this.heap = sectionPtr(message, SECTION_STRINGS);
    this.epoch = u64At(message + HEADER_EPOCH);
    this.sequence = u64At(message + HEADER_SEQUENCE);
    this.receivedMs = receivedMs;
    this.takeFromCheck();
    this.decodePools(message);
    this.decodeEndpoints(message);
    this.decodeModels(message);
    this.decodeObjectives(message);
    this.decodeAdapters(message);
    this.decodeScorers(message);
    this.age(receivedMs);
    return ACCEPTED;
  }

  /** Gives every row its account, opening accounts for endpoints that the ledger does not know. */
  bind(ledger: Ledger): void {
    for (let row = 0, rows = this.endpointCount; row < rows; row++) {
      unchecked((this.rowAccount[row] = ledger.accountOf(unchecked(this.rowId[row]))));
    }
  }

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
    let ready = 0;
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
      ready++;
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
    unchecked((this.poolReadyCount[pool] = ready));
    unchecked((this.poolSaturation[pool] = measured == 0 ? -1 : sum / <f32>(measured + suspect)));
  }

  /** True if the row may be picked: ready and not draining. */
  @inline isPickable(row: i32): bool {
    return isPickable(unchecked(this.rowFlags[row]));
  }

  /** Pool of the Envoy cluster named by `bytes` bytes at `ptr`; -1 if it is not ours. */
  poolOfCluster(ptr: usize, bytes: i32): i32 {
    return this.poolsByCluster.find(this.heap, ptr, <u32>bytes);
  }

  /** Pool named `namespace/name` by `bytes` bytes at `ptr`; -1 if there is none. */
  poolOfName(ptr: usize, bytes: i32): i32 {
    return this.poolsByName.find(this.heap, ptr, <u32>bytes);
  }

  /** Pool of an endpoint row; -1 if no pool names it. */
  poolOfRow(row: i32): i32 {
    return unchecked(this.poolOfRows[row]);
  }

  poolNamePtr(pool: i32): usize {
    return this.heap + unchecked(this.poolNameOffset[pool]);
  }

  poolNameBytes(pool: i32): i32 {
    return <i32>unchecked(this.poolNameLength[pool]);
  }

  addressPtr(row: i32): usize {
    return this.heap + unchecked(this.rowAddressOffset[row]);
  }

  addressBytes(row: i32): i32 {
    return <i32>unchecked(this.rowAddressLength[row]);
  }

  endpointNamePtr(row: i32): usize {
    return this.heap + unchecked(this.rowNameOffset[row]);
  }

  endpointNameBytes(row: i32): i32 {
    return <i32>unchecked(this.rowNameLength[row]);
  }

  /** Row of the endpoint with this address in the pool; -1 if there is none. */
  rowOfAddress(pool: i32, ptr: usize, bytes: i32): i32 {
    const start = unchecked(this.poolEndpointStart[pool]);
    const end = start + unchecked(this.poolEndpointCount[pool]);
    for (let row = start; row < end; row++) {
      if (this.addressBytes(row) == bytes && equalBytes(this.addressPtr(row), ptr, bytes)) return row;
    }
    return -1;
  }

  /** Row of the model of this name in the pool's list, for `modelFlags` and `modelPriority`; -1 if it is not there. */
  modelIndex(pool: i32, ptr: usize, bytes: i32): i32 {
    const start = unchecked(this.poolModelStart[pool]);
    const count = unchecked(this.poolModelCount[pool]);
    return count == 0 ? -1 : this.models.find(this.heap, start, count, fnv1a64(ptr, bytes), ptr, bytes);
  }

  /** Row of the objective of this name in the pool; -1 if there is none. */
  objectiveIndex(pool: i32, ptr: usize, bytes: i32): i32 {
    const start = unchecked(this.poolObjectiveStart[pool]);
    const count = unchecked(this.poolObjectiveCount[pool]);
    return count == 0 ? -1 : this.objectives.find(this.heap, start, count, fnv1a64(ptr, bytes), ptr, bytes);
  }

  /** Priority of the objective of this name (higher wins, negative may be shed); `missing` if unknown. */
  objectivePriority(pool: i32, ptr: usize, bytes: i32, missing: i32 = 0): i32 {
    const index = this.objectiveIndex(pool, ptr, bytes);
    return index < 0 ? missing : unchecked(this.objectivePriorities[index]);
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

  /** ADAPTER_RUNNING, ADAPTER_WAITING or 0 for the adapter named at `ptr`; running wins over waiting. */
  adapterState(row: i32, ptr: usize, bytes: i32): u32 {
    return this.adapterStateHashed(row, fnv1a64(ptr, bytes), ptr, bytes);
  }

  /** `adapterState` for a name whose `fnv1a64` is at hand: one hash for all rows. */
  adapterStateHashed(row: i32, hash: u64, ptr: usize, bytes: i32): u32 {
    let at = unchecked(this.rowAdapterStart[row]);
    const end = at + unchecked(this.rowAdapterCount[row]);
    let state: u32 = 0;
    while (at < end) {
      const found = this.adapters.find(this.heap, at, end - at, hash, ptr, bytes);
      if (found < 0) break;
      state = unchecked(this.adapterStates[found]);
      if (state == ADAPTER_RUNNING) break;
      at = found + 1;
    }
    return state;
  }

  private takeFromCheck(): void {
    const check = this.check;
    const pools = this.poolsByName;
    this.poolsByName = check.pools;
    check.pools = pools;
    const clusters = this.poolsByCluster;
    this.poolsByCluster = check.clusters;
    check.clusters = clusters;
    const poolOfRows = this.poolOfRows;
    this.poolOfRows = check.poolOfRow;
    check.poolOfRow = poolOfRows;
  }

  private decodePools(message: usize): void {
    const count = sectionCount(message, SECTION_POOLS);
    const stride = sectionStride(message, SECTION_POOLS);
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
      this.poolProfile[index] = u16At(pool + POOL_PROFILE);
      this.poolFailureMode[index] = u8At(pool + POOL_FAILURE_MODE);
      this.poolFlags[index] = u8At(pool + POOL_FLAGS);
      this.poolStaleAfterMs[index] = u32At(pool + POOL_STALE_AFTER_MS);
      this.poolBodyWindow[index] = u32At(pool + POOL_BODY_WINDOW_BYTES);
      this.poolBodyLimit[index] = u32At(pool + POOL_BODY_LIMIT_BYTES);
      this.poolQueueLimit[index] = f32At(pool + POOL_QUEUE_LIMIT);
      this.poolKvLimit[index] = f32At(pool + POOL_KV_LIMIT);
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
    this.poolProfile = fresh<u32>(this.poolProfile, count);
    this.poolFailureMode = fresh<u32>(this.poolFailureMode, count);
    this.poolFlags = fresh<u32>(this.poolFlags, count);
    this.poolStaleAfterMs = fresh<u32>(this.poolStaleAfterMs, count);
    this.poolBodyWindow = fresh<u32>(this.poolBodyWindow, count);
    this.poolBodyLimit = fresh<u32>(this.poolBodyLimit, count);
    this.poolQueueLimit = fresh<f32>(this.poolQueueLimit, count);
    this.poolKvLimit = fresh<f32>(this.poolKvLimit, count);
    this.poolReadyCount = fresh<i32>(this.poolReadyCount, count);
    this.poolSaturation = fresh<f32>(this.poolSaturation, count);
  }

  private decodeEndpoints(message: usize): void {
    const count = sectionCount(message, SECTION_ENDPOINTS);
    const stride = sectionStride(message, SECTION_ENDPOINTS);
    this.growRows(count);
    this.endpointCount = count;
    let endpoint = sectionPtr(message, SECTION_ENDPOINTS);
    for (let row = 0; row < count; row++, endpoint += stride) {
      this.rowId[row] = u64At(endpoint + ENDPOINT_ID);
      this.rowAddressOffset[row] = u32At(endpoint + ENDPOINT_ADDRESS);
      this.rowAddressLength[row] = u32At(endpoint + ENDPOINT_ADDRESS + 4);
      this.rowNameOffset[row] = u32At(endpoint + ENDPOINT_NAME);
      this.rowNameLength[row] = u32At(endpoint + ENDPOINT_NAME + 4);
      this.rowFlags[row] = u32At(endpoint + ENDPOINT_FLAGS);
      this.rowSentValid[row] = u32At(endpoint + ENDPOINT_VALID);
      this.rowValid[row] = 0;
      this.rowAgeMs[row] = u32At(endpoint + ENDPOINT_AGE_MS);
      this.rowQueued[row] = u32At(endpoint + ENDPOINT_QUEUED);
      this.rowRunning[row] = u32At(endpoint + ENDPOINT_RUNNING);
      this.rowKvUsed[row] = f32At(endpoint + ENDPOINT_KV_USED);
      this.rowKvBlocks[row] = u32At(endpoint + ENDPOINT_KV_BLOCKS);
      this.rowKvBlockTokens[row] = u32At(endpoint + ENDPOINT_KV_BLOCK_TOKENS);
      this.rowMaxAdapters[row] = u32At(endpoint + ENDPOINT_MAX_ADAPTERS);
      this.rowAdapterStart[row] = i32At(endpoint + ENDPOINT_ADAPTER_START);
      this.rowAdapterCount[row] = i32At(endpoint + ENDPOINT_ADAPTER_COUNT);
      this.rowRemoteRequests[row] = u32At(endpoint + ENDPOINT_REMOTE_REQUESTS);
      this.rowRemoteUncached[row] = u32At(endpoint + ENDPOINT_REMOTE_UNCACHED_TOKENS);
      this.rowRemoteResident[row] = u32At(endpoint + ENDPOINT_REMOTE_RESIDENT_TOKENS);
      this.rowAccount[row] = -1;
    }
  }

  private growRows(count: i32): void {
    this.rowId = fresh<u64>(this.rowId, count);
    this.rowAddressOffset = fresh<u32>(this.rowAddressOffset, count);
    this.rowAddressLength = fresh<u32>(this.rowAddressLength, count);
    this.rowNameOffset = fresh<u32>(this.rowNameOffset, count);
    this.rowNameLength = fresh<u32>(this.rowNameLength, count);
    this.rowFlags = fresh<u32>(this.rowFlags, count);
    this.rowSentValid = fresh<u32>(this.rowSentValid, count);
    this.rowValid = fresh<u32>(this.rowValid, count);
    this.rowAgeMs = fresh<u32>(this.rowAgeMs, count);
    this.rowQueued = fresh<u32>(this.rowQueued, count);
    this.rowRunning = fresh<u32>(this.rowRunning, count);
    this.rowKvUsed = fresh<f32>(this.rowKvUsed, count);
    this.rowKvBlocks = fresh<u32>(this.rowKvBlocks, count);
    this.rowKvBlockTokens = fresh<u32>(this.rowKvBlockTokens, count);
    this.rowMaxAdapters = fresh<u32>(this.rowMaxAdapters, count);
    this.rowAdapterStart = fresh<i32>(this.rowAdapterStart, count);
    this.rowAdapterCount = fresh<i32>(this.rowAdapterCount, count);
    this.rowRemoteRequests = fresh<u32>(this.rowRemoteRequests, count);
    this.rowRemoteUncached = fresh<u32>(this.rowRemoteUncached, count);
    this.rowRemoteResident = fresh<u32>(this.rowRemoteResident, count);
    this.rowAccount = fresh<i32>(this.rowAccount, count);
  }

  private decodeModels(message: usize): void {
    const count = sectionCount(message, SECTION_MODELS);
    const stride = sectionStride(message, SECTION_MODELS);
    const rows = sectionPtr(message, SECTION_MODELS);
    this.models.decode(this.heap, rows + MODEL_NAME, count, stride);
    this.modelFlags = fresh<u32>(this.modelFlags, count);
    this.modelPriority = fresh<i32>(this.modelPriority, count);
    for (let index = 0; index < count; index++) {
      this.modelFlags[index] = u32At(rows + index * stride + MODEL_FLAGS);
      this.modelPriority[index] = i32At(rows + index * stride + MODEL_PRIORITY);
    }
  }

  private decodeObjectives(message: usize): void {
    const count = sectionCount(message, SECTION_OBJECTIVES);
    const stride = sectionStride(message, SECTION_OBJECTIVES);
    const rows = sectionPtr(message, SECTION_OBJECTIVES);
    this.objectives.decode(this.heap, rows + OBJECTIVE_NAME, count, stride);
    this.objectivePriorities = fresh<i32>(this.objectivePriorities, count);
    for (let index = 0; index < count; index++) {
      this.objectivePriorities[index] = i32At(rows + index * stride + OBJECTIVE_PRIORITY);
    }
  }

  private decodeAdapters(message: usize): void {
    const count = sectionCount(message, SECTION_ADAPTERS);
    const stride = sectionStride(message, SECTION_ADAPTERS);
    const rows = sectionPtr(message, SECTION_ADAPTERS);
    this.adapters.decode(this.heap, rows + ADAPTER_NAME, count, stride);
    this.adapterStates = fresh<u32>(this.adapterStates, count);
    for (let index = 0; index < count; index++) {
      this.adapterStates[index] = u32At(rows + index * stride + ADAPTER_STATE);
    }
  }

  private decodeScorers(message: usize): void {
    const count = sectionCount(message, SECTION_SCORERS);
    const stride = sectionStride(message, SECTION_SCORERS);
    const rows = sectionPtr(message, SECTION_SCORERS);
    this.scorerKind = fresh<u32>(this.scorerKind, count);
    this.scorerWeight = fresh<f32>(this.scorerWeight, count);
    for (let index = 0; index < count; index++) {
      this.scorerKind[index] = u32At(rows + index * stride + SCORER_KIND);
      this.scorerWeight[index] = f32At(rows + index * stride + SCORER_WEIGHT);
    }
  }
}


@inline function isPickable(flags: u32): bool {
  return (flags & (ENDPOINT_FLAG_READY | ENDPOINT_FLAG_DRAINING)) == ENDPOINT_FLAG_READY;
}
