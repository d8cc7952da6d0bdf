/**
 * How long the compiled core takes for a pick and for scanning a body, in this process (Node's V8, the
 * engine that Envoy embeds). Prints one JSON object: medians of several runs with their extremes.
 *
 *   node --import tsx test/bench/core-pick.ts
 */
import { pathToFileURL } from "node:url";
import type { PoolRow } from "../../controller/src/table/rows.ts";
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

interface FlightExports {
  usePrefixIndex(blocks: number, endpoints: number, capacityBlocks: number): void;
  benchFlights(pool: number, rounds: number, underWay: number): number;
}

/** Blocks of the prompt that is asked for: 16 KB. */
const PROMPT_BLOCKS = 32;

/**
 * ns for one pick of three in a pool of `endpoints` with `underWay` requests in flight, the look-up of 16 KB of prompt in an index of
 * prefixes included, its request counted and uncounted; and for one flight, its pick and all that it tells of itself included.
 */
export function measureFlights(
  profile: PoolRow["profile"],
  endpoints: number,
  underWay: number,
): { readonly pick: Spread; readonly flight: Spread } {
  const core = new Core();
  const exports = core.exports as Core["exports"] & FlightExports;
  const rows = Array.from({ length: endpoints }, (_, index) =>
    endpoint(addressOf(index), { kvBlocks: 29_205, kvBlockTokens: 16 }),
  );
  if (core.decode(tableBytes([pool("ns/bench", rows, { profile })])) !== 0)
    throw new Error("the table was refused");
  exports.usePrefixIndex(500_000, Math.min(256, endpoints), 3650);
  const hashes = exports.allocate(8 * PROMPT_BLOCKS);
  const view = new BigUint64Array(exports.memory.buffer, hashes, PROMPT_BLOCKS);
  for (let block = 0; block < PROMPT_BLOCKS; block++) view[block] = BigInt(block + 1) << 40n;
  exports.setClock(1);
  exports.setRequest(0, 0, 512 * PROMPT_BLOCKS, 0);
  exports.setPrefix(hashes, PROMPT_BLOCKS, 7n);
  exports.benchFlights(0, underWay, underWay);
  const pick = spread((rounds) => exports.benchPick(0, rounds));
  const flight = spread((rounds) => exports.benchFlights(0, rounds, underWay));
  return { pick, flight };
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
  const flightsNs = Object.fromEntries(
    (["epp", "lmetric", "sticky", "marginal-cost", "net-goodput"] as const).flatMap((profile) =>
      [100, 1000].map((count) => [`${profile}, ${count} endpoints`, measureFlights(profile, count, 2000)]),
    ),
  );
  console.log(JSON.stringify({ pickNs, flightsNs, scanUs }, null, 2));
}
