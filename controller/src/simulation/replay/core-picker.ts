/** The core as a replay's picker: fed with a table of each scrape, told of each flight as the filter tells it. */
import type { PickingCore } from "../../core/picking-core.ts";
import type { RemoteLoad } from "../../table/rows.ts";
import type { ServerModel } from "../server-model.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { type Explanation, explain } from "./explanation.ts";
import type { Objectives } from "./objectives.ts";
import { BYTES_PER_TOKEN, writePrefixKeys } from "./prefix-keys.ts";
import type { ReplayPicker, Usage } from "./replay-picker.ts";
import { type PoolProfile, ScrapedTable } from "./scraped-table.ts";

/** Blocks hashed of a prompt, unless it is said otherwise: 128 KB, what a flight of the core remembers. */
const HASHED_BLOCKS = 256;
export interface CorePickerOptions {
  /** A fresh one: its table and flights belong to the replay. */
  readonly core: PickingCore;
  readonly profile: PoolProfile;
  /** > 0 */
  readonly scrapeIntervalMs: number;
  /** Blocks of 512 bytes hashed of a prompt, ≥ 0. Default 256. */
  readonly hashedBlocks?: number | undefined;
  /** What the core takes a prompt's tokens to be. Default: its own estimate by bytes, four of which are a token. */
  readonly tokenEstimate?: ((asked: TraceRequest) => number) | undefined;
}

export class CorePicker implements ReplayPicker {
  readonly wantsProgress = true;
  readonly #core: PickingCore;
  readonly #options: CorePickerOptions;
  readonly #table: ScrapedTable;
  readonly #accounts: Int32Array;
  /** Address in the core, and how many fit. */
  readonly #keys: number;
  readonly #keyCount: number;
  #picked = 0;

  constructor(
    servers: readonly ServerModel[],
    options: CorePickerOptions & { readonly objectives: Objectives },
  ) {
    const { core, profile, scrapeIntervalMs, objectives, hashedBlocks = HASHED_BLOCKS } = options;
    this.#core = core;
    this.#options = options;
    const { exports } = core;
    this.#table = new ScrapedTable(core, servers, profile, objectives, scrapeIntervalMs);
    exports.fitPrefixIndex();
    const { firstRow } = this.#table;
    // An endpoint keeps its account as long as the table names it.
    this.#accounts = Int32Array.from(servers, (_, index) => exports.rowAccount(firstRow + index));
    this.#keys = exports.allocate(Math.max(8, 8 * hashedBlocks));
    this.#keyCount = hashedBlocks;
  }

  scrape(nowMs: number): void {
    this.#table.scrape(nowMs);
    const { exports } = this.#core;
    exports.setClock(nowMs);
    exports.flightsTick();
  }

  /** What other Envoys have in flight, by endpoint; undefined: there is none. The core hears of it before the next pick. */
  setRemote(remote: ((id: bigint) => RemoteLoad) | undefined): void {
    this.#table.setRemote(remote);
  }

  pick(asked: TraceRequest, nowMs: number): number {
    this.#table.feed();
    const { exports } = this.#core;
    exports.setClock(nowMs);
    exports.setRequest(0, 0, asked.promptTokens * BYTES_PER_TOKEN, 0);
    exports.setPromptTokens(this.#options.tokenEstimate?.(asked) ?? 0);
    const keys = new Uint32Array(exports.memory.buffer, this.#keys, 2 * this.#keyCount);
    exports.setPrefix(this.#keys, writePrefixKeys(asked, keys), 0n);
    this.#picked = exports.pick(this.#table.pool);
    if (this.#picked === 0) throw new Error("the core picked none of endpoints that are all ready");
    return this.#core.pickedRows(this.#picked)[0]! - this.#table.firstRow;
  }

  explain(asked: TraceRequest, nowMs: number): Explanation {
    return explain(this.#core, this.#table, this.#accounts, asked, nowMs, this.#picked);
  }

  open(_asked: TraceRequest, server: number): number {
    return this.#core.exports.openFlight(this.#table.pool, this.#table.firstRow + server);
  }

  firstToken(flight: number, nowMs: number): void {
    const { exports } = this.#core;
    exports.setClock(nowMs);
    exports.flightFirstToken(flight);
  }

  progress(flight: number, tokens: number, nowMs: number): void {
    const { exports } = this.#core;
    exports.setClock(nowMs);
    exports.flightProgress(flight, tokens);
  }

  finish(flight: number, { promptTokens, completionTokens, cachedTokens }: Usage, nowMs: number): void {
    const { exports } = this.#core;
    exports.setClock(nowMs);
    exports.flightFinish(flight, promptTokens, completionTokens, cachedTokens);
  }
}
