import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServiceObject } from "../../kubernetes/objects.ts";
import { built, pool, service, told } from "./test-objects.ts";

function clustersOf(services: readonly ServiceObject[], fields: Parameters<typeof pool>[1] = {}) {
  const outcome = built({ pools: [pool("llama", fields)], services }, { istio: true });
  return {
    clusters: outcome.inventory.pools[0]?.clusters.slice(1),
    told: told(outcome).filter((line) => !line.includes("NoReadyPod")),
    refs: outcome.pools[0]?.resolvedRefs.reason,
  };
}

const annotated = (value: string) => ({ annotations: { "inference-picker.io/service": value } });

describe("with Istio, a pool's clusters", () => {
  const own = service("vllm", { app: "llama" }, [
    { port: 80, targetPort: 8000 },
    { port: 9090, targetPort: 9090 },
  ]);

  it("are those of the one Service that has its selector and leads to its port", () => {
    const others = [
      service("metrics", { app: "llama" }, [{ port: 9090 }]),
      service("wider", {}, [{ port: 8000 }]),
      service("narrower", { app: "llama", tier: "gpu" }, [{ port: 8000 }]),
      service("elsewhere", { app: "llama" }, [{ port: 8000 }], { namespace: "other" }),
      service("by-name", { app: "llama" }, [{ port: 8000, targetPort: "http" }]),
    ];
    const { clusters, told: lines, refs } = clustersOf([...others, own]);
    assert.deepEqual(clusters, ["outbound|80||vllm.llm.svc.cluster.local"]);
    assert.deepEqual(lines, []);
    assert.equal(refs, "ResolvedRefs");
    assert.deepEqual(clustersOf([service("same", { app: "llama" }, [{ port: 8000 }])]).clusters, [
      "outbound|8000||same.llm.svc.cluster.local",
    ]);
  });

  it("are none where several Services could be meant, or none is", () => {
    const two = [own, service("other", { app: "llama" }, [{ port: 8000 }])];
    assert.deepEqual(clustersOf(two), {
      clusters: [],
      told: [
        "InferencePool llama: ServiceAmbiguous 2 Services select the pool's Pods at its ports (other, vllm); name one by inference-picker.io/service",
      ],
      refs: "ServiceAmbiguous",
    });
    assert.deepEqual(clustersOf([]), {
      clusters: [],
      told: [
        "InferencePool llama: ServiceNotFound no Service has the pool's selector and a port that leads to 8000; name one by inference-picker.io/service",
      ],
      refs: "ServiceNotFound",
    });
  });

  it("are those of the Service that it names, with or without the port", () => {
    const two = [own, service("other", { app: "x" }, [{ port: 7000, targetPort: "http" }])];
    assert.deepEqual(clustersOf(two, annotated("vllm")).clusters, [
      "outbound|80||vllm.llm.svc.cluster.local",
    ]);
    assert.deepEqual(clustersOf(two, annotated("vllm:9090")).clusters, [
      "outbound|9090||vllm.llm.svc.cluster.local",
    ]);
    assert.deepEqual(clustersOf(two, annotated("other")).clusters, [
      "outbound|7000||other.llm.svc.cluster.local",
    ]);
    const wrong: readonly (readonly [string, string])[] = [
      ["gone", "ServiceNotFound inference-picker.io/service: Service gone is not there"],
      ["vllm:81", "ServiceNotFound inference-picker.io/service: Service vllm has no port 81"],
      ["a/b", "InvalidAnnotation inference-picker.io/service: a/b is not name or name:port"],
    ];
    for (const [value, words] of wrong) {
      const found = clustersOf(two, annotated(value));
      assert.deepEqual([found.clusters, found.told], [[], [`InferencePool llama: ${words}`]]);
    }
    const many = service("many", { app: "x" }, [{ port: 1 }, { port: 2 }]);
    assert.deepEqual(clustersOf([many], annotated("many")).told, [
      "InferencePool llama: ServiceNotFound inference-picker.io/service: Service many has no port that leads to 8000; name one",
    ]);
  });

  it("are also those of the Service that Istio makes of the pool, which makes nothing ambiguous", () => {
    const shadow = service("llama-ip-1", { app: "llama" }, [{ port: 54321, targetPort: 8000 }], {
      labels: { "istio.io/inferencepool-name": "llama" },
    });
    const foreign = service("other-ip-2", { app: "llama" }, [{ port: 54321, targetPort: 8000 }], {
      labels: { "istio.io/inferencepool-name": "other" },
    });
    assert.deepEqual(clustersOf([shadow, foreign]).clusters, [
      "outbound|54321||llama-ip-1.llm.svc.cluster.local",
    ]);
    assert.deepEqual(clustersOf([shadow, foreign]).told, []);
    assert.deepEqual(clustersOf([shadow, own]).clusters, [
      "outbound|80||vllm.llm.svc.cluster.local",
      "outbound|54321||llama-ip-1.llm.svc.cluster.local",
    ]);
  });

  it("are not looked for without it, and then there is a route", () => {
    const parts = { pools: [pool("llama")], services: [own] };
    const without = built(parts).inventory;
    assert.deepEqual([without.pools[0]?.clusters, without.routes.length], [["llm/llama"], 1]);
    const context = { istio: true, clusterDomain: "example.org" };
    const { pools, routes } = built(parts, context).inventory;
    assert.deepEqual(
      [pools[0]?.clusters, routes],
      [["llm/llama", "outbound|80||vllm.llm.svc.example.org"], []],
    );
  });

  it("are its own although an older pool claims their names", () => {
    const derived = "outbound|80||vllm.llm.svc.cluster.local";
    const claiming = pool("claiming", { age: 9, config: `clusters: ["${derived}"]` });
    const { inventory, findings } = built(
      { pools: [claiming, pool("llama")], services: [own] },
      { istio: true },
    );
    assert.deepEqual(
      inventory.pools.map(({ clusters }) => clusters),
      [["llm/claiming"], ["llm/llama", derived]],
    );
    assert.ok(
      findings.some(({ object, reason }) => object.name === "claiming" && reason === "DuplicateCluster"),
    );
  });
});
