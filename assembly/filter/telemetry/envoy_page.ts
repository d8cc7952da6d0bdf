import { ERROR_CODES } from "../../wire/accounts";
import { COUNTER_PICKED, COUNTER_REQUESTS, COUNTER_UNPICKED, ERRORS } from "../../wire/layout";
import { METRIC_COUNTER, METRIC_HISTOGRAM, defineMetric, incrementMetric } from "../../abi/metrics";
import { grown } from "../../core/columns";
import { Accounts } from "../../core/accounts/accounts";
import { FIRST_ERROR } from "../../core/accounts/cells";
import { Figures } from "../../core/accounts/figures";
import { HistogramQueue } from "./histogram_queue";
import { rowStat, tag } from "./stat_name";
import {
  COMMON_PLACES,
  PAGE_DIVISORS,
  PAGE_FIGURES,
  PAGE_HISTOGRAMS,
  STAT_ATTEMPTS,
  STAT_ERRORS,
  STAT_REQUESTS,
  STAT_REWRITES,
  STREAM_PLACES,
  TAG_ERROR,
  TAG_STATUS,
} from "./stat_names";

const HISTOGRAMS: i32 = PAGE_HISTOGRAMS.length;
/** Ids of a row: histograms, then requests, rewrites and the errors. */
const REQUESTS: i32 = HISTOGRAMS;
const REWRITES: i32 = REQUESTS + 1;
const FIRST_FAILURE: i32 = REWRITES + 1;
const IDS: i32 = FIRST_FAILURE + <i32>ERRORS;
/** Counters of a row that are flushed: requests, picked, unpicked, then the errors. */
const FLUSHED: i32 = FIRST_ERROR + <i32>ERRORS;
/** Rows whose histograms are asked for in one tick: 0.1 ms each where no VM has asked before. */
const PREPARED_A_TICK: i32 = 4;
/** The first places: duration, size and tokens. */
const PREPARED_PLACES: i32 = 4;
/** An id that was not asked for yet; the host's own are never as high. */
const UNDEFINED: u32 = u32.MAX_VALUE - 1;

/**
 * The accounts on Envoy's own page, handed over in ticks: counters as sums, histograms a value a call. Ids are asked for in ticks, or where they are needed before: what counts nothing shows nowhere.
 */
export class EnvoyPage {
  private ids: StaticArray<u32> = new StaticArray<u32>(0);
  /** What the host has been told of each counter. */
  private flushed: StaticArray<u64> = new StaticArray<u64>(0);
  private rows: i32 = 0;
  /** Rows whose first histograms have been asked for; the first row, for what has none of its own, hardly ever counts. */
  private prepared: i32 = 1;
  private readonly queue: HistogramQueue = new HistogramQueue();
  private picked: u32 = UNDEFINED;
  private unpicked: u32 = UNDEFINED;

  /** Records what `accounts.finished` has just counted for `row`. */
  finished(accounts: Accounts, row: i32, isEventStream: bool): void {
    this.growTo(accounts.rows);
    const figures = accounts.figures;
    for (let place = 0; place < COMMON_PLACES; place++) this.record(accounts, row, place, figures);
    const streams = COMMON_PLACES + STREAM_PLACES;
    const from = isEventStream ? COMMON_PLACES : streams;
    const to = isEventStream ? streams : HISTOGRAMS;
    for (let place = from; place < to; place++) this.record(accounts, row, place, figures);
  }

  /** Hands over what the counters gained; with `shows` false it only takes note, so that it never shows. */
  flush(accounts: Accounts, shows: bool): void {
    this.growTo(accounts.rows);
    this.queue.flush();
    let picked: u64 = 0;
    let unpicked: u64 = 0;
    for (let row = 0; row < accounts.rows; row++) {
      for (let cell = 0; cell < FLUSHED; cell++) {
        const total = accounts.cell(row, cell);
        const at = row * FLUSHED + cell;
        const gained = total - unchecked(this.flushed[at]);
        if (gained == 0) continue;
        unchecked((this.flushed[at] = total));
        if (cell == <i32>COUNTER_PICKED) picked += gained;
        else if (cell == <i32>COUNTER_UNPICKED) unpicked += gained;
        else if (shows) this.add(accounts, row, cell, gained);
      }
    }
    if (!shows) return;
    this.prepare(accounts);
    if (picked > 0) incrementMetric(this.pickedId(), picked);
    if (unpicked > 0) incrementMetric(this.unpickedId(), unpicked);
  }

  /** New rows' histograms, before their first request ends. */
  private prepare(accounts: Accounts): void {
    const end = min(this.prepared + PREPARED_A_TICK, accounts.rows);
    for (; this.prepared < end; this.prepared++) {
      for (let place = 0; place < PREPARED_PLACES; place++) this.histogramId(accounts, this.prepared, place);
    }
  }

  private add(accounts: Accounts, row: i32, cell: i32, gained: u64): void {
    if (cell != <i32>COUNTER_REQUESTS) {
      const error = cell - FIRST_ERROR;
      incrementMetric(this.errorId(accounts, row, error), gained);
      return;
    }
    incrementMetric(this.counterId(accounts, row, REQUESTS, STAT_REQUESTS), gained);
    if (accounts.isRewritten(row))
      incrementMetric(this.counterId(accounts, row, REWRITES, STAT_REWRITES), gained);
  }

  private record(accounts: Accounts, row: i32, place: i32, figures: Figures): void {
    const value = unchecked(figures.values[PAGE_FIGURES[place]]);
    if (value < 0) return;
    const id = this.histogramId(accounts, row, place);
    this.queue.add(id, <u64>value / unchecked(PAGE_DIVISORS[place]));
  }

  private histogramId(accounts: Accounts, row: i32, place: i32): u32 {
    const at = row * IDS + place;
    const known = unchecked(this.ids[at]);
    if (known != UNDEFINED) return known;
    const id = defineMetric(METRIC_HISTOGRAM, statOf(accounts, row, PAGE_HISTOGRAMS[place]));
    this.ids[at] = id;
    return id;
  }

  private counterId(accounts: Accounts, row: i32, index: i32, family: string): u32 {
    const at = row * IDS + index;
    const known = unchecked(this.ids[at]);
    if (known != UNDEFINED) return known;
    const id = defineMetric(METRIC_COUNTER, statOf(accounts, row, family));
    this.ids[at] = id;
    return id;
  }

  private errorId(accounts: Accounts, row: i32, error: i32): u32 {
    const at = row * IDS + FIRST_FAILURE + error;
    const known = unchecked(this.ids[at]);
    if (known != UNDEFINED) return known;
    const name = statOf(accounts, row, STAT_ERRORS) + tag(TAG_ERROR, ERROR_CODES[error]);
    const id = defineMetric(METRIC_COUNTER, name);
    this.ids[at] = id;
    return id;
  }

  private pickedId(): u32 {
    if (this.picked == UNDEFINED) this.picked = attempts("success");
    return this.picked;
  }

  private unpickedId(): u32 {
    if (this.unpicked == UNDEFINED) this.unpicked = attempts("failure");
    return this.unpicked;
  }

  private growTo(rows: i32): void {
    if (rows <= this.rows) return;
    this.ids = grown<u32>(this.ids, rows * IDS);
    this.flushed = grown<u64>(this.flushed, rows * FLUSHED);
    for (let at = this.rows * IDS; at < rows * IDS; at++) this.ids[at] = UNDEFINED;
    this.rows = rows;
  }
}

function statOf(accounts: Accounts, row: i32, family: string): string {
  return rowStat(
    family,
    accounts.namesPtr(row),
    accounts.poolBytes(row),
    accounts.modelBytes(row),
    accounts.targetBytes(row),
  );
}

function attempts(status: string): u32 {
  return defineMetric(METRIC_COUNTER, STAT_ATTEMPTS + ";" + tag(TAG_STATUS, status));
}
