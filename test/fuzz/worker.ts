import { parentPort, workerData } from "node:worker_threads";
import { BATCH, type Failure, type Tally } from "./campaign.ts";
import { corpusOf } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { allCampaigns } from "./targets/index.ts";

/** What a worker is told; it takes every batch whose number is its own, modulo `workers`. */
export interface WorkerTask {
  readonly seed: number;
  readonly cases: number;
  readonly worker: number;
  readonly workers: number;
}

/** What a worker tells: each target's name when it begins with it, then its report. */
export type WorkerMessage = string | WorkerReport;

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
  for (const { campaign, share } of allCampaigns(task.seed, coverage)) {
    const startMs = performance.now();
    parentPort!.postMessage(campaign.name);
    const corpus = task.worker === 0 ? corpusOf(campaign.name) : [];
    for (const { name, bytes } of corpus) {
      const failures = campaign.failures.length;
      // What fails in one cut mostly fails in all.
      for (let cuts = 0; cuts < CORPUS_SEEDS && campaign.failures.length === failures; cuts++) {
        campaign.file(name, bytes, cuts);
      }
    }
    if (task.worker === task.workers - 1) campaign.always();
    const cases = Math.ceil(task.cases * share);
    for (let batch = task.worker; batch * BATCH < cases && !campaign.givenUp; batch += task.workers) {
      await campaign.batch(batch, Math.min(BATCH, cases - batch * BATCH));
    }
    targets.push({
      name: campaign.name,
      tally: campaign.tally,
      corpusFiles: corpus.length,
      failures: campaign.failures,
      ms: performance.now() - startMs,
    });
  }
  return { targets, hits: coverage.hits };
}

parentPort!.postMessage(await main(workerData as WorkerTask));
