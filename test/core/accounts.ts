import { HISTOGRAM_BOUNDS } from "../../assembly/wire/accounts.ts";
import * as A from "../../assembly/wire/accounts.ts";
import * as L from "../../assembly/wire/layout.ts";
import { type AccountsMessage, countKey, decodeAccounts } from "../../controller/src/table/accounts.ts";
import type { Core } from "./core.ts";

/** What `assembly/core/exports/accounts.ts` exports. */
interface AccountsExports {
  resetAccounts(): void;
  accountRow(pool: number, model: number, modelBytes: number, target: number, targetBytes: number): number;
  accountRows(): number;
  accountStarted(row: number): void;
  beginOutcome(row: number, cause: number, status: number, attempt: number): void;
  outcomeBytes(request: bigint, response: bigint): void;
  outcomeTimes(
    durationMs: number,
    isEventStream: number,
    firstTokenMs: number,
    lastTokenMs: number,
    gapMs: number,
  ): void;
  outcomeTokens(
    prompt: bigint,
    completion: bigint,
    cached: bigint,
    estimatedCompletion: bigint,
    estimated: number,
  ): void;
  accountFinished(): void;
  buildAccountsMessage(vm: bigint, sequence: bigint, node: number, nodeBytes: number, ageMs: bigint): number;
  accountsMessagePtr(): number;
}

/** As `assembly/core/accounts/outcome.ts` numbers them. */
export const CAUSES = ["complete", "client-gone", "upstream-reset", "answered-here", "unknown"] as const;
export const ATTEMPTS = ["none", "found", "failed"] as const;

/** How a request ended; what is left out is not known. */
export interface Ending {
  readonly cause?: (typeof CAUSES)[number];
  readonly status?: number;
  readonly attempt?: (typeof ATTEMPTS)[number];
  readonly requestBytes?: number;
  readonly responseBytes?: number;
  readonly durationMs?: number;
  /** Present: the answer was a stream of events. */
  readonly stream?: {
    readonly firstTokenMs?: number;
    readonly lastTokenMs?: number;
    readonly gapMs?: number;
  };
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly cachedTokens?: number;
  readonly estimatedCompletionTokens?: number;
  readonly estimated?: boolean;
}

/** The accounts of a core's one table. */
export class CoreAccounts {
  readonly exports: AccountsExports;
  readonly #core: Core;
  #sequence = 0n;

  constructor(core: Core) {
    this.#core = core;
    this.exports = core.exports as unknown as AccountsExports;
    this.exports.resetAccounts();
  }

  /** Row of a request for `model` that is sent as `target`, its own name unless told otherwise. */
  row(pool: string, model = "", target = model): number {
    const index = this.#core.poolOfName(pool);
    const modelBytes = Buffer.from(model);
    const targetBytes = Buffer.from(target);
    const ptr = this.#core.put(Buffer.concat([modelBytes, targetBytes]));
    const targetPtr = target === model ? ptr : ptr + modelBytes.length;
    return this.exports.accountRow(index, ptr, modelBytes.length, targetPtr, targetBytes.length);
  }

  start(row: number): void {
    this.exports.accountStarted(row);
  }

  end(row: number, ending: Ending = {}): void {
    const { exports } = this;
    const known = (value: number | undefined) => BigInt(value ?? -1);
    exports.beginOutcome(
      row,
      CAUSES.indexOf(ending.cause ?? "complete"),
      ending.status ?? 200,
      ATTEMPTS.indexOf(ending.attempt ?? "found"),
    );
    exports.outcomeBytes(BigInt(ending.requestBytes ?? 0), BigInt(ending.responseBytes ?? 0));
    const { stream } = ending;
    exports.outcomeTimes(
      ending.durationMs ?? 0,
      stream === undefined ? 0 : 1,
      stream?.firstTokenMs ?? -1,
      stream?.lastTokenMs ?? -1,
      stream?.gapMs ?? -1,
    );
    exports.outcomeTokens(
      known(ending.promptTokens),
      known(ending.completionTokens),
      known(ending.cachedTokens),
      known(ending.estimatedCompletionTokens),
      ending.estimated === true ? 1 : 0,
    );
    exports.accountFinished();
  }

  /** A request from start to end. */
  request(row: number, ending: Ending = {}): void {
    this.start(row);
    this.end(row, ending);
  }

  bytes(vm = 1n, node = "envoy", ageMs = 0): Uint8Array {
    this.#sequence += 1n;
    const name = Buffer.from(node);
    const length = this.exports.buildAccountsMessage(
      vm,
      this.#sequence,
      this.#core.put(name),
      name.length,
      BigInt(ageMs),
    );
    return this.#core.bytesAt(this.exports.accountsMessagePtr(), length);
  }

  message(): AccountsMessage {
    return decodeAccounts(this.bytes());
  }
}

/** A row's counts by the names of the constants; buckets by their upper bound. */
export interface ReadableRow {
  readonly pool: string;
  readonly model: string;
  readonly target: string;
  readonly running: number;
  readonly counts: Readonly<Record<string, number>>;
}

const NAMES: ReadonlyMap<number, string> = new Map([
  ...named(L, "COUNTER_", L.GROUP_COUNTERS),
  ...named(L, "ERROR_", L.GROUP_ERRORS),
  ...named(A, "HISTOGRAM_", L.GROUP_SUMS).map(([key, name]) => [key, `${name} sum`] as const),
  ...named(A, "HISTOGRAM_", 0).flatMap(([histogram, name]) => {
    const bounds = [...HISTOGRAM_BOUNDS[histogram]!, "inf"];
    return bounds.map((bound, index) => {
      return [countKey(L.GROUP_BUCKETS + histogram, index), `${name} le ${bound}`] as const;
    });
  }),
]);

function named(constants: object, prefix: string, group: number): readonly (readonly [number, string])[] {
  return Object.entries(constants)
    .filter(([name, value]) => name.startsWith(prefix) && typeof value === "number")
    .map(([name, value]) => [countKey(group, value as number), name.slice(prefix.length)] as const);
}

export function readable(message: AccountsMessage): readonly ReadableRow[] {
  return message.rows.map((row) => ({
    pool: row.pool,
    model: row.model,
    target: row.target,
    running: row.running,
    counts: Object.fromEntries([...row.counts].map(([key, value]) => [NAMES.get(key) ?? `${key}`, value])),
  }));
}
