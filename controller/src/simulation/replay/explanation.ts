/** Why a request went where: what the core knew of every endpoint when it picked. */
import type { PickingCore } from "../../core/picking-core.ts";
import { TextTable } from "../../cli/text-table.ts";
import type { ModelRequest } from "../model-request.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import type { ScrapedTable } from "./scraped-table.ts";

/** The core's terms that are printed, by their place in `assembly/core/costs/explanation.ts`, in columns of this order. */
const TERMS: readonly (readonly [place: number, title: string, digits: number])[] = [
  [7, "cached tokens", 0],
  [0, "first token ms", 0],
  [1, "later tokens ms", 0],
  [2, "ms taken from others", 0],
  [6, "ms for memory", 0],
  [15, "ms for waiting", 0],
  [3, "late", 2],
  [4, "slow", 2],
  [5, "others broken", 2],
];
const TERM_COUNT = 16;

export interface ExplainedEndpoint {
  readonly address: string;
  /** The profile's; the highest wins. NaN: it was no candidate. */
  readonly score: number;
  /** Of the last scrape. */
  readonly queuedRequests: number;
  readonly runningRequests: number;
  readonly kvUsedRatio: number;
  /** Counted by the core itself. */
  readonly inFlight: number;
  readonly inFlightUncachedTokens: number;
  readonly inFlightTokens: number;
  /** What the profile expected of it there; NaN or absent where the profile does not ask. */
  readonly terms: readonly number[];
  /** 1 is the one picked, 2 and 3 are what a retry would walk; absent: none of these. */
  readonly place?: number;
}

export interface Explanation {
  readonly atMs: number;
  readonly scrapeAgeMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** In the order of the table. */
  readonly endpoints: readonly ExplainedEndpoint[];
  /** Absent: it was rejected. Its times are known when the replay has ended. */
  request?: ModelRequest;
}

/** Of the core's last pick, before its request is opened. `count` is what the pick returned. */
export function explain(
  core: PickingCore,
  table: ScrapedTable,
  accounts: Int32Array,
  asked: TraceRequest,
  nowMs: number,
  count: number,
): Explanation {
  const { exports } = core;
  const picked = core.pickedRows(count);
  const ptr = exports.allocate(8 * TERM_COUNT);
  const termsOf = (row: number): readonly number[] => {
    const written = exports.explainRow(row, ptr);
    return [...new Float64Array(exports.memory.buffer, ptr, written)];
  };
  const explanation = {
    atMs: nowMs,
    scrapeAgeMs: nowMs - table.atMs,
    promptTokens: asked.promptTokens,
    outputTokens: asked.outputTokens,
    endpoints: Array.from(accounts, (account, index) => {
      const row = table.firstRow + index;
      const place = picked.indexOf(row) + 1;
      return {
        address: core.address(row),
        score: exports.rowScore(row),
        queuedRequests: table.queued[index]!,
        runningRequests: table.running[index]!,
        kvUsedRatio: table.kvUsed[index]!,
        inFlight: exports.inFlight(account),
        inFlightUncachedTokens: Number(exports.inFlightUncached(account)),
        inFlightTokens: Number(exports.inFlightResident(account)),
        terms: termsOf(row),
        ...(place === 0 ? {} : { place }),
      };
    }),
  };
  exports.release(ptr);
  return explanation;
}

/** The explanation for people, endpoints by place and score. */
export function explanationText(number: number, policy: string, explanation: Explanation): string {
  const { atMs, scrapeAgeMs, promptTokens, outputTokens, request } = explanation;
  const head =
    `${policy}: request ${number} at ${(atMs / 1000).toFixed(3)} s, ${promptTokens} prompt tokens, ` +
    `${outputTokens} to answer; the scrape was ${scrapeAgeMs.toFixed(0)} ms old`;
  const terms = TERMS.filter(([place]) => explanation.endpoints.some((each) => isKnown(each.terms[place])));
  const table = new TextTable([
    { title: "endpoint" },
    { title: "pick", right: true },
    { title: "score", right: true },
    { title: "queued", right: true },
    { title: "running", right: true },
    { title: "KV used", right: true },
    { title: "in flight", right: true },
    { title: "uncached tokens", right: true },
    { title: "prompt tokens", right: true },
    ...terms.map(([, title]) => ({ title, right: true })),
  ]);
  const order = ({ place }: ExplainedEndpoint) => place ?? Number.POSITIVE_INFINITY;
  const sorted = [...explanation.endpoints].sort((a, b) =>
    order(a) === order(b) ? b.score - a.score : order(a) - order(b),
  );
  for (const endpoint of sorted) {
    table.add([
      endpoint.address,
      endpoint.place?.toString() ?? "",
      endpoint.score.toFixed(4),
      String(endpoint.queuedRequests),
      String(endpoint.runningRequests),
      `${(100 * endpoint.kvUsedRatio).toFixed(1)} %`,
      String(endpoint.inFlight),
      String(endpoint.inFlightUncachedTokens),
      String(endpoint.inFlightTokens),
      ...terms.map(([place, , digits]) => {
        const value = endpoint.terms[place];
        return isKnown(value) ? value.toFixed(digits) : "";
      }),
    ]);
  }
  return `${[head, ...table.lines(Number.POSITIVE_INFINITY), ending(request)].join("\n")}\n`;
}

function isKnown(value: number | undefined): value is number {
  return value !== undefined && !Number.isNaN(value);
}

function ending(request: ModelRequest | undefined): string {
  if (request === undefined) return "rejected: prompt and answer are longer than its server holds";
  const ttftMs = request.firstTokenMs - request.arrivalMs;
  const e2eMs = request.finishedMs - request.arrivalMs;
  return (
    `first token after ${ttftMs.toFixed(1)} ms, end after ${e2eMs.toFixed(1)} ms; ` +
    `${request.cachedTokens} prompt tokens were cached, pre-empted ${request.preemptions} times`
  );
}
