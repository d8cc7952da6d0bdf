import {
  VALID_KV_BLOCKS,
  VALID_KV_BLOCK_TOKENS,
  VALID_QUEUED,
  VALID_REMOTE,
  VALID_RUNNING,
} from "../../wire/layout";
import { Flights, STEP_TOKENS } from "../flights/flights";
import { PoolLearning } from "../learning/pool_learning";
import { BASE, CONTEXT, PROMPT, SEQUENCE } from "../learning/step_model";
import { PickContext } from "../pick_context";
import { AdapterCosts } from "./adapter_costs";

/** Share of an endpoint's time that prompts may take before what they add to each token is no longer believed. */
const MAX_PROMPT_SHARE: f64 = 0.9;
const SHARE_TO_INFLATION: f64 = 0.85;
/** What a request beyond an endpoint's KV cache costs, in ms for each cache's size: somebody is computed anew. */
const OVERFLOW_MS: f64 = 5000;

/**
 * What is expected of a request at each of its candidates, in ms and tokens, by what was learned of the pool. `begin` once a
 * pick, `read` for each candidate; nothing is missing at any time, since all of it begins with priors.
 */
export class PickCosts {
  learned: PoolLearning;
  /** The prompt and the answer, in tokens. */
  promptTokens: f64 = 0;
  outputTokens: f64 = 0;
  /** Objectives of the request. */
  ttftMs: f64 = 0;
  tpotMs: f64 = 0;
  /** By how much prompts of others slow tokens down, >= 1. */
  inflation: f64 = 1;

  // Of the candidate read last.
  account: i32 = 0;
  /** How much slower than the pool's mean it is. */
  factor: f64 = 1;
  /** ms a prompt token; of a step now; and by how much the request makes each step longer. */
  promptMs: f64 = 0;
  stepMs: f64 = 0;
  addedMs: f64 = 0;
  /** Prompt tokens that it is believed to hold, and of the request those that it does not. */
  cachedTokens: f64 = 0;
  newTokens: f64 = 0;
  /** Prompt tokens sent to it and not yet computed; of all requests in flight there; and how many these are. */
  waitingTokens: f64 = 0;
  residentTokens: f64 = 0;
  requests: f64 = 0;
  ownRequests: f64 = 0;
  /** Time to the request's first token. */
  waitMs: f64 = 0;
  /** Time of each token after it. */
  paceMs: f64 = 0;
  /** Time taken from those already there. */
  harmMs: f64 = 0;
  /** Time until the cache has room: as many answers as caches are asked for beyond the one. 0 where its size is not known. */
  memoryMs: f64 = 0;
  /** What that is reckoned as. */
  overflowMs: f64 = 0;
  /** To load the request's adapter. */
  adapterMs: f64 = 0;

  private blockTokens: f64 = 0;
  private readonly adapters: AdapterCosts = new AdapterCosts();

  constructor() {
    this.learned = new PoolLearning(0);
  }

  begin(context: PickContext): void {
    const flights = context.flights;
    const request = context.request;
    const table = context.table;
    const learned = flights.learning.poolOf(unchecked(table.poolId[context.pool]));
    this.learned = learned;
    context.lookUpPrefix();
    const promptTokens = flights.promptTokens(learned, request);
    this.promptTokens = promptTokens;
    this.blockTokens = Flights.blockTokens(promptTokens, request);
    this.outputTokens =
      request.maxTokens > 0 ? min<f64>(learned.lengths.mean, request.maxTokens) : learned.lengths.mean;
    this.ttftMs =
      request.ttftObjectiveMs > 0 ? request.ttftObjectiveMs : learned.ttftObjectiveMs(promptTokens);
    this.tpotMs = request.tpotObjectiveMs > 0 ? request.tpotObjectiveMs : learned.tpotMs;
    this.adapters.begin(context);
    let speed: f64 = 0;
    for (let index = 0, count = context.count; index < count; index++) {
      const account = unchecked(table.rowAccount[unchecked(context.candidates[index])]);
      speed += 1 / flights.learning.factorOf(learned, account);
    }
    const computing = learned.prompts.perMs(request.nowMs) * unchecked(learned.steps.theta[PROMPT]);
    this.inflation = 1 / (1 - SHARE_TO_INFLATION * min<f64>(MAX_PROMPT_SHARE, computing / speed));
  }

  /** Blocks of the prompt that hold so many of its tokens, at least one; more than any endpoint holds where blocks are not known. */
  blocksOf(tokens: f64): i32 {
    return this.blockTokens > 0
      ? max<i32>(1, <i32>Math.ceil(min<f64>(tokens / this.blockTokens, 1e9)))
      : i32.MAX_VALUE;
  }

  /** Reads the candidate at position `index`. */
  read(context: PickContext, index: i32): void {
    const flights = context.flights;
    const table = context.table;
    const row = unchecked(context.candidates[index]);
    const account = unchecked(table.rowAccount[row]);
    const learned = this.learned;
    const theta = learned.steps.theta;
    const factor = flights.learning.factorOf(learned, account);
    const promptMs = factor * unchecked(theta[PROMPT]);
    const contextMs = factor * unchecked(theta[CONTEXT]);
    const sequenceMs = factor * unchecked(theta[SEQUENCE]);
    const baseMs = factor * unchecked(theta[BASE]);
    const ledger = flights.ledger;
    const valid = unchecked(table.rowValid[row]);
    const known = (valid & VALID_REMOTE) != 0;
    let waiting = <f64>ledger.totalUncached(account) + ledger.unseenUncached(account, known);
    let resident = <f64>ledger.totalResident(account) + ledger.unseenResident(account, known);
    if (known) {
      waiting += <f64>unchecked(table.rowRemoteUncached[row]);
      resident += <f64>unchecked(table.rowRemoteResident[row]);
    }
    let requests = <f64>unchecked(context.inFlight[index]);
    if (valid & (VALID_QUEUED | VALID_RUNNING)) {
      const foreign = flights.foreign.requests(account);
      requests += foreign;
      resident += foreign * learned.promptTokens;
      waiting += flights.foreign.waiting(account) * learned.promptTokens;
    }
    const own = <f64>unchecked(ledger.requests[account]);
    const promptTokens = this.promptTokens;
    const cached = min<f64>(
      max<f64>(0, promptTokens - 1),
      <f64>unchecked(context.cachedBlocks[index]) * this.blockTokens,
    );
    const ahead = waiting + promptTokens - cached;
    let capacity: f64 = 0;
    if ((valid & VALID_KV_BLOCKS) != 0 && (valid & VALID_KV_BLOCK_TOKENS) != 0) {
      capacity = <f64>unchecked(table.rowKvBlocks[row]) * <f64>unchecked(table.rowKvBlockTokens[row]);
    }
    // What finds no room in the cache waits outside, and slows no step.
    const held = capacity > 0 ? min<f64>(resident, capacity) : resident;
    const stepMs = baseMs + contextMs * held + sequenceMs * requests;
    const addedMs = contextMs * promptTokens + sequenceMs;
    this.account = account;
    this.factor = factor;
    this.promptMs = promptMs;
    this.stepMs = stepMs;
    this.addedMs = addedMs;
    this.cachedTokens = cached;
    this.newTokens = promptTokens - cached;
    this.waitingTokens = waiting;
    this.residentTokens = resident;
    this.requests = requests;
    this.ownRequests = own;
    this.waitMs = ahead * promptMs + (1 + ahead / STEP_TOKENS) * stepMs;
    // Answers of others are taken to be as long as our own there.
    let answered = unchecked(flights.loads.answerTokens[account]);
    if (own > 0) answered *= requests / own;
    this.paceMs = this.inflation * (stepMs + contextMs * answered + addedMs);
    // What the request takes from those already there: their time while its prompt is computed, and at each token of its answer.
    this.harmMs = requests * ((promptTokens - cached) * promptMs + this.outputTokens * addedMs);
    this.adapterMs = this.adapters.at(index);
    const over = capacity > 0 ? max<f64>(0, resident + promptTokens + this.outputTokens - capacity) : 0;
    const turns = over > 0 ? over / capacity : 0;
    this.overflowMs = OVERFLOW_MS * turns;
    this.memoryMs = turns * this.outputTokens * this.inflation * stepMs;
  }
}
