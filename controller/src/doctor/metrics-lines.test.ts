import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { labelOf, readSeries, readStats } from "./metrics-lines.ts";

describe("the lines of a metrics page", () => {
  it("give name, labels and number, and comments or garbage nothing", () => {
    assert.deepEqual(readSeries('# TYPE a gauge\na 1\nb{x="{ }",y="1"} 2.5 1700000000\nc nonsense\n\n'), [
      { name: "a", labels: "", value: 1 },
      { name: "b", labels: '{x="{ }",y="1"}', value: 2.5 },
    ]);
  });

  it("have labels by their whole name", () => {
    assert.equal(labelOf('{ref="no",build_ref="1.2"}', "build_ref"), "1.2");
    assert.equal(labelOf('{build_ref="1.2",ref="yes"}', "ref"), "yes");
    assert.equal(labelOf("", "ref"), undefined);
  });
});

describe("the lines of Envoy's stats", () => {
  it("are counters and gauges by their names, whatever these hold", () => {
    const page = 'a.b: 1\ncluster.x: y;z: 20\ntext.version_text: "v"\nhistogram: P0(1,1) P25(2,2)\n';
    assert.deepEqual(
      [...readStats(page)],
      [
        ["a.b", 1],
        ["cluster.x: y;z", 20],
      ],
    );
  });
});
