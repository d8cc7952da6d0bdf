/** What a request has to keep to count as goodput. */
import type { TtftObjective } from "../../model.ts";

export { parseTpotObjective, parseTtftObjective } from "../../latency-objectives.ts";
export type { TtftObjective };

export interface Objectives {
  readonly ttft: TtftObjective;
  /** Time per output token after the first, > 0. */
  readonly tpotMs: number;
}

/** Longest time to first token that this prompt may have, ms. */
export function ttftBoundMs({ baseMs, perThousandMs }: TtftObjective, promptTokens: number): number {
  return baseMs + (perThousandMs * promptTokens) / 1000;
}
