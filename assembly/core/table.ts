import { ByteBuffer, f32At, i32At, u32At, u64At } from "../wire/bytes";
import {
  ACCEPTED,
  ADAPTER_NAME,
  ADAPTER_RUNNING,
  ADAPTER_STATE,
  EXCHANGE_SECRET,
  HEADER_EPOCH,
  HEADER_SEQUENCE,
  MODEL_FLAGS,
  MODEL_NAME,
  MODEL_PRIORITY,
  OBJECTIVE_NAME,
  OBJECTIVE_PRIORITY,
  SCORER_KIND,
  SCORER_WEIGHT,
  SECTION_ADAPTERS,
  SECTION_EXCHANGE,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_REWRITES,
  SECTION_SCORERS,
  SECTION_STRINGS,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { Apis } from "./apis";
import { fresh } from "./columns";
import { ModelListing } from "./model_listing";
import { nameHash } from "./name_hash";
import { NameIndex } from "./name_index";
import { NameList } from "./name_list";
import { NameMap } from "./name_map";
import { PoolColumns } from "./pool_columns";
import { RequestClasses } from "./request_classes";
import { Rewrites } from "./rewrites";
import { Routes } from "./routes";
import { Sessions } from "./sessions";
import { TableCheck } from "./table_check";

/**
 * The table in use, decoded once per version into flat columns: `pool…` columns by pool index,
 * `row…` columns by endpoint row, and here the names, by which both are found. Strings are addresses
 * into the table's own copy of the message; they hold until the next accepted `decode`.
 */
export class Table extends PoolColumns {
  /** Start of the sender's life in ms since the Unix epoch; 0 before the first table. */
  epoch: u64 = 0;
  sequence: u64 = 0;
  /** With which keys of prompts are made; 0: the table has none. */
  secret: u64 = 0;

  /** What models are rewritten to, what is spoken at a path, and where the model chooses the pool. */
  rewrites: Rewrites = new Rewrites();
  apis: Apis = new Apis();
  routes: Routes = new Routes();
  listing: ModelListing = new ModelListing();
  /** Which requests go to some of a pool's endpoints only, and what names an endpoint to clients. */
  readonly classes: RequestClasses = new RequestClasses();
  readonly sessions: Sessions = new Sessions();

  private models: NameIndex = new NameIndex();
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
  private check: TableCheck = new TableCheck();
  private poolsByName: NameMap = new NameMap();
  private poolsByCluster: NameMap = new NameMap();

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
    const exchange = sectionCount(message, SECTION_EXCHANGE);
    this.secret = exchange > 0 ? u64At(sectionPtr(message, SECTION_EXCHANGE) + EXCHANGE_SECRET) : 0;
    this.receivedMs = receivedMs;
    this.takeFromCheck();
    this.decodePools(message);
    this.decodeEndpoints(message);
    this.decodeModels(message);
    this.decodeObjectives(message);
    this.decodeAdapters(message);
    this.decodeScorers(message);
    this.classes.decode(message, this.heap);
    this.sessions.decode(message, this.heap, this);
    this.rewrites.decode(message, this.heap, this);
    this.apis.decode(message, this.heap, this);
    const routing = this.check.routing;
    routing.routes = this.routes.decode(message, this.heap, routing.routes);
    this.listing.reserve(sectionCount(message, SECTION_MODELS) + sectionCount(message, SECTION_REWRITES));
    this.age(receivedMs);
    return ACCEPTED;
  }

  /** Pool of the Envoy cluster named by `bytes` bytes at `ptr`; -1 if it is not ours. */
  poolOfCluster(ptr: usize, bytes: i32): i32 {
    return this.poolsByCluster.find(this.heap, ptr, <u32>bytes);
  }

  /** Pool named `namespace/name` by `bytes` bytes at `ptr`; -1 if there is none. */
  poolOfName(ptr: usize, bytes: i32): i32 {
    return this.poolsByName.find(this.heap, ptr, <u32>bytes);
  }

  /** Row of the model of this name in the pool's list, for `modelFlags` and `modelPriority`; -1 if it is not there. */
  modelIndex(pool: i32, ptr: usize, bytes: i32): i32 {
    return this.models.findOf(this.heap, pool, ptr, bytes);
  }

  /** Clients may ask the pool for this name: a model of its list, or one that it rewrites by an exact rule. */
  knowsModel(pool: i32, ptr: usize, bytes: i32): bool {
    return this.knowsHashed(pool, nameHash(ptr, bytes), ptr, bytes);
  }

  /** First pool of the route that knows the model (`knowsModel`); -1 if none does. */
  poolForModel(route: i32, ptr: usize, bytes: i32): i32 {
    const hash = nameHash(ptr, bytes);
    for (let place = 0, pools = this.routes.poolsOf(route); place < pools; place++) {
      const pool = this.routes.poolAt(route, place);
      if (this.knowsHashed(pool, hash, ptr, bytes)) return pool;
    }
    return -1;
  }

  /** Address of the name of a row of the models. */
  modelNamePtr(model: i32): usize {
    return this.models.namePtr(this.heap, model);
  }

  modelNameBytes(model: i32): i32 {
    return this.models.nameBytes(model);
  }

  /** `nameHash` of the name. */
  modelHash(model: i32): u64 {
    return this.models.hashOf(model);
  }

  /** Row of the objective of this name in the pool; -1 if there is none. */
  objectiveIndex(pool: i32, ptr: usize, bytes: i32): i32 {
    const start = unchecked(this.poolObjectiveStart[pool]);
    const count = unchecked(this.poolObjectiveCount[pool]);
    return count == 0 ? -1 : this.objectives.find(this.heap, start, count, nameHash(ptr, bytes), ptr, bytes);
  }

  /** Priority of the objective of this name (higher wins, negative may be shed); `missing` if unknown. */
  objectivePriority(pool: i32, ptr: usize, bytes: i32, missing: i32 = 0): i32 {
    const index = this.objectiveIndex(pool, ptr, bytes);
    return index < 0 ? missing : unchecked(this.objectivePriorities[index]);
  }

  /** ADAPTER_RUNNING, ADAPTER_WAITING or 0 for the adapter named at `ptr`; running wins over waiting. */
  adapterState(row: i32, ptr: usize, bytes: i32): u32 {
    return this.adapterStateHashed(row, nameHash(ptr, bytes), ptr, bytes);
  }

  /** `adapterState` for a name whose `nameHash` is at hand: one hash for all rows. */
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

  private knowsHashed(pool: i32, hash: u64, ptr: usize, bytes: i32): bool {
    return (
      this.models.findHashed(this.heap, pool, hash, ptr, bytes) >= 0 ||
      this.rewrites.exactRuleHashed(pool, hash, ptr, bytes) >= 0
    );
  }

  private takeFromCheck(): void {
    const check = this.check;
    const pools = this.poolsByName;
    this.poolsByName = check.pools;
    check.pools = pools;
    const clusters = this.poolsByCluster;
    this.poolsByCluster = check.clusters;
    check.clusters = clusters;
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
    for (let pool = 0; pool < this.poolCount; pool++) {
      this.models.give(this.poolModelStart[pool], this.poolModelCount[pool], pool);
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
