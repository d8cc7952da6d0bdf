/**
 * What one scrape's page costs to read. Purpose: 500 pages a second must fit well within half a core.
 * Run: `npx tsx test/bench/scrape-scan.ts`
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { sampleFromPage } from "../../controller/src/scrape/engines.ts";

const WARM_UP_PAGES = 500;
const ROUNDS = 9;
const PAGES_PER_ROUND = 500;

const page = readFileSync(new URL("../fixtures/vllm-0.32/metrics-busy.txt", import.meta.url));
const read = (): number => sampleFromPage("vllm", page, 0).runningRequests ?? 0;
for (let count = 0; count < WARM_UP_PAGES; count++) read();
const microseconds: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const startMs = performance.now();
  for (let count = 0; count < PAGES_PER_ROUND; count++) read();
  microseconds.push(((performance.now() - startMs) * 1000) / PAGES_PER_ROUND);
}
microseconds.sort((left, right) => left - right);
const [best, median, worst] = [microseconds[0]!, microseconds[ROUNDS >> 1]!, microseconds[ROUNDS - 1]!];
process.stdout.write(
  `${page.length} bytes: ${best.toFixed(1)} / ${median.toFixed(1)} / ${worst.toFixed(1)} µs a page ` +
    `(best / median / worst of ${ROUNDS}), ${((500 * median) / 1e4).toFixed(1)} % of a core at 500 pages/s, ` +
    `${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}\n`,
);
