import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { coreModule } from "../../../../test/core/core.ts";
import { PickingCore } from "../../core/picking-core.ts";
import { hardware } from "../hardware.ts";
import { generateRequests } from "../traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../traces/profiles.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { GatewayPicker } from "./gateway-picker.ts";
import { replay } from "./replay.ts";

const objectives = { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 };
const profile = { profile: "net-goodput", scorers: [] };
const common = {
  hardware: hardware("llama-3.1-8b-h100"),
  endpoints: 4,
  scrapeIntervalMs: 50,
  speed: 2,
  objectives,
};

function traffic(): Iterable<TraceRequest> {
  return generateRequests({ profile: MOONCAKE_CONVERSATION, seed: 5, durationMs: 120_000 });
}

/** A replay by `envoys` Envoys of `workers` workers, and the cores that picked. */
async function replayedBy(envoys: number, workers: number, requests = traffic()) {
  const cores = Array.from({ length: envoys }, (_, envoy) =>
    Array.from(
      { length: workers },
      (_, worker) => new PickingCore(coreModule(), BigInt(1 + envoy * workers + worker)),
    ),
  );
  const { outcomes } = await replay(requests, {
    ...common,
    picker: (servers) => new GatewayPicker(servers, { cores, profile, scrapeIntervalMs: 50, objectives }),
  });
  return { outcomes, cores: cores.flat() };
}

describe("several Envoys of several workers", () => {
  it("pick as one core does where there is one", async () => {
    const { outcomes } = await replayedBy(1, 1);
    const alone = await replay(traffic(), {
      ...common,
      core: new PickingCore(coreModule(), 1n),
      profile,
    });
    assert.deepEqual(outcomes.figures("net-goodput"), alone.outcomes.figures("net-goodput"));
  });

  it("end every request and have nothing in flight then", async () => {
    const { outcomes, cores } = await replayedBy(2, 2);
    assert.ok(outcomes.arrived > 150, `${outcomes.arrived} requests`);
    assert.equal(outcomes.finished + outcomes.rejected, outcomes.arrived);
    for (const { exports } of cores) assert.equal(exports.flightCount(), 0);
  });

  it("know of each other's prompts: a prompt that comes again goes where it was", async () => {
    const prompt = {
      promptTokens: 20_000,
      outputTokens: 20,
      prefixBlocks: Array.from({ length: 40 }, (_, i) => i),
    };
    // Four times, so that each worker has it once; between two of them the servers are idle.
    const requests = [0, 10_000, 20_000, 30_000].map((arrivalMs) => ({ ...prompt, arrivalMs }));
    const { outcomes } = await replayedBy(2, 2, requests);
    assert.ok(outcomes.figures("net-goodput").cacheHitRatio > 0.74);
  });
});
