/**
 * Fuzzes the built core and the built filter: bodies, forms, event streams, JSON answers, and whole requests with hostile
 * headers. What went wrong once is tried first. Ends with 1 on a disagreement, a trap or a transition never taken.
 *
 *   N=20000 SEED=7 node --import tsx test/fuzz/run.ts     as `make fuzz N=20000 SEED=7`
 *     --save                keeps each shrunk failure below test/fuzz/corpus/
 *     --case 'bodies:12'    runs one case of the seed, as a failure names it
 *
 * A loop of its own rather than fast-check, which takes longer to choose and to shrink than a case takes here; the
 * properties for fast-check are in the tests beside this file.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Failure } from "./campaign.ts";
import { keep } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { allCampaigns } from "./targets/index.ts";
import type { TargetReport, WorkerMessage, WorkerReport, WorkerTask } from "./worker.ts";

const WORKERS = 2;
const DEFAULT_SEED = 20_261_124;
const TRANSITIONS_FILE = "build/fuzz/transitions.tsv";

function wholeNumber(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 2 ** 32 - 1) {
    throw new Error(`${name} is ${JSON.stringify(text)}, a whole number from 1 to 4294967295 is needed`);
  }
  return value;
}

async function main(): Promise<void> {
  const seed = wholeNumber("SEED", DEFAULT_SEED);
  const cases = wholeNumber("N", 1_000_000);
  const single = process.argv.indexOf("--case");
  if (single >= 0) return runOne(seed, process.argv[single + 1] ?? "");
  console.log(`fuzz: seed ${seed}, N ${cases}, ${WORKERS} threads`);
  const startMs = performance.now();
  const tasks = Array.from({ length: WORKERS }, (_, worker) => ({ seed, cases, worker, workers: WORKERS }));
  const reports = await Promise.all(tasks.map(runWorker));
  const seconds = (performance.now() - startMs) / 1000;
  const coverage = new Coverage();
  for (const { hits } of reports) coverage.add(new Coverage(hits));
  const targets = reports[0]!.targets.map((_, index) =>
    sumOf(reports.map((report) => report.targets[index]!)),
  );
  printCounts(targets, seconds);
  printCoverage(coverage);
  const failures = targets.flatMap((target) => target.failures);
  for (const failure of failures) printFailure(seed, failure);
  const count = (kind: Failure["kind"]): number => failures.filter((failure) => failure.kind === kind).length;
  console.log(`traps ${count("trap")}, disagreements ${count("disagreement")}, seed ${seed}`);
  process.exitCode = failures.length > 0 || coverage.missing().length > 0 ? 1 : 0;
}

function runWorker(task: WorkerTask): Promise<WorkerReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker-boot.mjs", import.meta.url), { workerData: task });
    worker.on("message", (message: WorkerMessage) => {
      if (typeof message !== "string") resolve(message);
      else if (task.worker === 0) console.log(`fuzz: ${message}`);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`worker ${task.worker} ended with ${code} and no report`)));
  });
}

/** One target's reports of all workers; the time is the sum of theirs. */
function sumOf(reports: readonly TargetReport[]): TargetReport {
  return reports.reduce((sum, report) => ({
    name: sum.name,
    tally: {
      accepted: sum.tally.accepted + report.tally.accepted,
      refused: sum.tally.refused + report.tally.refused,
    },
    corpusFiles: sum.corpusFiles + report.corpusFiles,
    failures: [...sum.failures, ...report.failures],
    ms: sum.ms + report.ms,
  }));
}

function printCounts(targets: readonly TargetReport[], seconds: number): void {
  const line = (name: string, ...cells: readonly string[]): void => {
    console.log(name.padEnd(14) + cells.map((cell) => cell.padStart(11)).join(""));
  };
  line("", "cases", "accepted", "refused", "corpus", "µs a case");
  let total = 0;
  for (const { name, tally, corpusFiles, ms } of targets) {
    const cases = tally.accepted + tally.refused;
    total += cases;
    const each = ((ms * 1000) / Math.max(1, cases)).toFixed(0);
    line(name, ...[cases, tally.accepted, tally.refused, corpusFiles].map(grouped), each);
  }
  console.log(
    `${grouped(total)} cases in ${seconds.toFixed(1)} s, ${grouped(Math.round(total / seconds))} a second`,
  );
}

function printCoverage(coverage: Coverage): void {
  mkdirSync("build/fuzz", { recursive: true });
  writeFileSync(TRANSITIONS_FILE, coverage.table());
  console.log(`transitions: ${coverage.hitCount} of ${coverage.possible} hit, listed in ${TRANSITIONS_FILE}`);
  for (const missing of coverage.missing()) console.log(`  never taken: ${missing}`);
}

function printFailure(seed: number, { target, where, kind, message, reproducer }: Failure): void {
  console.log(`\n${kind} in ${target}, ${where} of seed ${seed}: ${message}`);
  console.log(`  ${JSON.stringify(Buffer.from(reproducer).toString("latin1"))}`);
  if (process.argv.includes("--save")) {
    console.log(`  kept as ${keep(target, `found-${seed}-${where.replace("case ", "")}`, reproducer)}`);
  }
}

async function runOne(seed: number, name: string): Promise<void> {
  const [wanted, index] = name.split(":");
  for (const { campaign } of allCampaigns(seed, new Coverage())) {
    if (campaign.name !== wanted) continue;
    await campaign.single(Number(index));
    for (const failure of campaign.failures) printFailure(seed, failure);
    console.log(`${name}: ${campaign.failures.length === 0 ? "nothing is wrong with it" : "fails"}`);
    process.exitCode = campaign.failures.length > 0 ? 1 : 0;
    return;
  }
  throw new Error(`no target is called ${JSON.stringify(wanted)}`);
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

await main();
