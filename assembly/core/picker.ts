import { PROFILE_EPP } from "../wire/layout";
import { Explanation } from "./costs/explanation";
import { ByClass, ByLength } from "./filters/by_class";
import { Filter } from "./filters/filter";
import { Ready } from "./filters/ready";
import { Subset } from "./filters/subset";
import { Flights } from "./flights/flights";
import { PickContext } from "./pick_context";
import { Profile } from "./profiles/profile";
import { allProfiles } from "./profiles/registry";
import { Random, shuffled } from "./random";
import { PickRequest } from "./request";
import { LAST_SCORER_KIND, scorerOf } from "./scorers/registry";
import { Table } from "./table";

/** Endpoints in a pick list: the best, and what a retry walks. */
export const PICKS_MAX: i32 = 3;

/** Filters, then a profile's scores, then the best three. All chance comes from the seed. */
export class Picker {
  /** Rows picked, best first; as many as `pick` returned. */
  picked: StaticArray<i32> = new StaticArray<i32>(PICKS_MAX);

  /** Endpoints that the last pick had to choose from. */
  candidates: i32 = 0;
  /** Its second best scored the same as its best. */
  tied: bool = false;
  /** Endpoints were ready, and none that the last request may go to. */
  excluded: bool = false;

  private context: PickContext;
  private ready: Filter = new Ready();
  private subset: Filter = new Subset();
  private byClass: Filter = new ByClass();
  private byLength: Filter = new ByLength();
  private profiles: StaticArray<Profile> = allProfiles();

  constructor(seed: u64) {
    this.context = new PickContext(new Random(seed));
  }

  /**
   * Picks up to three distinct endpoints of `pool` for `request` into `picked`. Equal scores: fewer
   * requests in flight first (where the profile says so), then chance, so that no endpoint is pinned
   * by its place in the table. Where no load is known all scores are equal, and what is in flight
   * decides. Returns how many were picked; 0 if no endpoint is ready, or the pool is not in the table.
   */
  pick(table: Table, flights: Flights, pool: i32, request: PickRequest): i32 {
    if (pool < 0 || pool >= table.poolCount) return 0;
    const context = this.context;
    context.begin(table, flights, pool, request);
    this.ready.apply(context);
    const ready = context.count;
    this.subset.apply(context);
    this.byClass.apply(context);
    this.byLength.apply(context);
    this.candidates = context.count;
    this.excluded = ready > 0 && context.count == 0;
    if (context.count == 0) return 0;
    context.countInFlight();
    const profile = this.profileOf(table, pool);
    profile.rank(context);
    if (request.session != 0) this.prefer(context, request.session);
    return this.takeBest(context, profile.prefersFewerInFlight);
  }

  /** Puts the endpoint of the session's token before all others, if it is a candidate. */
  private prefer(context: PickContext, session: u64): void {
    const sessions = context.table.sessions;
    for (let index = 0, count = context.count; index < count; index++) {
      if (sessions.of(unchecked(context.candidates[index])) != session) continue;
      unchecked((context.scores[index] = f32.MAX_VALUE));
      return;
    }
  }

  /**
   * The SCORER_* kinds that the pool's profile names and that nothing here computes, as bits
   * `1 << kind`; 0 if the profile is whole.
   */
  missingTerms(table: Table, pool: i32): u32 {
    const terms = this.profileOf(table, pool).terms(table, pool);
    let missing: u32 = 0;
    for (let kind: u32 = 1; kind <= LAST_SCORER_KIND; kind++) {
      if (terms & (1 << kind) && scorerOf(kind) == null) missing |= 1 << kind;
    }
    return missing;
  }

  /** Whether the pool's profile asks who holds how much of a prompt. */
  usesPrefix(table: Table, pool: i32): bool {
    return this.profileOf(table, pool).usesPrefix(table, pool);
  }

  /**
   * Objectives that the request of the last pick breaks in expectation, its own and others', wherever it goes: above 1, serving it
   * breaks more than it keeps. NaN where the profile does not tell.
   */
  get violations(): f64 {
    return this.context.violations;
  }

  /** The terms of the row's score in the last pick; to be asked before anything changes. False where it was no candidate. */
  explain(table: Table, row: i32, terms: Explanation): bool {
    terms.clear();
    const context = this.context;
    for (let index = 0; index < context.count; index++) {
      if (unchecked(context.candidates[index]) != row) continue;
      this.profileOf(table, context.pool).explain(context, index, terms);
      return true;
    }
    return false;
  }

  /** Score of the row in the last pick: the higher, the better; NaN where it was no candidate. */
  scoreOf(row: i32): f32 {
    const context = this.context;
    for (let index = 0; index < context.count; index++) {
      if (unchecked(context.candidates[index]) == row) return unchecked(context.scores[index]);
    }
    return f32.NaN;
  }


  @inline private profileOf(table: Table, pool: i32): Profile {
    return unchecked(this.profiles[unchecked(table.poolProfile[pool]) - PROFILE_EPP]);
  }

  /** One pass over the candidates keeping the best three in order; most fail the first comparison. */
  private takeBest(context: PickContext, fewerInFlight: bool): i32 {
    const salt = context.random.next32();
    const count = context.count;
    const scores = context.scores;
    const inFlight = context.inFlight;
    const candidates = context.candidates;
    let first = -1;
    let second = -1;
    let third = -1;
    for (let index = 0; index < count; index++) {
      if (third >= 0) {
        if (unchecked(scores[index]) < unchecked(scores[third])) continue;
        if (!isAhead(scores, inFlight, fewerInFlight, salt, index, third)) continue;
      }
      if (second < 0 || isAhead(scores, inFlight, fewerInFlight, salt, index, second)) {
        third = second;
        if (first < 0 || isAhead(scores, inFlight, fewerInFlight, salt, index, first)) {
          second = first;
          first = index;
        } else {
          second = index;
        }
      } else {
        third = index;
      }
    }
    const picked = this.picked;
    unchecked((picked[0] = unchecked(candidates[first])));
    context.request.lateChance = isNaN(context.violations) ? 0 : <f64>unchecked(context.late[first]);
    this.tied = second >= 0 && unchecked(scores[first]) == unchecked(scores[second]);
    if (second < 0) return 1;
    unchecked((picked[1] = unchecked(candidates[second])));
    if (third < 0) return 2;
    unchecked((picked[2] = unchecked(candidates[third])));
    return 3;
  }
}

/** Whether candidate `left` comes before `right`: score, then requests in flight, then the salt's order. */
function isAhead(
  scores: StaticArray<f32>,
  inFlight: StaticArray<u32>,
  fewerInFlight: bool,
  salt: u32,
  left: i32,
  right: i32,
): bool {
  const leftScore = unchecked(scores[left]);
  const rightScore = unchecked(scores[right]);
  if (leftScore != rightScore) return leftScore > rightScore;
  if (fewerInFlight) {
    const leftRequests = unchecked(inFlight[left]);
    const rightRequests = unchecked(inFlight[right]);
    if (leftRequests != rightRequests) return leftRequests < rightRequests;
  }
  return shuffled(left, salt) < shuffled(right, salt);
}
