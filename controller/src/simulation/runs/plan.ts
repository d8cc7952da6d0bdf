/** The runs that settings ask for, and the words that tell them apart. */
import { PickerError } from "../../errors.ts";
import type { SimulateSettings } from "../replay/settings.ts";
import type { RunSpec } from "./run-spec.ts";
import { endpointsOf } from "./server-mix.ts";

/** Whoever asks for more has mistaken a flag. */
const MOST_RUNS = 10_000;

/** Speed after speed, in each window after window, in each the policies in the order given. @throws PickerError */
export function specsOf(settings: SimulateSettings): readonly RunSpec[] {
  const { windows, speeds, policies } = settings;
  const runs = windows * speeds.length * policies.length;
  if (runs > MOST_RUNS) {
    throw new PickerError("CONFIG_RANGE", `windows × speeds × policies is ${runs}, at most ${MOST_RUNS}`, {
      path: "--windows",
      value: runs,
      bound: MOST_RUNS,
    });
  }
  return speeds.flatMap((speed) =>
    Array.from({ length: windows }, (_, index) => index).flatMap((index) =>
      policies.map((policy) => specOf(settings, policy, speed, index)),
    ),
  );
}

/** @param window 0 is the first */
export function specOf(
  settings: SimulateSettings,
  policy: RunSpec["policy"],
  speed: number,
  window: number,
): RunSpec {
  const { scorers, servers, engine, envoys, workers, scrapeIntervalMs, objectives, seed, explain } = settings;
  const { skip, requests } = settings.window;
  return {
    window: { ...settings.window, skip: skip + window * requests },
    servers,
    speed,
    policy,
    scorers: policy === "weighted" ? scorers : [],
    envoys,
    workers,
    scrapeIntervalMs,
    objectives,
    engine,
    seed,
    explain,
  };
}

/** The policy, and of what else differs between the runs what this one has. */
export function labelsOf(settings: SimulateSettings): (spec: RunSpec) => string {
  const { windows, speeds, search } = settings;
  return ({ policy, speed, window, servers }) => {
    const parts: string[] = [policy];
    if (search?.kind === "replicas") parts.push(`${endpointsOf(servers)} servers`);
    if (speeds.length > 1 || search?.kind === "max-rate") parts.push(`speed ${speed}`);
    if (windows > 1) parts.push(`from request ${window.skip + 1}`);
    return parts.join(", ");
  };
}
