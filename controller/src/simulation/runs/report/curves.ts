/** Runs as series: a figure of each policy over the rate, or over the size of the pool. */
import type { PolicyFigures } from "../../replay/outcomes.ts";
import type { SimulateSettings } from "../../replay/settings.ts";
import { meanFigures } from "../means.ts";
import type { FinishedRun } from "../run-spec.ts";
import { endpointsOf } from "../server-mix.ts";
import type { Series } from "./svg-chart.ts";

/** The runs of one policy at one place of the axis: one for each window. */
export interface Group {
  readonly policy: string;
  /** Speed, or servers. */
  readonly key: number;
  /** Where it stands on the axis: requests that arrive a second, or servers. */
  readonly x: number;
  readonly runs: readonly FinishedRun[];
  /** Means over the windows. */
  readonly mean: PolicyFigures;
}

/** By key, ascending, and then in the order of the policies. */
export function groupsOf(runs: readonly FinishedRun[], settings: SimulateSettings): readonly Group[] {
  const isBySize = settings.search?.kind === "replicas";
  const keyOf = ({ spec }: FinishedRun): number => (isBySize ? endpointsOf(spec.servers) : spec.speed);
  const keys = [...new Set(runs.map(keyOf))].sort((a, b) => a - b);
  return keys.flatMap((key) =>
    settings.policies.flatMap((policy) => {
      const own = runs.filter((run) => run.spec.policy === policy && keyOf(run) === key);
      if (own.length === 0) return [];
      const x = isBySize ? key : mean(own.map(({ result }) => offeredPerSecond(result.summary)));
      return [{ policy, key, x, runs: own, mean: meanFigures(own.map(({ result }) => result.figures)) }];
    }),
  );
}

/** A line for each policy; with several windows each point has the range of theirs. */
export function seriesOf(
  groups: readonly Group[],
  policies: readonly string[],
  figure: (figures: PolicyFigures) => number,
): readonly Series[] {
  return policies.map((name, place) => ({
    name,
    place,
    points: groups
      .filter(({ policy }) => policy === name)
      .map(({ x, runs, mean: figures }) => {
        const all = runs.map(({ result }) => figure(result.figures)).filter((value) => !Number.isNaN(value));
        return {
          x,
          y: figure(figures),
          ...(all.length > 1 ? { range: [Math.min(...all), Math.max(...all)] as const } : {}),
        };
      }),
  }));
}

function offeredPerSecond({ arrived, arrivalSpanMs }: FinishedRun["result"]["summary"]): number {
  return arrivalSpanMs > 0 ? (1000 * arrived) / arrivalSpanMs : arrived;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
