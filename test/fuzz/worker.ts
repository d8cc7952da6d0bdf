import { parentPort, workerData } from "node:worker_threads";
import { BATCH, Campaign, type Failure, type Tally } from "./campaign.ts";
import { corpusOf } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { allTargets } from "./targets/index.ts";

/** What a worker is told; it takes every batch whose number is its own, modulo `workers`. */
export interface WorkerTask {
  readonly seed: number;
  readonly cases: number;
  readonly worker: number;
  readonly workers: number;
}

export interface TargetReport {
  readonly name: string;
  readonly tally: Tally;
  readonly corpusFiles: number;
  readonly failures: readonly Failure[];
  readonly ms: number;
}

export interface WorkerReport {
  readonly targets: readonly TargetReport[];
  readonly hits: Float64Array;
}

/** Seeds with which each corpus file is tried: each cuts it elsewhere. */
const CORPUS_SEEDS = 16;

async function main(task: WorkerTask): Promise<WorkerReport> {
  const coverage = new Coverage();
  const targets: TargetReport[] = [];
  for (const [kind, { target, share }] of allTargets(task.seed, coverage).entries()) {
    const startMs = performance.now();
    const campaign = new Campaign(target, task.seed, kind);
    const corpus = task.worker === 0 ? corpusOf(target.name) : [];
    for (const { name, bytes } of corpus) {
      for (let seed = 0; seed < CORPUS_SEEDS; seed++) campaign.run(name, target.decode(bytes), seed);
    }
    if (task.worker === task.workers - 1) campaign.always();
    const cases = Math.ceil(task.cases * share);
    for (let batch = task.worker; batch * BATCH < cases && !campaign.givenUp; batch += task.workers) {
      await campaign.batch(batch, Math.min(BATCH, cases - batch * BATCH));
    }
    targets.push({
      name: target.name,
      tally: campaign.tally,
      corpusFiles: corpus.length,
      failures: campaign.failures,
      ms: performance.now() - startMs,
    });
  }
  return { targets, hits: coverage.hits };
}

parentPort!.postMessage(await main(workerData as WorkerTask));
