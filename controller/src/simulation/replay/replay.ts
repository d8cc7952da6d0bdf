/**
 * Replays a trace against simulated servers in virtual time, picked by the core: a table from a scrape at
 * every interval, a ledger that opens a request when it is picked, hears of its first token and closes it
 * at its end, as the filter has it. A pick, the network and the scrape itself take no time.
 *
 * At equal times steps end first, then servers are scraped, then requests arrive. The same requests, seed
 * and options give the same outcome.
 */
import type { PickingCore } from "../../core/picking-core.ts";
import type { Hardware } from "../hardware.ts";
import { chainHash } from "../hash.ts";
import type { ModelRequest } from "../model-request.ts";
import { ServerModel } from "../server-model.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "../traces/trace-request.ts";
import { type Explanation, explain } from "./explanation.ts";
import type { Objectives } from "./objectives.ts";
import { Outcomes } from "./outcomes.ts";
import { type PoolProfile, ScrapedTable } from "./scraped-table.ts";
import { StepQueue } from "./step-queue.ts";

/** As the filter estimates a prompt's tokens by its bytes. */
const BYTES_PER_TOKEN = 4;

export interface ReplayOptions {
  /** A fresh one: its table and ledger belong to the replay. */
  readonly core: PickingCore;
  readonly profile: PoolProfile;
  readonly hardware: Hardware;
  /** Servers, ≥ 1. */
  readonly endpoints: number;
  /** > 0 */
  readonly scrapeIntervalMs: number;
  /** Arrival times are divided by this, > 0. */
  readonly speed: number;
  readonly objectives: Objectives;
  /** Number of the request to explain; the first is 1. Absent: none. */
  readonly explain?: number | undefined;
  /** Told of requests that have arrived, now and then. */
  readonly onProgress?: ((arrived: number) => void) | undefined;
}

export interface ReplayResult {
  readonly outcomes: Outcomes;
  /** Absent: none was asked for, or the trace ended before it. */
  readonly explanation?: Explanation | undefined;
}

/** Arrivals between two words of progress. */
const PROGRESS_EVERY = 64;

export async function replay(
  requests: Iterable<TraceRequest> | AsyncIterable<TraceRequest>,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const run = new Run(options);
  for await (const request of requests) run.arrive(request);
  run.drain();
  return { outcomes: run.outcomes, explanation: run.explanation };
}

class Run {
  readonly outcomes: Outcomes;
  explanation: Explanation | undefined;
  readonly #options: ReplayOptions;
  readonly #core: PickingCore;
  readonly #servers: readonly ServerModel[];
  readonly #accounts: Int32Array;
  readonly #table: ScrapedTable;
  readonly #steps: StepQueue;
  #scrapes = 0;

  constructor(options: ReplayOptions) {
    const { core, endpoints, profile, scrapeIntervalMs } = options;
    this.#options = options;
    this.#core = core;
    this.outcomes = new Outcomes(options.objectives);
    // No request of a trace names an adapter, and servers without any keep no account of them.
    const hardware = { ...options.hardware, maxAdapters: 0 };
    this.#servers = Array.from({ length: endpoints }, (_, index) => this.#server(hardware, index));
    this.#table = new ScrapedTable(core, this.#servers, profile, scrapeIntervalMs);
    const { firstRow } = this.#table;
    // An endpoint keeps its account as long as the table names it.
    this.#accounts = Int32Array.from(this.#servers, (_, index) => core.exports.rowAccount(firstRow + index));
    this.#steps = new StepQueue(endpoints);
  }

  /** Times of arrival must not go back. */
  arrive(asked: TraceRequest): void {
    const { speed, explain: explained, onProgress } = this.#options;
    const nowMs = asked.arrivalMs / speed;
    this.#runUntil(nowMs);
    this.outcomes.arrive(nowMs);
    this.#table.feed();
    const { exports } = this.#core;
    exports.setRequest(0, 0, asked.promptTokens * BYTES_PER_TOKEN, 0);
    const count = exports.pick(this.#table.pool);
    if (count === 0) throw new Error("the core picked none of endpoints that are all ready");
    const index = this.#core.pickedRows(count)[0]! - this.#table.firstRow;
    const server = this.#servers[index]!;
    const isServed = asked.promptTokens + asked.outputTokens <= server.maxRequestTokens;
    const isExplained = this.outcomes.arrived === explained;
    if (isExplained) {
      this.explanation = explain(this.#core, this.#table, this.#accounts, asked, nowMs, count);
    }
    if (isServed) {
      exports.openRequest(this.#accounts[index]!, asked.promptTokens, asked.promptTokens);
      const request = server.submit(
        {
          promptTokens: asked.promptTokens,
          outputTokens: asked.outputTokens,
          blockHashes: blockHashes(asked, server.hw.blockTokens),
        },
        nowMs,
      );
      this.#steps.set(index, server.nextEventMs);
      if (isExplained && this.explanation !== undefined) this.explanation.request = request;
    } else {
      // The server answers at once that it is too long for it.
      this.outcomes.reject();
    }
    if (this.outcomes.arrived % PROGRESS_EVERY === 0) onProgress?.(this.outcomes.arrived);
  }

  /** Lets the servers finish what they have; the table no longer matters. */
  drain(): void {
    while (this.#steps.nextMs < Number.POSITIVE_INFINITY) this.#endStep();
  }

  #runUntil(nowMs: number): void {
    for (;;) {
      const scrapeMs = this.#scrapes * this.#options.scrapeIntervalMs;
      if (this.#steps.nextMs <= Math.min(scrapeMs, nowMs)) {
        this.#endStep();
      } else if (scrapeMs <= nowMs) {
        this.#table.scrape(scrapeMs);
        this.#scrapes++;
      } else {
        return;
      }
    }
  }

  #endStep(): void {
    const { nextServer, nextMs } = this.#steps;
    const server = this.#servers[nextServer]!;
    server.advanceTo(nextMs);
    this.#steps.set(nextServer, server.nextEventMs);
  }

  #server(hardware: Hardware, index: number): ServerModel {
    const { exports } = this.#core;
    return new ServerModel(hardware, {
      onFirstToken: ({ promptTokens }) => exports.prefilled(this.#accounts[index]!, promptTokens),
      onFinish: (request: ModelRequest) => {
        exports.closeRequest(this.#accounts[index]!, 0, request.promptTokens);
        this.outcomes.finish(request);
      },
    });
  }
}

const NO_HASHES = new Float64Array(0);

/** Hashes of the prompt's full blocks; equal ids stand for equal text after equal text. */
function blockHashes({ promptTokens, prefixBlocks }: TraceRequest, blockTokens: number): Float64Array {
  if (prefixBlocks === undefined) return NO_HASHES;
  const parts = Math.floor(PREFIX_BLOCK_TOKENS / blockTokens);
  const hashes = new Float64Array(Math.floor(promptTokens / blockTokens));
  for (let block = 0; block < hashes.length; block++) {
    hashes[block] = chainHash(block % parts, prefixBlocks[Math.floor(block / parts)]!);
  }
  return hashes;
}
