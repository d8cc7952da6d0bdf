import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endpointsOf, hardwareOf, mixText, parseServerMix, scaled } from "./server-mix.ts";

const LLAMA = "llama-3.1-8b-h100";

describe("a pool of simulated servers", () => {
  it("is of one kind, as many as asked for", () => {
    assert.deepEqual(parseServerMix(LLAMA, undefined, 8), [{ name: LLAMA, speed: 1, count: 8 }]);
    assert.deepEqual(parseServerMix(LLAMA, 3, 8), [{ name: LLAMA, speed: 1, count: 3 }]);
    assert.deepEqual(parseServerMix(`${LLAMA}@0.5`, 3, 8), [{ name: LLAMA, speed: 0.5, count: 3 }]);
  });

  it("is of several kinds, each with its number and its speed", () => {
    const mix = parseServerMix(`${LLAMA}:4, ${LLAMA}@0.4:2,qwen3-14b-h100:1`, undefined, 8);
    assert.deepEqual(
      mix.map(({ name, speed, count }) => [name, speed, count]),
      [
        [LLAMA, 1, 4],
        [LLAMA, 0.4, 2],
        ["qwen3-14b-h100", 1, 1],
      ],
    );
    assert.equal(endpointsOf(mix), 7);
    const servers = hardwareOf(mix);
    assert.equal(servers.length, 7);
    assert.equal(servers[4]!.c0Ms, servers[0]!.c0Ms / 0.4);
    assert.equal(servers[6]!.name, "qwen3-14b-h100");
    assert.equal(mixText(mix.slice(1, 2)), `2 × ${LLAMA} at 0.4 of its speed`);
  });

  it("keeps its proportions in another size, as nearly as whole servers allow", () => {
    const mix = parseServerMix(`${LLAMA}:4,${LLAMA}@0.4:2`, undefined, 8);
    const counts = (endpoints: number) => scaled(mix, endpoints).map(({ count }) => count);
    assert.deepEqual(counts(6), [4, 2]);
    assert.deepEqual(counts(12), [8, 4]);
    assert.deepEqual(counts(4), [3, 1]);
    assert.deepEqual(counts(1), [1]);
    for (let endpoints = 1; endpoints <= 40; endpoints++) {
      assert.equal(endpointsOf(scaled(mix, endpoints)), endpoints);
    }
  });

  it("is refused with the flag, the value and what it may be", () => {
    const wrong: readonly (readonly [string, number | undefined, string, RegExp])[] = [
      ["h100", undefined, "CONFIG_REFERENCE", /"h100" is none of llama-3\.1-8b-h100, /],
      ["", undefined, "CONFIG_REFERENCE", /"" is none of/],
      [`${LLAMA}:0`, undefined, "CONFIG_RANGE", /number is an integer from 1 to 8192/],
      [`${LLAMA}:2.5`, undefined, "CONFIG_RANGE", /number is an integer/],
      [`${LLAMA}@0:2`, undefined, "CONFIG_RANGE", /speed is a number from 0\.01 to 100/],
      [`${LLAMA}:5000,${LLAMA}@2:5000`, undefined, "CONFIG_RANGE", /"10000" is not at most 8192 servers/],
      [`${LLAMA}:1,${LLAMA}@2`, undefined, "CONFIG_MISSING", /needs a number for each kind/],
      [`${LLAMA},${LLAMA}@2`, 8, "CONFIG_MISSING", /needs a number for each kind/],
      [`${LLAMA}:4`, 8, "CONFIG_CONFLICT", /--endpoints: is given where --server has numbers/],
    ];
    for (const [written, endpoints, code, message] of wrong) {
      assert.throws(() => parseServerMix(written, endpoints, 8), { code, message }, written);
    }
  });
});
