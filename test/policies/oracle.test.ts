import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { PickingCore } from "../../controller/src/core/picking-core.ts";
import { hardware } from "../../controller/src/simulation/hardware.ts";
import type { PolicyFigures } from "../../controller/src/simulation/replay/outcomes.ts";
import { replay } from "../../controller/src/simulation/replay/replay.ts";
import { generateRequests } from "../../controller/src/simulation/traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../../controller/src/simulation/traces/profiles.ts";
import { coreModule } from "../core/core.ts";
import { NetGoodputOracle } from "./net-goodput-oracle.ts";

const SEED = 7;
const HARDWARE = hardware("llama-3.1-8b-h100");
/** Priors of the core: those of this hardware. */
const PRIOR = [HARDWARE.c0Ms, HARDWARE.cKvMs, HARDWARE.cSeqMs + HARDWARE.cTokMs, HARDWARE.cTokMs] as const;
/** Past the rate at which round robin keeps the objectives of half of them. */
const SPEED = 6.2;

const common = {
  hardware: HARDWARE,
  endpoints: 8,
  scrapeIntervalMs: 50,
  speed: SPEED,
  objectives: { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 },
};

const traffic = () => generateRequests({ profile: MOONCAKE_CONVERSATION, seed: SEED, durationMs: 600_000 });

async function byCore(policy: string): Promise<PolicyFigures> {
  const core = new PickingCore(coreModule(), BigInt(SEED));
  const { outcomes } = await replay(traffic(), {
    ...common,
    core,
    profile: { profile: policy, scorers: [] },
  });
  return outcomes.figures(policy);
}

async function byOracle(options: { readonly withViolations?: boolean } = {}): Promise<PolicyFigures> {
  const { outcomes } = await replay(traffic(), {
    ...common,
    picker: (servers) =>
      new NetGoodputOracle({
        objectives: common.objectives,
        capacityTokens: servers.map(({ hw }) => hw.kvBlocks * hw.blockTokens),
        prior: PRIOR,
        ...options,
      }),
  });
  return outcomes.figures("oracle");
}

describe(`net goodput past the knee, on generated conversations (seed ${SEED})`, () => {
  let core: PolicyFigures;
  let oracle: PolicyFigures;

  before(async () => {
    core = await byCore("net-goodput");
    oracle = await byOracle();
  });

  it("loses little against exact sums over everything in flight", () => {
    assert.ok(
      core.goodputRatio > oracle.goodputRatio - 0.03,
      `${core.goodputRatio} against ${oracle.goodputRatio}`,
    );
  });

  it("finds most of the cached prefixes that an exact index finds", () => {
    assert.ok(
      core.cacheHitRatio > 0.8 * oracle.cacheHitRatio,
      `${core.cacheHitRatio} against ${oracle.cacheHitRatio}`,
    );
  });

  for (const policy of ["lmetric", "sticky", "epp", "round-robin"]) {
    it(`keeps its objectives more often than ${policy}`, async () => {
      const other = await byCore(policy);
      assert.ok(core.goodputRatio > other.goodputRatio + 0.06, `${core.goodputRatio}, ${other.goodputRatio}`);
    });
  }

  it("owes that to what those in flight can bear", async () => {
    const blind = await byOracle({ withViolations: false });
    assert.ok(
      oracle.goodputRatio > blind.goodputRatio + 0.03,
      `${oracle.goodputRatio}, ${blind.goodputRatio}`,
    );
  });
});
