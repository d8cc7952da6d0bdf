/** The core as a replay's picker: fed with a table of each scrape, its ledger told of each flight. */
import type { PickingCore } from "../../core/picking-core.ts";
import type { ServerModel } from "../server-model.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { type Explanation, explain } from "./explanation.ts";
import type { ReplayPicker, Usage } from "./replay-picker.ts";
import { type PoolProfile, ScrapedTable } from "./scraped-table.ts";

/** As the filter estimates a prompt's tokens by its bytes. */
const BYTES_PER_TOKEN = 4;

export interface CorePickerOptions {
  /** A fresh one: its table and ledger belong to the replay. */
  readonly core: PickingCore;
  readonly profile: PoolProfile;
  /** > 0 */
  readonly scrapeIntervalMs: number;
}

/** What `open` counted, to be taken back. */
interface Flight {
  readonly account: number;
  readonly promptTokens: number;
}

export class CorePicker implements ReplayPicker {
  readonly wantsProgress = false;
  readonly #core: PickingCore;
  readonly #table: ScrapedTable;
  readonly #accounts: Int32Array;
  readonly #flights: Flight[] = [];
  readonly #free: number[] = [];
  #picked = 0;

  constructor(servers: readonly ServerModel[], { core, profile, scrapeIntervalMs }: CorePickerOptions) {
    this.#core = core;
    this.#table = new ScrapedTable(core, servers, profile, scrapeIntervalMs);
    const { firstRow } = this.#table;
    // An endpoint keeps its account as long as the table names it.
    this.#accounts = Int32Array.from(servers, (_, index) => core.exports.rowAccount(firstRow + index));
  }

  scrape(nowMs: number): void {
    this.#table.scrape(nowMs);
  }

  pick(asked: TraceRequest): number {
    this.#table.feed();
    const { exports } = this.#core;
    exports.setRequest(0, 0, asked.promptTokens * BYTES_PER_TOKEN, 0);
    this.#picked = exports.pick(this.#table.pool);
    if (this.#picked === 0) throw new Error("the core picked none of endpoints that are all ready");
    return this.#core.pickedRows(this.#picked)[0]! - this.#table.firstRow;
  }

  explain(asked: TraceRequest, nowMs: number): Explanation {
    return explain(this.#core, this.#table, this.#accounts, asked, nowMs, this.#picked);
  }

  open({ promptTokens }: TraceRequest, server: number): number {
    const account = this.#accounts[server]!;
    this.#core.exports.openRequest(account, promptTokens, promptTokens);
    const flight = this.#free.pop() ?? this.#flights.length;
    this.#flights[flight] = { account, promptTokens };
    return flight;
  }

  firstToken(flight: number): void {
    const { account, promptTokens } = this.#flights[flight]!;
    this.#core.exports.prefilled(account, promptTokens);
  }

  progress(): void {}

  finish(flight: number, { promptTokens }: Usage): void {
    this.#core.exports.closeRequest(this.#flights[flight]!.account, 0, promptTokens);
    this.#free.push(flight);
  }
}
