/**
 * The launch article's benchmark: ten replicas of Llama-2-7B on H100, ShareGPT's lengths, rates from 100 to
 * 1,000 requests a second for a minute each ("Introducing Gateway API Inference Extension", Kubernetes blog,
 * 5 June 2025).
 */
import type { ProfileName } from "../../../controller/src/model.ts";
import type { RunSpec } from "../../../controller/src/simulation/runs/run-spec.ts";
import type { EngineName } from "../../../controller/src/simulation/step-engines.ts";

/** Requests a second; closer around what ten replicas can serve. */
export const RATES = [100, 200, 250, 275, 300, 325, 350, 400, 500, 600, 700, 800, 900, 1000] as const;
/** For servers by the second engine, which bear less. */
export const TABULATED_RATES = [150, 200, 225, 250, 275, 300] as const;
/** A Service of Kubernetes picks at random for each connection. */
export const POLICIES: readonly ProfileName[] = ["net-goodput", "epp", "round-robin", "random"];
export const REPLICAS = 10;
const DURATION_S = 60;

/** @param scale of the duration, for a quick look; 1 is the article's */
export function planRuns(rates: readonly number[], scale: number, engine: EngineName): readonly RunSpec[] {
  return rates.flatMap((rate) =>
    POLICIES.map((policy) => ({
      window: {
        format: "synthetic",
        skip: 0,
        requests: Math.max(1, Math.round(rate * DURATION_S * scale)),
        seed: 1,
        qps: rate,
      },
      servers: [{ name: "llama-2-7b-h100", speed: 1, count: REPLICAS }],
      engine,
      envoys: 1,
      workers: 1,
      speed: 1,
      policy,
      scorers: [],
      scrapeIntervalMs: 50,
      objectives: { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 },
      seed: 1,
    })),
  );
}
