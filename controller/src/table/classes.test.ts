import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndpointSpec, PickingSpec } from "../model.ts";
import { classesOf, parseRange } from "./classes.ts";

const PICKING: PickingSpec = {
  ttft: { baseMs: 1000, perThousandMs: 62.5 },
  tpotMs: 40,
  objectiveHeaders: false,
  subset: "none",
  sessionAffinity: false,
};

function endpoint(labels?: Readonly<Record<string, string>>): EndpointSpec {
  const spec = { name: "e", host: "10.0.0.1", port: 80, engine: "vllm" } as const;
  return labels === undefined ? spec : { ...spec, labels };
}

function classes(picking: Partial<PickingSpec>, ...labels: readonly Readonly<Record<string, string>>[]) {
  const endpoints = labels.map(endpoint);
  const { rows, bitsOf } = classesOf({ ...PICKING, ...picking }, endpoints);
  return { rows, bits: endpoints.map(bitsOf) };
}

describe("classes by header", () => {
  it("have the endpoints that bear all of their labels", () => {
    const values = [
      { value: "gold", labels: { tier: "gold", gpu: "h100" } },
      { labels: { tier: "standard" } },
      { value: "any", labels: {} },
    ];
    const { rows, bits } = classes(
      { classes: { header: "x-tier", values } },
      { tier: "gold", gpu: "h100" },
      { tier: "gold" },
      { tier: "standard", other: "x" },
      {},
    );
    assert.deepEqual(rows, [{ header: "gold" }, { header: "" }, { header: "any" }]);
    assert.deepEqual(bits, [0b101, 0b100, 0b110, 0b100]);
  });

  it("do not take what every object has for a label", () => {
    const values = [{ value: "x", labels: { constructor: "Object" } }];
    assert.deepEqual(classes({ classes: { header: "h", values } }, {}).bits, [0]);
  });
});

describe("classes by length", () => {
  const byLength = (...ranges: readonly string[]) =>
    classes({ contextLengthLabel: "context" }, ...ranges.map((context) => ({ context })));

  it("are the endpoints' ranges, cut so that no two overlap", () => {
    const { rows, bits } = byLength("0-2048", "0-8192", "4096-8192", "20000-30000");
    assert.deepEqual(rows, [
      { minTokens: 0, maxTokens: 2048 },
      { minTokens: 2049, maxTokens: 4095 },
      { minTokens: 4096, maxTokens: 8192 },
      { minTokens: 20000, maxTokens: 30000 },
    ]);
    assert.deepEqual(bits, [0b0001, 0b0111, 0b0100, 0b1000]);
  });

  it("have every endpoint whose label is no range, or missing", () => {
    const { rows, bits } = byLength("0-10", "long", "10-0");
    assert.equal(rows.length, 1);
    assert.deepEqual(bits, [1, 1, 1]);
    assert.deepEqual(classes({ contextLengthLabel: "context" }, { other: "0-10" }).rows, []);
  });

  it("that find no room are taken for lengths that no endpoint is for", () => {
    const ranges = Array.from({ length: 40 }, (_, at) => `${at * 10}-${at * 10 + 9}`);
    const { rows, bits } = byLength(...ranges);
    assert.equal(rows.length, 32);
    assert.equal(bits[31], 2 ** 31);
    assert.equal(bits[39], 0);
  });

  it("are whole numbers of 32 bits", () => {
    assert.deepEqual(parseRange("0-4294967295"), { minTokens: 0, maxTokens: 4294967295 });
    for (const written of ["0-4294967296", "-1-5", "1", "1-2-3", " 1-2", "5-4", "", undefined]) {
      assert.equal(parseRange(written), undefined, written);
    }
  });
});
