import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MAX_LISTED_MODELS, NotAModelList, readModelList } from "./model-list.ts";

const FIXTURE = fileURLToPath(new URL("../../../test/fixtures/vllm-0.32/models.json", import.meta.url));

const read = (data: unknown) => readModelList(Buffer.from(JSON.stringify({ object: "list", data })));

describe("a list of models", () => {
  it("of vLLM has its base model and its adapters", () => {
    assert.deepEqual(readModelList(readFileSync(FIXTURE)), {
      models: [
        { name: "tiny-llama", adapter: false },
        { name: "lora-a", adapter: true },
        { name: "lora-b", adapter: true },
      ],
      dropped: 0,
    });
  });

  it("needs no more than names: without a parent a model is a base", () => {
    assert.deepEqual(read([{ id: "meta/Läma 3" }, { id: "b", parent: null }, { id: "meta/Läma 3" }]).models, [
      { name: "meta/Läma 3", adapter: false },
      { name: "b", adapter: false },
    ]);
    assert.deepEqual(read([]), { models: [], dropped: 0 });
  });

  it("leaves out what no table can carry, and counts it", () => {
    const long = "é".repeat(128);
    const bad = [{ id: `${long}x` }, { id: "" }, { id: 7 }, { id: "a\nb" }, { id: "\ud800" }, null, "c", {}];
    assert.deepEqual(read([...bad, { id: long }]), {
      models: [{ name: long, adapter: false }],
      dropped: bad.length,
    });
  });

  it("is read up to its bound, and the rest is counted", () => {
    const many = Array.from({ length: MAX_LISTED_MODELS + 3 }, (_, index) => ({ id: `m${index}` }));
    const { models, dropped } = read(many);
    assert.deepEqual([models.length, dropped], [MAX_LISTED_MODELS, 3]);
  });

  for (const page of ["", "<html>", "null", "[]", "7", '{"data":{}}', '{"object":"list"}', '{"data":[}']) {
    it(`is not to be found in ${JSON.stringify(page)}, and the page is not quoted`, () => {
      assert.throws(
        () => readModelList(Buffer.from(page)),
        (error) => {
          assert.ok(error instanceof NotAModelList);
          assert.match(error.message, /^(not JSON|no list in data)$/);
          return true;
        },
      );
    });
  }

  it("may nest without bound where nobody looks", () => {
    const depth = 200_000;
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const page = Buffer.from(`{"data":[{"id":"a","permission":${deep}}]}`);
    assert.deepEqual(readModelList(page).models, [{ name: "a", adapter: false }]);
  });
});
