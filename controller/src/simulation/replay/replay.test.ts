import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { coreModule } from "../../../../test/core/core.ts";
import { PickingCore } from "../../core/picking-core.ts";
import type { ProfileName } from "../../model.ts";
import { hardware } from "../hardware.ts";
import { generateRequests } from "../traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../traces/profiles.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { explanationText } from "./explanation.ts";
import { type CoreReplayOptions, replay } from "./replay.ts";

const POLICIES: readonly ProfileName[] = ["epp", "least-request", "round-robin", "random", "weighted"];

function options(policy: ProfileName, over: Partial<CoreReplayOptions> = {}): CoreReplayOptions {
  return {
    core: new PickingCore(coreModule(), 1n),
    profile: {
      profile: policy,
      scorers: policy === "weighted" ? [{ name: "running-requests", weight: 2 }] : [],
    },
    hardware: hardware("llama-3.1-8b-h100"),
    endpoints: 8,
    scrapeIntervalMs: 50,
    speed: 5,
    objectives: { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 },
    ...over,
  };
}

/** More than 200 requests. */
function traffic(seed: number): Iterable<TraceRequest> {
  return generateRequests({ profile: MOONCAKE_CONVERSATION, seed, durationMs: 120_000 });
}

/** Short requests at these times. */
function shorts(...arrivalsMs: readonly number[]): readonly TraceRequest[] {
  return arrivalsMs.map((arrivalMs) => ({ arrivalMs, promptTokens: 100, outputTokens: 5 }));
}

describe("a replay", () => {
  for (const policy of POLICIES) {
    it(`by ${policy} ends every request once and leaves nothing in flight`, async () => {
      // Past what the servers' memory bears, so that requests are pre-empted as well.
      const chosen = options(policy, { hardware: hardware("llama-3.1-8b-h100", { kvBlocks: 8200 }) });
      const { outcomes } = await replay(traffic(1), chosen);
      const { exports } = chosen.core;
      assert.ok(outcomes.arrived > 200, `${outcomes.arrived} requests`);
      assert.equal(outcomes.finished + outcomes.rejected, outcomes.arrived);
      assert.ok(outcomes.figures(policy).preemptions > 0);
      for (let row = 0; row < 8; row++) {
        const account = exports.rowAccount(row);
        assert.equal(exports.inFlight(account), 0);
        assert.equal(exports.inFlightUncached(account), 0n);
        assert.equal(exports.inFlightResident(account), 0n);
      }
    });

    it(`by ${policy} gives the same figures for the same seed`, async () => {
      const figures = async () => (await replay(traffic(2), options(policy))).outcomes.figures(policy);
      assert.deepEqual(await figures(), await figures());
    });
  }

  it("by chance depends on the seed", async () => {
    const figures = async (seed: bigint) => {
      const core = new PickingCore(coreModule(), seed);
      return (await replay(traffic(1), options("random", { core }))).outcomes.figures("random");
    };
    assert.notDeepEqual(await figures(1n), await figures(2n));
  });

  it("rejects what is longer than a server holds, and nothing else", async () => {
    const long = { arrivalMs: 0, promptTokens: 131_000, outputTokens: 73 };
    const chosen = options("least-request", { explain: 1 });
    const { outcomes, explanation } = await replay([long, ...shorts(1)], chosen);
    assert.deepEqual([outcomes.arrived, outcomes.rejected, outcomes.finished], [2, 1, 1]);
    assert.equal(explanation?.request, undefined);
    assert.match(explanationText(1, "p", explanation!), /rejected/);
    const fits = await replay([{ ...long, outputTokens: 72 }], options("least-request"));
    assert.equal(fits.outcomes.rejected, 0);
  });

  it("finds in the cache what an endpoint has computed before", async () => {
    const prefixBlocks = [0, 1];
    const requests = [0, 10_000].map((arrivalMs) => ({
      arrivalMs,
      promptTokens: 1000,
      outputTokens: 2,
      prefixBlocks,
    }));
    const { outcomes } = await replay(requests, options("epp", { endpoints: 1 }));
    // 62 full blocks of 16 tokens of the second prompt.
    assert.equal(outcomes.figures("epp").cacheHitRatio, (62 * 16) / 2000);
  });

  it("divides the times of arrival by its speed", async () => {
    const { explanation } = await replay(shorts(0, 500), options("epp", { speed: 5, explain: 2 }));
    assert.equal(explanation?.atMs, 100);
  });

  it("picks on what the last scrape found, and on what is in flight now", async () => {
    // The first three are in the batch well before the scrape at 50 ms; the fourth begins its step after it.
    const times = [0, 0, 0, 49, 51];
    const seen = async (number: number) => {
      const chosen = options("round-robin", { endpoints: 1, speed: 1, explain: number });
      const requests = shorts(...times).map((request) => ({ ...request, outputTokens: 500 }));
      const { explanation } = await replay(requests, chosen);
      const [endpoint] = explanation!.endpoints;
      return [explanation!.scrapeAgeMs, endpoint!.runningRequests, endpoint!.inFlight, endpoint!.place];
    };
    assert.deepEqual(await seen(1), [0, 0, 0, 1]);
    assert.deepEqual(await seen(4), [49, 0, 3, 1]);
    assert.deepEqual(await seen(5), [1, 3, 4, 1]);
  });

  it("counts the tokens of a prompt as uncached until its first token", async () => {
    const seen = async (arrivalMs: number) => {
      const { explanation } = await replay(
        shorts(0, arrivalMs).map((request) => ({ ...request, outputTokens: 500 })),
        options("epp", { endpoints: 1, speed: 1, explain: 2 }),
      );
      const [endpoint] = explanation!.endpoints;
      return [endpoint!.inFlightUncachedTokens, endpoint!.inFlightTokens];
    };
    assert.deepEqual(await seen(1), [100, 100]);
    assert.deepEqual(await seen(20), [0, 100]);
  });

  it("by round robin goes round, and explains the order with scores", async () => {
    const picked: (string | undefined)[] = [];
    for (let number = 1; number <= 4; number++) {
      const { explanation } = await replay(
        shorts(0, 0, 0, 0),
        options("round-robin", { endpoints: 3, explain: number }),
      );
      const { endpoints } = explanation!;
      picked.push(endpoints.find(({ place }) => place === 1)?.address);
      assert.deepEqual(endpoints.map(({ score }) => Math.abs(score)).sort(), [0, 1, 2]);
      assert.deepEqual(endpoints.map(({ place }) => place).sort(), [1, 2, 3]);
    }
    assert.equal(new Set(picked.slice(0, 3)).size, 3);
    assert.equal(picked[3], picked[0]);
  });

  it("explains in words what the core knew and how the request went", async () => {
    const { explanation } = await replay(shorts(0, 40), options("least-request", { speed: 1, explain: 2 }));
    const text = explanationText(2, "least-request", explanation!);
    assert.match(text, /^least-request: request 2 at 0\.040 s, 100 prompt tokens, 5 to answer/);
    assert.match(text, /^endpoint +pick +score +queued +running +KV used +in flight/m);
    assert.match(text, /first token after \d+\.\d ms, end after \d+\.\d ms; 0 prompt tokens were cached/);
    // Best first.
    assert.match(text.split("\n")[2]!, /^10\.0\.0\.\d:8000 +1 +1\.0000 /);
  });

  it("explains what a policy that forecasts expected", async () => {
    const { explanation } = await replay(shorts(0, 10), options("net-goodput", { speed: 1, explain: 2 }));
    const text = explanationText(2, "net-goodput", explanation!);
    assert.match(text, /first token ms +later tokens ms +ms taken from others/);
    // One of the endpoints has the request before, which would wait for it.
    const harmed = explanation!.endpoints.filter(({ terms }) => terms[2]! > 0);
    assert.deepEqual(
      harmed.map(({ inFlight }) => inFlight),
      [1],
    );
    assert.notEqual(harmed[0]!.place, 1);
  });
});
