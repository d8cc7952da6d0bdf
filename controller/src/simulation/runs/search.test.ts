import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fastest, fewest } from "./search.ts";

/** Counts what is tried. */
function counted<Value>(test: (value: Value) => boolean) {
  const tried: Value[] = [];
  const asked = (value: Value): Promise<boolean> => {
    tried.push(value);
    return Promise.resolve(test(value));
  };
  return { tried, asked };
}

describe("the search for the fewest servers", () => {
  it("finds every number from wherever it starts, in few steps", async () => {
    for (const start of [1, 8, 100]) {
      for (let needed = 1; needed <= 200; needed++) {
        const { tried, asked } = counted((endpoints: number) => endpoints >= needed);
        assert.equal(await fewest(asked, start, 8192), needed, `from ${start}`);
        assert.ok(tried.length <= 17, `${tried.length} steps for ${needed} from ${start}`);
        assert.equal(new Set(tried).size, tried.length, "nothing is tried twice");
      }
    }
  });

  it("ends where not even the most are enough", async () => {
    const { tried, asked } = counted((_: number) => false);
    assert.equal(await fewest(asked, 8, 100), undefined);
    assert.deepEqual(tried, [8, 16, 32, 64, 100]);
  });
});

describe("the search for the highest speed", () => {
  it("finds it within 2 %, and never one that is not borne", async () => {
    for (const most of [0.02, 0.9, 1, 3.37, 5.5, 40, 999]) {
      const { tried, asked } = counted((speed: number) => speed <= most);
      const found = await fastest(asked, 1);
      assert.ok(found !== undefined && found <= most && found >= most / 1.03, `${found} of ${most}`);
      assert.ok(tried.length <= 20, `${tried.length} steps`);
    }
  });

  it("ends where no speed is borne, and where every speed is", async () => {
    assert.equal(await fastest(() => Promise.resolve(false), 4), undefined);
    assert.equal(await fastest(() => Promise.resolve(true), 4), 4096);
  });
});
