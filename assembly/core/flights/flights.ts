import { u32At, u64At } from "../../wire/bytes";
import { prefixRecordBytes } from "../../wire/prefix_records";
import { PREFIX_ENDPOINT, PREFIX_KEYS, PREFIX_RECORD_BYTES } from "../../wire/prefixes";
import { grown } from "../columns";
import { Learning } from "../learning/learning";
import { ANSWER, FIRST_TOKEN, OBSERVATION_BYTES, Observation } from "../learning/observation";
import { PoolLearning } from "../learning/pool_learning";
import { BASE, CONTEXT, PROMPT, SEQUENCE } from "../learning/step_model";
import { Ledger } from "../ledger";
import { nameHash } from "../name_hash";
import { PREFIX_BLOCK_BYTES } from "../prefix/block_hasher";
import { PrefixIndex } from "../prefix/prefix_index";
import { PickRequest } from "../request";
import { Table } from "../table";
import { AccountRows } from "./account_rows";
import { CacheRoom } from "./cache_room";
import { EndpointLoads } from "./endpoint_loads";
import { Flight } from "./flight";
import { ForeignLoad } from "./foreign_load";
import { Journal } from "./journal";
import { LONG, SHORT, Tolerances } from "./tolerances";

/** Prompt tokens that an engine computes in one step (vLLM's max_num_batched_tokens by default on an H100). */
export const STEP_TOKENS: f64 = 8192;

/** What a flight can bear is worked out anew when its answer has grown by an eighth, and by so many tokens at least. */
const MIN_NEW_TOKENS: u32 = 4;

/**
 * Requests from pick to end: each moves the ledger, the load of its endpoint, the index of prefixes and what is learned. One a VM.
 * Allocates when more requests are under way than ever before.
 */
export class Flights {
  readonly ledger: Ledger;
  readonly loads: EndpointLoads = new EndpointLoads();
  readonly foreign: ForeignLoad = new ForeignLoad();
  readonly learning: Learning;
  /** What those in flight can bear, by account. */
  readonly tolerances: Tolerances = new Tolerances();
  /** Null: nothing is known of prefixes. */
  index: PrefixIndex | null = null;
  /** Under way. */
  count: i32 = 0;

  private readonly room: CacheRoom = new CacheRoom();
  private readonly rows: AccountRows = new AccountRows();
  private readonly all: Flight[] = [];
  private readonly free: i32[] = [];
  /** By account: the first of its flights; -1: none. */
  private heads: StaticArray<i32> = new StaticArray<i32>(0);
  private readonly journal: Journal = new Journal();
  /** The last time that was told of. */
  private nowMs: f64 = 0;
  private readonly seen: Observation = new Observation();
  private readonly nobody: PoolLearning = new PoolLearning(0);
  /** The index was asked for the request under way. */
  private isLookedUp: bool = false;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    this.learning = new Learning(ledger);
  }

  /** Takes a decoded table over: rows get their accounts, and endpoints that are new or gone theirs. */
  adopt(table: Table): void {
    const ledger = this.ledger;
    table.bind(ledger);
    ledger.release(table);
    this.rows.read(table, this.learning, ledger.accounts, this.nobody);
    let remoteRequests: f64 = 0;
    for (let row = 0, rows = table.endpointCount; row < rows; row++) {
      const account = unchecked(table.rowAccount[row]);
      if (!this.rows.speaks(row, account)) continue;
      this.adoptRow(table, row, account);
      remoteRequests += <f64>unchecked(this.loads.remoteRequests[account]);
    }
    ledger.heardEnvoys(remoteRequests);
    this.learning.adopt(table);
  }

  /** Takes over the row that speaks for the endpoint of an account. */
  private adoptRow(table: Table, row: i32, account: i32): void {
    const learned = this.rows.poolOf(account);
    if (this.loads.adopt(this.ledger, account)) this.beginAccount(account, learned);
    const cacheTokens = <f64>unchecked(table.rowKvBlocks[row]) * <f64>unchecked(table.rowKvBlockTokens[row]);
    this.room.setCapacity(account, cacheTokens / (PREFIX_BLOCK_BYTES * learned.ratios.of(0)), this.index);
    this.loads.readRemote(table, row, account);
    this.foreign.read(table, row, account, this.ledger, unchecked(this.loads.remoteRequests[account]));
  }

  /** The account stands for an endpoint that nothing is known of. */
  private beginAccount(account: i32, learned: PoolLearning): void {
    this.tolerances.reserve(account + 1);
    this.tolerances.clear(account, learned.tpotMs);
    const held = this.heads.length;
    this.heads = grown<i32>(this.heads, account + 1);
    for (let at = held; at < this.heads.length; at++) unchecked((this.heads[at] = -1));
    unchecked((this.heads[account] = -1));
    this.learning.speeds.reset(account);
    this.learning.speeds.put(account, learned.meanLog);
    this.room.reset(account);
    this.foreign.clear(account);
    const index = this.index;
    if (index == null) return;
    index.forget(account);
    index.setCapacity(account, index.capacityBlocks);
  }

  /** From now on prefixes are looked up and noted in `index`, which is empty. */
  useIndex(index: PrefixIndex): void {
    this.index = index;
    this.room.tellAll(index);
  }

  /** A request is about to be picked for: what was asked of the index is of another one. */
  begin(): void {
    this.isLookedUp = false;
  }

  /** Asks the index who holds how much of the request's prompt; once for each request, however often it is called. */
  lookUp(request: PickRequest): void {
    if (this.isLookedUp) return;
    this.isLookedUp = true;
    const index = this.index;
    if (index != null) index.lookUp(request.hashes, request.blocks, request.seed);
  }

  /** Blocks of the prompt looked up last that the endpoint of an account is believed to hold. */
  @inline cachedBlocks(account: i32): i32 {
    const index = this.index;
    return index != null ? index.lengthOf(account) : 0;
  }

  /** Tokens of the request's prompt, estimated by its bytes unless they are known. */
  promptTokens(learned: PoolLearning, request: PickRequest): f64 {
    if (request.promptTokens > 0) return request.promptTokens;
    const model = request.modelBytes > 0 ? nameHash(request.modelPtr, request.modelBytes) : 0;
    return <f64>request.promptBytes * learned.ratios.of(model);
  }

  /** Prompt tokens in a block, of a prompt of so many tokens. */
  static blockTokens(promptTokens: f64, request: PickRequest): f64 {
    return request.promptBytes > 0 ? (promptTokens * PREFIX_BLOCK_BYTES) / <f64>request.promptBytes : 0;
  }

  /** The request goes to the endpoint of a row. */
  open(table: Table, pool: i32, row: i32, request: PickRequest): Flight {
    const flight = this.take();
    const account = unchecked(table.rowAccount[row]);
    const learned = this.learning.poolOf(unchecked(table.poolId[pool]));
    const promptTokens = this.promptTokens(learned, request);
    this.lookUp(request);
    flight.cachedBlocks = this.cachedBlocks(account);
    flight.learned = learned;
    flight.openedMs = request.nowMs;
    flight.firstMs = -1;
    flight.tokens = 0;
    flight.isMoved = false;
    flight.lateChance = request.lateChance;
    flight.ttftObjectiveMs =
      request.ttftObjectiveMs > 0 ? request.ttftObjectiveMs : learned.ttftObjectiveMs(promptTokens);
    flight.promptBytes = request.promptBytes;
    flight.promptTokens = promptTokens;
    const cachedTokens = <f64>flight.cachedBlocks * Flights.blockTokens(promptTokens, request);
    // An engine computes the last token of a prompt even where it holds it.
    flight.uncachedTokens = max<f64>(min<f64>(1, promptTokens), promptTokens - cachedTokens);
    flight.objectiveMs = request.tpotObjectiveMs > 0 ? request.tpotObjectiveMs : learned.tpotMs;
    flight.model = request.modelBytes > 0 ? nameHash(request.modelPtr, request.modelBytes) : 0;
    flight.ledgerResident = <u32>min<f64>(promptTokens, u32.MAX_VALUE);
    flight.ledgerUncached = <u32>min<f64>(flight.uncachedTokens, u32.MAX_VALUE);
    flight.keepHashes(request.hashes, request.blocks, request.seed);
    flight.isNoted = request.notesPrefix;
    this.isLookedUp = false;
    learned.prompts.add(flight.uncachedTokens, request.nowMs);
    learned.sent(promptTokens);
    this.loads.touch(account, this.ledger, request.nowMs);
    this.ledger.open(account, flight.ledgerUncached, flight.ledgerResident);
    this.loads.send(account, flight.model);
    this.arrive(flight, account, request.nowMs);
    return flight;
  }

  /** A retry took the request to the endpoint of another account; false, and nothing moves, where that has none. */
  move(flight: Flight, account: i32, nowMs: f64): bool {
    const from = flight.account;
    if (from < 0 || !this.loads.isAdopted(this.ledger, account)) return false;
    this.loads.touch(from, this.ledger, nowMs);
    if (account == from) return true;
    this.loads.touch(account, this.ledger, nowMs);
    if (!this.ledger.move(from, account, flight.ledgerUncached, flight.ledgerResident)) return false;
    this.unnote(flight);
    this.leave(flight);
    this.arrive(flight, account, nowMs);
    flight.isMoved = true;
    return true;
  }

  /** From now on the endpoint counts as one that holds the prompt, where the request left that open. */
  note(flight: Flight): void {
    flight.isNoted = true;
    const index = this.index;
    if (index == null) return;
    index.record(flight.account, flight.hashes, flight.blocks, flight.seed);
    this.journal.noted(unchecked(this.ledger.id[flight.account]), flight.hashes, flight.blocks, flight.seed);
  }

  /** Noting the prompt would tell something new: the endpoint is not believed to hold all of it, or has not used it lately. */
  isWorthNoting(flight: Flight): bool {
    const index = this.index;
    if (index == null || flight.isNoted) return false;
    return !index.isFresh(flight.account, flight.hashes, flight.blocks, flight.seed);
  }

  /** Its first token came. */
  firstToken(flight: Flight, nowMs: f64): void {
    const account = flight.account;
    if (account < 0 || flight.firstMs >= 0) return;
    const loads = this.loads;
    loads.touch(account, this.ledger, nowMs);
    flight.firstMs = nowMs;
    this.prefilled(flight);
    const seen = this.observation(FIRST_TOKEN, flight);
    const since = flight.sinceOpened;
    const promptTokens = since.prefilled(loads, account);
    const steps = 1 + promptTokens / STEP_TOKENS;
    seen.observedMs = nowMs - flight.openedMs;
    seen.prefilledTokens = flight.uncachedTokens;
    if (since.lengthMs(nowMs) > 0 && !flight.isMoved) {
      unchecked((seen.features[BASE] = steps));
      unchecked((seen.features[CONTEXT] = steps * since.context(loads, account, nowMs)));
      unchecked((seen.features[SEQUENCE] = steps * since.sequences(loads, account, nowMs)));
      unchecked((seen.features[PROMPT] = promptTokens));
      this.tell(seen, nowMs);
    }
    flight.sinceFirst.begin(loads, account, nowMs);
    flight.tokens = 1;
    flight.lateChance = nowMs - flight.openedMs > flight.ttftObjectiveMs ? 1 : 0;
    loads.beginDecoding(account, flight.promptTokens);
    loads.addTokens(account, 1);
    this.weigh(flight, nowMs);
  }

  /** So many tokens of its answer have come in all. */
  progress(flight: Flight, tokens: u32, nowMs: f64): void {
    const account = flight.account;
    if (account < 0 || flight.firstMs < 0 || tokens <= flight.tokens) return;
    this.loads.touch(account, this.ledger, nowMs);
    this.loads.addTokens(account, <f64>(tokens - flight.tokens));
    flight.tokens = tokens;
    if (tokens >= flight.nextTokens) this.weigh(flight, nowMs);
  }

  /** The last bytes of its answer came: how long a client takes to read them before `finish` is none of the endpoint's pace. */
  complete(flight: Flight, nowMs: f64): void {
    const account = flight.account;
    if (account < 0 || flight.firstMs < 0) return;
    this.loads.touch(account, this.ledger, nowMs);
    flight.sinceFirst.end(this.loads, account, nowMs);
  }

  /** It ended as it should, with so many tokens by its server's count; -1: not stated. */
  finish(flight: Flight, nowMs: f64, promptTokens: i64, completionTokens: i64, cachedTokens: i64): void {
    const account = flight.account;
    if (account < 0) return;
    this.loads.touch(account, this.ledger, nowMs);
    const tokens = completionTokens >= 0 ? <f64>completionTokens : <f64>flight.tokens;
    const seen = this.observation(ANSWER, flight);
    seen.outputTokens = tokens;
    if (promptTokens > 0) seen.promptTokens = <f64>promptTokens;
    if (flight.promptBytes > 0) seen.promptBytes = <f64>flight.promptBytes;
    this.describeAnswer(seen, flight, tokens, nowMs);
    if (promptTokens > 0 && cachedTokens >= 0)
      this.correct(flight, <f64>promptTokens, <f64>cachedTokens, nowMs);
    this.tell(seen, nowMs);
    this.close(flight);
  }

  /** It broke off: the error, the reset or the client's leaving teaches nothing. */
  abandon(flight: Flight, nowMs: f64): void {
    if (flight.account < 0) return;
    this.loads.touch(flight.account, this.ledger, nowMs);
    this.unnote(flight);
    this.close(flight);
  }

  /**
   * An endpoint that failed before the first token computed nothing: what it was believed to hold of the prompt before is left, else one that
   * fails fast would keep the prompts that it drew. Where it gave others their first token meanwhile it does not fail, and
   * they may have had the same prompt. Other roots are not told.
   */
  private unnote(flight: Flight): void {
    const index = this.index;
    if (index == null || flight.firstMs >= 0 || !flight.isNoted || flight.isMoved) return;
    if (flight.sinceOpened.prefilled(this.loads, flight.account) > 0) return;
    index.truncate(flight.account, flight.hashes, flight.cachedBlocks, flight.blocks, flight.seed);
  }

  /** Brings every endpoint's sums up to now, since what others have in flight changes between own events. */
  tick(nowMs: f64): void {
    this.nowMs = nowMs;
    for (let account = 0, count = this.loads.count; account < count; account++) {
      this.loads.touch(account, this.ledger, nowMs);
    }
  }

  /** The endpoint of an account lost its cache, and may be another machine. */
  restarted(account: i32): void {
    if (!this.loads.isAdopted(this.ledger, account)) return;
    this.learning.speeds.reset(account);
    this.learning.speeds.put(account, this.rows.poolOf(account).meanLog);
    const index = this.index;
    if (index != null) index.forget(account);
    this.room.restart(account, index);
  }

  /**
   * Moves what this root's requests have shown since the last call to `ptr`, for the other roots; the newest that `capacity` bytes
   * hold. How many bytes.
   */
  takeRows(ptr: usize, capacity: i32): i32 {
    return this.journal.takeRows(ptr, capacity);
  }

  /** Learns from the rows of another root; a row that none would write is passed over. */
  applyRows(ptr: usize, bytes: i32): void {
    const seen = this.seen;
    for (let at = 0; at + OBSERVATION_BYTES <= bytes; at += OBSERVATION_BYTES) {
      if (!seen.read(ptr + <usize>at)) continue;
      const account = this.ledger.find(seen.endpoint);
      if (seen.kind == FIRST_TOKEN && account >= 0 && account < this.loads.count) {
        unchecked((this.loads.prefilledTokens[account] += seen.prefilledTokens));
      }
      this.learning.takeForeign(seen, this.nowMs);
    }
  }

  /** Moves the prompts that this root sent somewhere since the last call to `ptr`, if `capacity` bytes hold them; how many bytes. */
  takePrefixRecords(ptr: usize, capacity: i32): i32 {
    return this.journal.takePrefixes(ptr, capacity);
  }

  /** Others sent prompts to endpoints; up to the first record that is none. */
  applyPrefixRecords(ptr: usize, bytes: i32): void {
    const index = this.index;
    if (index == null) return;
    for (let at = 0; at < bytes;) {
      const record = ptr + <usize>at;
      const length = prefixRecordBytes(record, bytes - at);
      if (length == 0) return;
      const account = this.ledger.find(u64At(record + PREFIX_ENDPOINT));
      index.recordKeys(account, record + PREFIX_RECORD_BYTES, <i32>u32At(record + PREFIX_KEYS));
      at += length;
    }
  }

  /** All that was learned, for a new root: `Learning.writeState`. */
  writeState(ptr: usize, capacity: i32): i32 {
    return this.learning.writeState(ptr, capacity);
  }

  readState(ptr: usize, bytes: i32): bool {
    return this.learning.readState(ptr, bytes);
  }

  /** The flight of a handle. */
  at(handle: i32): Flight {
    return this.all[handle];
  }

  /** Compares what the endpoint was believed to hold of the prompt with what it says that it held. */
  private correct(flight: Flight, promptTokens: f64, cachedTokens: f64, nowMs: f64): void {
    const promptBytes = <f64>flight.promptBytes;
    // Of a prompt with media the bytes say nothing of tokens; after a retry it was another endpoint that was believed in.
    if (flight.isMoved || <f64>flight.cachedBlocks * PREFIX_BLOCK_BYTES > promptBytes) return;
    const held = (cachedTokens * promptBytes) / (promptTokens * PREFIX_BLOCK_BYTES);
    this.room.correct(flight.account, flight.cachedBlocks, held, nowMs, this.index);
  }

  /** Own and other roots learn from a request. */
  private tell(seen: Observation, nowMs: f64): void {
    this.nowMs = nowMs;
    this.learning.take(seen);
    this.journal.observed(seen);
  }

  private describeAnswer(seen: Observation, flight: Flight, tokens: f64, nowMs: f64): void {
    const loads = this.loads;
    const account = flight.account;
    const since = flight.sinceFirst;
    const later = tokens - 1;
    if (flight.firstMs < 0 || later <= 0 || !(since.lengthMs(nowMs) > 0)) return;
    seen.observedMs = since.lengthMs(nowMs) / later;
    unchecked((seen.features[BASE] = 1));
    unchecked((seen.features[CONTEXT] = since.context(loads, account, nowMs)));
    unchecked((seen.features[SEQUENCE] = since.sequences(loads, account, nowMs)));
    unchecked((seen.features[PROMPT] = since.prefilled(loads, account) / later));
  }

  private observation(kind: u32, flight: Flight): Observation {
    const seen = this.seen;
    seen.kind = kind;
    seen.pool = flight.learned.id;
    seen.endpoint = unchecked(this.ledger.id[flight.account]);
    seen.model = flight.model;
    seen.observedMs = 0;
    seen.features.fill(0);
    seen.prefilledTokens = 0;
    seen.outputTokens = -1;
    seen.promptBytes = -1;
    seen.promptTokens = -1;
    return seen;
  }

  private prefilled(flight: Flight): void {
    const account = flight.account;
    this.ledger.prefilled(account, flight.ledgerUncached);
    flight.ledgerUncached = 0;
    unchecked((this.loads.prefilledTokens[account] += flight.uncachedTokens));
  }

  private take(): Flight {
    this.count++;
    if (this.free.length > 0) return this.all[this.free.pop()];
    const flight = new Flight(this.all.length, this.nobody);
    this.all.push(flight);
    return flight;
  }

  /** Counts the flight to the endpoint of an account, which will hold its prompt. */
  private arrive(flight: Flight, account: i32, nowMs: f64): void {
    flight.account = account;
    const head = unchecked(this.heads[account]);
    if (head >= 0) unchecked(this.all[head]).before = flight.handle;
    flight.before = -1;
    flight.after = head;
    unchecked((this.heads[account] = flight.handle));
    this.weigh(flight, nowMs);
    flight.sinceOpened.begin(this.loads, account, nowMs);
    if (flight.isNoted) this.note(flight);
  }

  /** Works out anew what the flight can bear. */
  private weigh(flight: Flight, nowMs: f64): void {
    const learned = flight.learned;
    const account = flight.account;
    this.unweigh(flight);
    // One target an account: flights of two pools in turn would each have it built anew.
    const owner = this.rows.poolOf(account);
    const accountTargetMs = owner.targetMs(owner.tpotMs);
    if (this.tolerances.isOutgrown(account, accountTargetMs)) this.weighAccount(account, accountTargetMs);
    const poolTargetMs = learned.targetMs(learned.tpotMs);
    if (learned.tolerances.isOutgrown(0, poolTargetMs)) this.weighPool(learned, poolTargetMs);
    const isDecoding = flight.firstMs >= 0;
    const tokens = <f64>flight.tokens;
    const elapsedMs = isDecoding ? nowMs - flight.firstMs : 0;
    const left = learned.lengths.remaining(tokens);
    const targetMs = learned.targetMs(flight.objectiveMs);
    const short = flight.short;
    const long = flight.long;
    short.set(isDecoding, false, tokens, elapsedMs, max<f64>(1, SHORT * left), targetMs, flight.objectiveMs);
    long.set(isDecoding, true, tokens, elapsedMs, max<f64>(1, LONG * left), targetMs, flight.objectiveMs);
    short.weight = 1 - flight.lateChance;
    long.weight = 1 - flight.lateChance;
    flight.nextTokens = flight.tokens + max<u32>(MIN_NEW_TOKENS, flight.tokens >> 3);
    this.tolerances.add(account, short);
    this.tolerances.add(account, long);
    learned.tolerances.add(0, short);
    learned.tolerances.add(0, long);
  }

  private unweigh(flight: Flight): void {
    const short = flight.short;
    if (short.kind < 0) return;
    const long = flight.long;
    this.tolerances.remove(flight.account, short);
    this.tolerances.remove(flight.account, long);
    flight.learned.tolerances.remove(0, short);
    flight.learned.tolerances.remove(0, long);
    short.kind = -1;
  }

  /** Builds an account's row anew, of all its flights that are weighed. */
  private weighAccount(account: i32, targetMs: f64): void {
    this.tolerances.clear(account, targetMs);
    for (let handle = unchecked(this.heads[account]); handle >= 0;) {
      const flight = this.all[handle];
      if (flight.short.kind >= 0) {
        this.tolerances.add(account, flight.short);
        this.tolerances.add(account, flight.long);
      }
      handle = flight.after;
    }
  }

  private weighPool(learned: PoolLearning, targetMs: f64): void {
    learned.tolerances.clear(0, targetMs);
    for (let handle = 0; handle < this.all.length; handle++) {
      const flight = this.all[handle];
      if (flight.account < 0 || flight.learned != learned || flight.short.kind < 0) continue;
      learned.tolerances.add(0, flight.short);
      learned.tolerances.add(0, flight.long);
    }
  }

  private leave(flight: Flight): void {
    this.unweigh(flight);
    if (flight.before >= 0) this.all[flight.before].after = flight.after;
    else unchecked((this.heads[flight.account] = flight.after));
    if (flight.after >= 0) this.all[flight.after].before = flight.before;
    if (flight.firstMs >= 0) {
      this.loads.endDecoding(flight.account, flight.promptTokens, <f64>flight.tokens);
      flight.firstMs = -1;
      flight.tokens = 0;
    }
  }

  private close(flight: Flight): void {
    this.ledger.close(flight.account, flight.ledgerUncached, flight.ledgerResident);
    this.leave(flight);
    flight.account = -1;
    this.count--;
    this.free.push(flight.handle);
  }
}
