import { IdMap } from "../id_map";
import { Ledger } from "../ledger";
import { Table } from "../table";
import { EndpointSpeeds } from "./endpoint_speeds";
import { ANSWER, FIRST_TOKEN, Observation } from "./observation";
import { PoolLearning } from "./pool_learning";
import { PROMPT } from "./step_model";

/** Pools remembered at most; beyond, all start anew: only names that come and go get this far. */
const MAX_POOLS: i32 = 1024;
/** Prompt tokens below which the time to the first token says little of any coefficient. */
const MIN_PROMPT_TOKENS: f64 = 500;
/** Tokens below which an answer's pace says little. */
const MIN_OUTPUT_TOKENS: f64 = 6;
/** Tokens of an answer from which on it has its full weight. */
const FULL_OUTPUT_TOKENS: f64 = 50;
/** Expected error of a row, as a share of what was observed. */
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
    for (let pool = 0, pools = table.poolCount; pool < pools; pool++) {
      const learned = this.poolOf(unchecked(table.poolId[pool]));
      const start = unchecked(table.poolEndpointStart[pool]);
      const count = unchecked(table.poolEndpointCount[pool]);
      let sum: f64 = 0;
      for (let row = start; row < start + count; row++) {
        sum += unchecked(this.speeds.logs[unchecked(table.rowAccount[row])]);
      }
      learned.endpoints = count;
      learned.ttftBaseMs = unchecked(table.poolTtftBaseMs[pool]);
      learned.ttftPer1kTokensMs = unchecked(table.poolTtftPer1kTokensMs[pool]);
      learned.tpotMs = unchecked(table.poolTpotMs[pool]);
      learned.setMeanLog(count > 0 ? sum / <f64>count : 0);
    }
  }

  /** Learns from what a request showed at `nowMs`. */
  take(seen: Observation, nowMs: f64): void {
    const pool = this.poolOf(seen.pool);
    if (seen.kind == FIRST_TOKEN) this.takeFirstToken(pool, seen);
    else if (seen.kind == ANSWER) this.takeAnswer(pool, seen);
  }

  private takeFirstToken(pool: PoolLearning, seen: Observation): void {
    if (!(seen.observedMs > 0) || unchecked(seen.features[PROMPT]) < MIN_PROMPT_TOKENS) return;
    this.fit(pool, seen, FIRST_TOKEN_NOISE, FIRST_TOKEN_WEIGHT);
  }

  private takeAnswer(pool: PoolLearning, seen: Observation): void {
    const tokens = seen.outputTokens;
    if (tokens > 0) pool.lengths.add(tokens);
    if (seen.promptBytes > 0 && seen.promptTokens > 0) {
      pool.ratios.add(seen.model, seen.promptBytes, seen.promptTokens);
    }
    if (!(seen.observedMs > 0) || tokens < MIN_OUTPUT_TOKENS) return;
    pool.pace.add(seen.observedMs);
    const weight = min<f64>(1, tokens / FULL_OUTPUT_TOKENS);
    this.fit(pool, seen, ANSWER_NOISE / Math.sqrt(weight), weight);
  }

  /** `noise` as a share of what was observed. */
  private fit(pool: PoolLearning, seen: Observation, noise: f64, weight: f64): void {
    const expectedMs = pool.steps.expected(seen.features);
    const account = this.ledger.find(seen.endpoint);
    const factor = account >= 0 ? this.factorOf(pool, account) : 1;
    const observedMs = seen.observedMs / factor;
    pool.steps.learn(seen.features, observedMs, noise * observedMs);
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
