/** A burst of unequal requests on unequally loaded servers, and how long its requests took. */
import type { PickingCore } from "../../controller/src/core/picking-core.ts";
import { hardware } from "../../controller/src/simulation/hardware.ts";
import { logNormal, type Random, seededRandom } from "../../controller/src/simulation/random.ts";
import { GatewayPicker } from "../../controller/src/simulation/replay/gateway-picker.ts";
import { replay } from "../../controller/src/simulation/replay/replay.ts";
import type { ReplayPicker } from "../../controller/src/simulation/replay/replay-picker.ts";
import type { TraceRequest } from "../../controller/src/simulation/traces/trace-request.ts";

const ENDPOINTS = 16;
/** What is there before: none to eleven requests on a server. */
const MOST_BEFORE = 12;
/** Everybody has heard of what was there before. */
const BURST_AT_MS = 400;
const BURST_REQUESTS = 200;
const MOST_PROMPT_TOKENS = 30_000;

const objectives = { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 };

export interface BurstTimes {
  /** Mean over the burst's requests: to the first token, and to the end. */
  readonly ttftMs: number;
  readonly endMs: number;
  readonly slowestTtftMs: number;
}

/**
 * @param cores that pick, by Envoy and worker
 * @param spanMs the burst's requests come within
 */
export async function burst(
  cores: readonly (readonly PickingCore[])[],
  profile: string,
  spanMs: number,
  seed: number,
): Promise<BurstTimes> {
  const random = seededRandom(seed);
  const placed: number[] = [];
  for (let server = 0; server < ENDPOINTS; server++) {
    for (let request = (server * 7) % MOST_BEFORE; request > 0; request--) placed.push(server);
  }
  const before = placed.map(() => ({
    arrivalMs: 0,
    promptTokens: promptTokens(random, 0.8),
    outputTokens: 300,
  }));
  const arriving = Array.from({ length: BURST_REQUESTS }, () => ({
    arrivalMs: BURST_AT_MS + spanMs * random(),
    promptTokens: promptTokens(random, 1.2),
    outputTokens: 1 + Math.round(logNormal(random, 150, 1)),
  })).sort((a, b) => a.arrivalMs - b.arrivalMs);
  const times = new Times(placed);
  await replay([...before, ...arriving], {
    hardware: hardware("llama-3.1-8b-h100"),
    endpoints: ENDPOINTS,
    scrapeIntervalMs: 500,
    speed: 1,
    objectives,
    picker: (servers) =>
      times.over(
        new GatewayPicker(servers, {
          cores,
          profile: { profile, scorers: [] },
          scrapeIntervalMs: 500,
          objectives,
        }),
      ),
  });
  return times.figures();
}

function promptTokens(random: Random, spread: number): number {
  return Math.min(MOST_PROMPT_TOKENS, 1 + Math.round(logNormal(random, 1500, spread)));
}

/** Puts the first requests where they are to be, and measures those after them. */
class Times {
  readonly #placed: readonly number[];
  readonly #openedMs = new Map<number, number>();
  readonly #ttftMs: number[] = [];
  readonly #endMs: number[] = [];
  #opened = 0;

  constructor(placed: readonly number[]) {
    this.#placed = placed;
  }

  over(picker: ReplayPicker): ReplayPicker {
    return {
      wantsProgress: picker.wantsProgress,
      scrape: (nowMs) => picker.scrape(nowMs),
      pick: (asked, nowMs) => {
        const picked = picker.pick(asked, nowMs);
        return this.#placed[this.#opened] ?? picked;
      },
      open: (asked: TraceRequest, server, nowMs) => {
        const flight = picker.open(asked, server, nowMs);
        if (this.#opened++ >= this.#placed.length) this.#openedMs.set(flight, nowMs);
        return flight;
      },
      firstToken: (flight, nowMs) => {
        const openedMs = this.#openedMs.get(flight);
        if (openedMs !== undefined) this.#ttftMs.push(nowMs - openedMs);
        picker.firstToken(flight, nowMs);
      },
      progress: (flight, tokens, nowMs) => picker.progress(flight, tokens, nowMs),
      finish: (flight, usage, nowMs) => {
        const openedMs = this.#openedMs.get(flight);
        if (openedMs !== undefined) this.#endMs.push(nowMs - openedMs);
        this.#openedMs.delete(flight);
        picker.finish(flight, usage, nowMs);
      },
    };
  }

  figures(): BurstTimes {
    return {
      ttftMs: mean(this.#ttftMs),
      endMs: mean(this.#endMs),
      slowestTtftMs: Math.max(...this.#ttftMs),
    };
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
