/** Models of a server's step times by name. */
import type { Hardware } from "./hardware.ts";
import { LinearStepTimes, type StepTimes } from "./step-times.ts";
import { TabulatedStepTimes } from "./tabulated-step-times.ts";

const ENGINES = {
  /** By the formula of {@link Hardware}. */
  linear: (hw: Hardware): StepTimes => new LinearStepTimes(hw),
  /** By a table with noise and stalls, which the formula does not fit. */
  tabulated: (hw: Hardware, seed: number): StepTimes => new TabulatedStepTimes(hw, seed),
} as const;

export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = Object.keys(ENGINES) as readonly EngineName[];

/** @param seed of what the engine leaves to chance; servers of one simulation need different ones */
export function stepTimes(engine: EngineName, hw: Hardware, seed: number): StepTimes {
  return ENGINES[engine](hw, seed);
}
