import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { executeRun } from "../../../controller/src/simulation/runs/run.ts";
import { coreModule } from "../../core/core.ts";
import { kneeOf } from "./knee.ts";
import { SECTIONS, specOf, trafficOf } from "./plan.ts";

describe("the comparison of the policies", () => {
  it("finds the knee within half a percent, below and above the recorded rate", async () => {
    for (const knee of [0.4, 4.7, 50]) {
      const found = await kneeOf((speed) => Promise.resolve(1 / (1 + (speed / knee) ** 4)));
      assert.ok(Math.abs(found / knee - 1) < 0.005, `${found} for ${knee}`);
    }
  });

  it("takes three windows that do not meet, none of them of the rows that constants were tuned on", () => {
    const [mooncake, azure] = trafficOf("folder");
    assert.deepEqual(
      mooncake?.windows.map(({ skip, requests }) => [skip, skip + requests]),
      [
        [3000, 6000],
        [6000, 9000],
        [9000, 12_000],
      ],
    );
    assert.deepEqual(
      azure?.windows.map(({ skip, requests }) => [skip, skip + requests]),
      [
        [6400, 10_700],
        [10_700, 15_000],
        [15_000, 19_300],
      ],
    );
  });

  it("generates traffic of three seeds where there are no recordings", () => {
    for (const { windows } of trafficOf(undefined)) {
      assert.equal(new Set(windows.map(({ seed }) => seed)).size, 3);
      assert.ok(windows.every(({ file }) => file === undefined));
    }
  });

  for (const section of SECTIONS) {
    for (const row of section.rows) {
      it(`can run ${row.title} of the section ${section.name}`, async () => {
        const window = { ...trafficOf(undefined)[0]!.windows[0]!, requests: 60 };
        const { figures, missing } = await executeRun(specOf(section, row, window, 4), coreModule());
        assert.ok(figures.goodputRatio > 0.5, `${figures.goodputRatio}`);
        assert.deepEqual(missing, []);
      });
    }
  }

  it("tells the core wrong token counts where it says so", async () => {
    const section = SECTIONS.find(({ name }) => name === "errors")!;
    const window = { ...trafficOf(undefined)[0]!.windows[0]!, requests: 400 };
    const figuresOf = async (title: string) => {
      const row = section.rows.find((each) => each.title === title)!;
      return (await executeRun(specOf(section, row, window, 5), coreModule())).figures;
    };
    const right = await figuresOf("as it is");
    assert.notDeepEqual(await figuresOf("tokens ± 20 %"), right);
    assert.notDeepEqual(await figuresOf("priors × 2"), right);
  });
});
