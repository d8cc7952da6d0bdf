import type { Coverage } from "../coverage.ts";
import type { Target } from "../target.ts";
import { eventStreams, jsonAnswers } from "./answers.ts";
import { Bodies } from "./bodies.ts";
import { Forms } from "./forms.ts";
import { Requests } from "./requests.ts";

/** What a run fuzzes, and how many cases of it for each of the N that it was asked for. */
export interface Share {
  // biome-ignore lint/suspicious/noExplicitAny: targets of different inputs stand in one list.
  readonly target: Target<any>;
  readonly share: number;
}

export function allTargets(seed: number, coverage: Coverage): readonly Share[] {
  return [
    { target: new Bodies(coverage), share: 1 },
    { target: new Forms(), share: 0.1 },
    { target: eventStreams(), share: 1 },
    { target: jsonAnswers(), share: 0.1 },
    { target: new Requests(seed), share: 1 },
  ];
}
