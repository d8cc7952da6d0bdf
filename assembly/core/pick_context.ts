import { VALID_REMOTE } from "../wire/layout";
import { fresh } from "./columns";
import { Flights } from "./flights/flights";
import { Ledger } from "./ledger";
import { Random } from "./random";
import { PickRequest } from "./request";
import { scorerOf } from "./scorers/registry";
import { Table } from "./table";

/**
 * One pick's working set: the candidate rows and a column per thing known of them, by position in
 * `candidates`. Reused from pick to pick; grows with the largest pool and never shrinks.
 */
export class PickContext {
  table: Table;
  ledger: Ledger;
  flights: Flights;
  request: PickRequest;
  random: Random;
  pool: i32 = 0;

  /** Endpoint rows still in the running, `count` of them. */
  candidates: StaticArray<i32> = new StaticArray<i32>(0);
  count: i32 = 0;
  /** Requests in flight to each candidate, over all Envoys. */
  inFlight: StaticArray<u32> = new StaticArray<u32>(0);
  /** Weighted sum so far of each candidate; highest wins. */
  scores: StaticArray<f32> = new StaticArray<f32>(0);
  /** Blocks of the prompt that each candidate is believed to hold; set by `lookUpPrefix`. */
  cachedBlocks: StaticArray<i32> = new StaticArray<i32>(0);
  /** Objectives that the request breaks in expectation where it breaks the fewest; NaN for a profile that does not tell. */
  violations: f64 = f64.NaN;
  /** Chance that the request's first token comes too late, by candidate; only where `violations` is a number. */
  late: StaticArray<f32> = new StaticArray<f32>(0);
  private hasLookedUp: bool = false;
  private term: StaticArray<f32> = new StaticArray<f32>(0);

  constructor(random: Random) {
    this.random = random;
    this.table = new Table();
    const ledger = new Ledger();
    this.ledger = ledger;
    this.flights = new Flights(ledger);
    this.request = new PickRequest();
  }

  /** Starts a pick: every row of the pool is a candidate. Allocates only for a pool larger than any before. */
  begin(table: Table, flights: Flights, pool: i32, request: PickRequest): void {
    this.table = table;
    this.flights = flights;
    this.ledger = flights.ledger;
    this.request = request;
    this.pool = pool;
    const start = unchecked(table.poolEndpointStart[pool]);
    const count = unchecked(table.poolEndpointCount[pool]);
    if (this.candidates.length < count) {
      this.candidates = fresh<i32>(this.candidates, count);
      this.inFlight = fresh<u32>(this.inFlight, count);
      this.scores = fresh<f32>(this.scores, count);
      this.term = fresh<f32>(this.term, count);
      this.late = fresh<f32>(this.late, count);
      this.cachedBlocks = fresh<i32>(this.cachedBlocks, count);
    }
    this.count = count;
    this.hasLookedUp = false;
    this.violations = f64.NaN;
    flights.begin();
    const candidates = this.candidates;
    for (let index = 0; index < count; index++) unchecked((candidates[index] = start + index));
  }

  /** Fills `cachedBlocks` for the candidates left, once a pick; all are 0 where nothing is known of prefixes. */
  lookUpPrefix(): void {
    if (this.hasLookedUp) return;
    this.hasLookedUp = true;
    const table = this.table;
    const flights = this.flights;
    const candidates = this.candidates;
    const cachedBlocks = this.cachedBlocks;
    flights.lookUp(this.request);
    for (let index = 0, count = this.count; index < count; index++) {
      const account = unchecked(table.rowAccount[unchecked(candidates[index])]);
      unchecked((cachedBlocks[index] = flights.cachedBlocks(account)));
    }
  }

  /** Fills `inFlight` for the candidates left: this Envoy's own and merged, plus the other Envoys' if known. */
  countInFlight(): void {
    const table = this.table;
    const ledger = this.ledger;
    const candidates = this.candidates;
    const inFlight = this.inFlight;
    for (let index = 0, count = this.count; index < count; index++) {
      const row = unchecked(candidates[index]);
      const account = unchecked(table.rowAccount[row]);
      const known = (unchecked(table.rowValid[row]) & VALID_REMOTE) != 0;
      let requests: u64 = <u64>ledger.total(account) + <u64>Math.round(ledger.unseenRequests(account, known));
      if (known) requests += unchecked(table.rowRemoteRequests[row]);
      unchecked((inFlight[index] = <u32>min<u64>(requests, u32.MAX_VALUE)));
    }
  }

  /** Sets every candidate's score to 0. */
  clearScores(): void {
    const scores = this.scores;
    for (let index = 0, count = this.count; index < count; index++) unchecked((scores[index] = 0));
  }

  /** Adds `weight` times the scores of a SCORER_* kind; a kind without a scorer here adds nothing. */
  add(kind: u32, weight: f32): void {
    const scorer = scorerOf(kind);
    if (scorer == null) return;
    const term = this.term;
    const scores = this.scores;
    scorer.score(this, term);
    for (let index = 0, count = this.count; index < count; index++) {
      unchecked((scores[index] += weight * unchecked(term[index])));
    }
  }
}
