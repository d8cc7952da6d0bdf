/**
 * How long the compiled core takes for a pick and for scanning a body, in this process (Node's V8, the
 * engine that Envoy embeds). Prints one JSON object: medians of several runs with their extremes.
 *
 *   node --import tsx test/bench/core-pick.ts
 */
import { pathToFileURL } from "node:url";
import { Core } from "../core/core.ts";
import { addressOf, endpoint, pool, tableBytes } from "../core/tables.ts";
import { chatBody } from "./chat-body.ts";

const RUNS = 7;
/** Work of one run: long enough for the clock, short enough for a test machine. */
const RUN_MS = 40;

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Time of one of `rounds` rounds in ns, over several runs after a warm-up. */
export function spread(work: (rounds: number) => void): Spread {
  let rounds = 16;
  for (let ms = 0; ms < RUN_MS; ) {
    rounds *= 2;
    const start = performance.now();
    work(rounds);
    ms = performance.now() - start;
  }
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    work(rounds);
    return ((performance.now() - start) * 1e6) / rounds;
  }).sort((left, right) => left - right);
  return { median: times[RUNS >> 1]!, min: times[0]!, max: times[RUNS - 1]! };
}

/** ns for one pick of three with profile `epp` in a pool of `endpoints`, its request counted and uncounted. */
export function measurePick(endpoints: number): Spread {
  const core = new Core();
  const rows = Array.from({ length: endpoints }, (_, index) =>
    endpoint(addressOf(index), { queuedRequests: (index * 7) % 11, kvUsedRatio: ((index * 13) % 97) / 100 }),
  );
  if (core.decode(tableBytes([pool("ns/bench", rows)]), 0) !== 0) throw new Error("the table was refused");
  return spread((rounds) => core.exports.benchPick(0, rounds));
}

/** The median of `measurePick`, in ns. */
export function measurePickNs(endpoints: number): number {
  return measurePick(endpoints).median;
}

/** µs for scanning a chat body of about `bytes` bytes that arrives in pieces of at most 16 KB, as Envoy hands them over. */
export function measureScan(bytes: number): Spread & { readonly bytes: number } {
  const core = new Core();
  const body = Buffer.from(chatBody(bytes, "meta-llama/Llama-3.1-8B", "last"));
  const ptr = core.put(body);
  const ns = spread((rounds) => {
    if (core.exports.benchScan(ptr, body.length, 16384, rounds) !== 1)
      throw new Error("the body was not complete");
  });
  return { bytes: body.length, median: ns.median / 1000, min: ns.min / 1000, max: ns.max / 1000 };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const pickNs = Object.fromEntries([10, 100, 1000].map((count) => [count, measurePick(count)]));
  const scanUs = [1024, 16384, 225280].map(measureScan);
  console.log(JSON.stringify({ pickNs, scanUs }, null, 2));
}
