import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InventoryBuilder } from "./inventory-builder.ts";
import { pool } from "./test-objects.ts";

describe("a change of a pool", () => {
  const settings = { pickerRef: "ignore", clusterDomain: "cluster.local", istio: false } as const;

  it("is none where its status, version or labels alone have changed", () => {
    const builder = new InventoryBuilder({ settings });
    const before = pool("llama", { config: "profile: random" });
    builder.set("pools", "llm", "llama", before);
    const built = builder.build();
    const meta = { ...before.meta, resourceVersion: "2", labels: { team: "a" } };
    builder.set("pools", "llm", "llama", { ...structuredClone(before), meta, status: { parents: [] } });
    assert.equal(builder.build(), built);
  });

  it("is one where its spec, generation, annotations or uid have", () => {
    const before = pool("llama");
    const { meta } = before;
    for (const after of [
      pool("llama", { ports: [8001] }),
      { ...before, meta: { ...meta, generation: 2 } },
      pool("llama", { config: "profile: random" }),
      { ...before, meta: { ...meta, uid: "another" } },
    ]) {
      const builder = new InventoryBuilder({ settings });
      builder.set("pools", "llm", "llama", before);
      const built = builder.build();
      builder.set("pools", "llm", "llama", after);
      assert.notEqual(builder.build(), built);
    }
  });
});
