import { IdMap } from "../id_map";
import { Ledger } from "../ledger";
import { Table } from "../table";
import { EndpointSpeeds, MAX_LOG } from "./endpoint_speeds";
import { ANSWER, FIRST_TOKEN, Observation } from "./observation";
import { MAX_ANSWER_TOKENS } from "./output_lengths";
import { PoolLearning } from "./pool_learning";
import { StateBytes } from "./state_bytes";
import { PROMPT } from "./step_model";

/** Of `writeState`; another number with every change of what is written. */
const STATE_FORMAT: u64 = 0x3230_4e52_4145_4c01;
/** Pools remembered at most; beyond, all start anew: only names that come and go get this far. */
const MAX_POOLS: i32 = 1024;
/** A pool that no table has named for so long is forgotten: routes that are made anew, and controllers that start, take less. */
const KEPT_MS: f64 = 600000;
/** Prompt tokens below which the time to the first token says little of any coefficient. */
const MIN_PROMPT_TOKENS: f64 = 500;
/** Tokens below which an answer's pace says little. */
const MIN_OUTPUT_TOKENS: f64 = 6;
/** Tokens of an answer from which on it has its full weight. */
const FULL_OUTPUT_TOKENS: f64 = 50;
/** Expected error of a row, as a share of what was observed or expected, whichever is more. */
const FIRST_TOKEN_NOISE: f64 = 0.5;
const ANSWER_NOISE: f64 = 0.2;
/** What a first token says of its endpoint's speed, against an answer: the ratio of the noises, squared. */
const FIRST_TOKEN_WEIGHT: f64 = 0.16;

/**
 * What is learned of pools and endpoints, from own requests and from those of other roots alike. By the pool's name and the
 * endpoint's address, so that it survives new tables. Allocates when a pool or an endpoint is met for the first time.
 */
export class Learning {
  readonly speeds: EndpointSpeeds = new EndpointSpeeds();
  private readonly pools: PoolLearning[] = [];
  private readonly poolById: IdMap = new IdMap();
  private priorFactor: f64 = 1;
  private readonly ledger: Ledger;
  /** The one adopted last. */
  private table: Table | null = null;
  private readonly bytes: StateBytes = new StateBytes();

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** What was learned of the pool of this id (`Table.poolId`). */
  poolOf(id: u64): PoolLearning {
    const known = this.poolById.get(id);
    return known >= 0 ? unchecked(this.pools[known]) : this.meet(id);
  }

  /** The prior of every pool that is met from now on, times `factor` > 0: for experiments. */
  setPriors(factor: f64): void {
    this.priorFactor = factor;
    for (let pool = 0; pool < this.pools.length; pool++) this.pools[pool].steps.reset(factor);
  }

  /** A table, bound to the ledger: who belongs to which pool. */
  adopt(table: Table): void {
    this.table = table;
    for (let pool = 0, pools = table.poolCount; pool < pools; pool++) {
      const learned = this.poolOf(unchecked(table.poolId[pool]));
      const start = unchecked(table.poolEndpointStart[pool]);
      const count = unchecked(table.poolEndpointCount[pool]);
      let sum: f64 = 0;
      for (let row = start; row < start + count; row++) {
        sum += unchecked(this.speeds.logs[unchecked(table.rowAccount[row])]);
      }
      learned.namedMs = table.receivedMs;
      learned.endpoints = count;
      learned.ttftBaseMs = unchecked(table.poolTtftBaseMs[pool]);
      learned.ttftPer1kTokensMs = unchecked(table.poolTtftPer1kTokensMs[pool]);
      learned.tpotMs = unchecked(table.poolTpotMs[pool]);
      learned.setMeanLog(count > 0 ? sum / <f64>count : 0);
    }
    this.forgetBefore(table.receivedMs - KEPT_MS);
  }

  /** Forgets pools that a table named last before `namedMs`. */
  private forgetBefore(namedMs: f64): void {
    const pools = this.pools;
    let kept = 0;
    for (let pool = 0; pool < pools.length; pool++) {
      const learned = pools[pool];
      if (learned.namedMs >= namedMs) pools[kept++] = learned;
    }
    if (kept == pools.length) return;
    pools.length = kept;
    this.poolById.clear(kept);
    for (let pool = 0; pool < kept; pool++) this.poolById.put(pools[pool].id, pool);
  }

  /** Learns from what a request showed. */
  take(seen: Observation): void {
    const pool = this.poolOf(seen.pool);
    if (seen.kind == FIRST_TOKEN) this.takeFirstToken(pool, seen);
    else if (seen.kind == ANSWER) this.takeAnswer(pool, seen);
  }

  /** Learns from what a request of another root showed; nothing from one for a pool that no table has named. */
  takeForeign(seen: Observation, nowMs: f64): void {
    const known = this.poolById.get(seen.pool);
    if (known < 0) return;
    if (seen.kind == FIRST_TOKEN) this.pools[known].prompts.add(seen.prefilledTokens, nowMs);
    this.take(seen);
  }

  private takeFirstToken(pool: PoolLearning, seen: Observation): void {
    if (!(seen.observedMs > 0) || unchecked(seen.features[PROMPT]) < MIN_PROMPT_TOKENS) return;
    this.fit(pool, seen, FIRST_TOKEN_NOISE, FIRST_TOKEN_WEIGHT);
  }

  private takeAnswer(pool: PoolLearning, seen: Observation): void {
    const tokens = seen.outputTokens;
    if (tokens > MAX_ANSWER_TOKENS) return;
    if (tokens > 0) pool.lengths.add(tokens);
    if (seen.promptBytes > 0 && seen.promptTokens > 0) {
      pool.ratios.add(seen.model, seen.promptBytes, seen.promptTokens);
    }
    if (!(seen.observedMs > 0) || tokens < MIN_OUTPUT_TOKENS) return;
    // Delivered at once by whatever is between, and no pace of the endpoint's.
    if (seen.observedMs < pool.steps.least(seen.features)) return;
    pool.pace.add(seen.observedMs);
    const weight = min<f64>(1, tokens / FULL_OUTPUT_TOKENS);
    this.fit(pool, seen, ANSWER_NOISE / Math.sqrt(weight), weight);
  }

  /**
   * Writes the whole state at `ptr`, as much of it as `capacity` bytes hold, pools before endpoints, of which there may be thousands and which
   * are learned soon; how many bytes it took.
   *   | format u64 | pools: id u64, PoolLearning …, 0 u64 | endpoints: id u64, log f64, weight f64 …, 0 u64 |
   */
  writeState(ptr: usize, capacity: i32): i32 {
    const bytes = this.bytes;
    // Both ends always have room.
    bytes.open(ptr, capacity - 16);
    bytes.putId(STATE_FORMAT);
    if (bytes.failed) return 0;
    let end = bytes.used;
    for (let pool = 0; pool < this.pools.length && !bytes.failed; pool++) {
      bytes.putId(this.pools[pool].id);
      this.pools[pool].write(bytes);
      if (!bytes.failed) end = bytes.used;
    }
    bytes.open(ptr, capacity - 8);
    bytes.seek(end);
    bytes.putId(0);
    end = this.writeEndpoints(bytes);
    bytes.open(ptr, capacity);
    bytes.seek(end);
    bytes.putId(0);
    return bytes.used;
  }

  /** How many bytes are used after the last endpoint that there was room for. */
  private writeEndpoints(bytes: StateBytes): i32 {
    const ledger = this.ledger;
    let end = bytes.used;
    for (let account = 0; account < this.speeds.count && !bytes.failed; account++) {
      if (!ledger.isLive(account) || unchecked(this.speeds.weights[account]) == 0) continue;
      bytes.putId(unchecked(ledger.id[account]));
      bytes.putNumber(unchecked(this.speeds.logs[account]));
      bytes.putNumber(unchecked(this.speeds.weights[account]));
      if (!bytes.failed) end = bytes.used;
    }
    return end;
  }

  /** Takes over what another root has written, where it knows more; false where that is broken or of another format. */
  readState(ptr: usize, length: i32): bool {
    const bytes = this.bytes;
    bytes.open(ptr, length);
    if (bytes.id() != STATE_FORMAT) return false;
    let id = bytes.id();
    for (; id != 0 && !bytes.failed; id = bytes.id()) {
      const known = this.poolById.get(id);
      // A pool that no table has named is read past.
      (known >= 0 ? this.pools[known] : new PoolLearning(id)).read(bytes);
    }
    for (id = bytes.id(); id != 0 && !bytes.failed; id = bytes.id()) {
      const account = this.ledger.find(id);
      const log = bytes.number(-MAX_LOG, MAX_LOG);
      const weight = bytes.number(0, f64.MAX_VALUE);
      if (account >= 0 && !bytes.failed) this.speeds.take(account, log, weight);
    }
    // The endpoints' means have moved.
    const table = this.table;
    if (table != null) this.adopt(table);
    return !bytes.failed;
  }

  /**
   * `noise` as a share of what was observed, or of what was expected where that is more: as a share of the observed alone, an
   * answer that came in a few bursts would be the surest of all.
   */
  private fit(pool: PoolLearning, seen: Observation, noise: f64, weight: f64): void {
    const expectedMs = pool.steps.expected(seen.features);
    const account = this.ledger.find(seen.endpoint);
    const factor = account >= 0 ? this.factorOf(pool, account) : 1;
    const observedMs = seen.observedMs / factor;
    pool.steps.learn(seen.features, observedMs, noise * max<f64>(observedMs, expectedMs));
    if (account >= 0) pool.moveLog(this.speeds.learn(account, Math.log(observedMs / expectedMs), weight));
  }

  /** How much slower than the pool's mean the endpoint of an account is. */
  @inline factorOf(pool: PoolLearning, account: i32): f64 {
    return unchecked(this.speeds.factors[account]) * pool.scale;
  }

  private meet(id: u64): PoolLearning {
    if (this.pools.length == MAX_POOLS) {
      this.pools.length = 0;
      this.poolById.clear(0);
    }
    const pool = new PoolLearning(id);
    pool.steps.reset(this.priorFactor);
    this.poolById.put(id, this.pools.length);
    this.pools.push(pool);
    return pool;
  }
}
