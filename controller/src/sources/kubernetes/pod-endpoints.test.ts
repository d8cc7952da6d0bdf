import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodObject } from "../../kubernetes/objects.ts";
import { built, pod, pool, told } from "./test-objects.ts";

const ACTIVE = "inference.networking.k8s.io/active-ports";
const ACTIVE_LLMD = "llm-d.ai/active-ports";

function endpointsOf(ports: readonly number[], ...pods: readonly PodObject[]): readonly string[] {
  const [spec] = built({ pools: [pool("llama", { ports })], pods }).inventory.pools;
  return (spec?.endpoints ?? []).map(({ name, host, port }) => `${name} ${host}:${port}`);
}

describe("a Pod", () => {
  it("is an endpoint while it runs, is ready and stays", () => {
    const one = (fields: Parameters<typeof pod>[3]) =>
      endpointsOf([8000], pod("a", "llama", "10.0.0.1", fields));
    assert.deepEqual(one({}), ["a 10.0.0.1:8000"]);
    for (const fields of [{ ready: false }, { terminating: true }, { phase: "Failed" }, { phase: "Pending" }])
      assert.deepEqual(one(fields), [], JSON.stringify(fields));
    const { ip: _, ...addressless } = pod("a", "llama", "10.0.0.1");
    assert.deepEqual(endpointsOf([8000], addressless), []);
  });

  it("is of the pool only in its own namespace and with all of the labels", () => {
    const labels = { app: "llama", tier: "gpu" };
    const select = (fields: Parameters<typeof pod>[3]) =>
      built({ pools: [pool("p", { labels })], pods: [pod("a", "llama", "10.0.0.1", fields)] }).inventory
        .pools[0]?.endpoints.length;
    assert.equal(select({ labels: { tier: "gpu", more: "x" } }), 1);
    assert.equal(select({ labels: { tier: "cpu" } }), 0);
    assert.equal(select({}), 0);
    assert.equal(select({ labels: { tier: "gpu" }, namespace: "other" }), 0);
  });

  it("is an endpoint at each of the pool's ports, and bears the port where there are several", () => {
    assert.deepEqual(endpointsOf([8000, 8001], pod("a", "llama", "fd00::0:1")), [
      "a-8000 fd00::1:8000",
      "a-8001 fd00::1:8001",
    ]);
  });

  it("has those of its labels that the pool tells endpoints apart by", () => {
    const labels = { tier: "gold", context: "0-4096", other: "x" };
    const endpoints = (config: string) =>
      built({
        pools: [pool("llama", { config })],
        pods: [pod("a", "llama", "10.0.0.1", { labels }), pod("b", "llama", "10.0.0.2")],
      }).inventory.pools[0]!.endpoints.map((endpoint) => endpoint.labels);
    assert.deepEqual(endpoints("{}"), [undefined, undefined]);
    assert.deepEqual(
      endpoints("{contextLengthLabel: context, classes: {header: x-tier, values: [{labels: [tier=gold]}]}}"),
      [{ tier: "gold", context: "0-4096" }, undefined],
    );
  });

  it("narrows the ports by either annotation, the newer first, and is none without a known port", () => {
    const one = (annotations: Readonly<Record<string, string>>) =>
      endpointsOf([8000, 8001, 8002], pod("a", "llama", "10.0.0.1", { annotations })).map((text) =>
        text.slice(-4),
      );
    assert.deepEqual(one({ [ACTIVE]: "8002, 8000" }), ["8000", "8002"]);
    assert.deepEqual(one({ [ACTIVE]: "8002", [ACTIVE_LLMD]: "8001" }), ["8001"]);
    assert.deepEqual(one({ [ACTIVE]: "" }), []);
    assert.deepEqual(one({ [ACTIVE]: "9000,x,8001" }), ["8001"]);
    const outcome = built({
      pools: [pool("llama")],
      pods: [pod("a", "llama", "10.0.0.1", { annotations: { [ACTIVE]: "9000,8000" } })],
    });
    assert.deepEqual(told(outcome), [
      `Pod a: InvalidAnnotation ${ACTIVE}: 9000 is none of the pool's ports 8000`,
    ]);
  });

  it("says by a label whose metrics it has; a word that is not known is the pool's engine", () => {
    const engine = (label: string) => {
      const outcome = built({
        pools: [pool("llama", { config: "engine: sglang" })],
        pods: [pod("a", "llama", "10.0.0.1", { labels: { "llm-d.ai/engine-type": label } })],
      });
      return [outcome.inventory.pools[0]?.endpoints[0]?.engine, ...told(outcome)];
    };
    assert.deepEqual(engine("vllm"), ["vllm"]);
    assert.deepEqual(engine("trtllm-serve"), ["trtllm"]);
    assert.deepEqual(engine("triton-tensorrt-llm"), ["triton"]);
    assert.deepEqual(engine("toString"), [
      "sglang",
      "Pod a: InvalidAnnotation label llm-d.ai/engine-type: toString is not one of vllm, sglang, trtllm, trtllm-serve, triton, triton-tensorrt-llm; taken for sglang",
    ]);
  });

  it("for prefill or encoding alone takes no requests from here", () => {
    const role = (label: string) =>
      endpointsOf([8000], pod("a", "llama", "10.0.0.1", { labels: { "llm-d.ai/role": label } })).length;
    assert.deepEqual(["prefill", "encode", "encode-prefill"].map(role), [0, 0, 0]);
    assert.deepEqual(["decode", "both", "prefill-decode", "encode-prefill-decode"].map(role), [1, 1, 1, 1]);
  });

  it("at an address that another has, or at none, is left out and told of", () => {
    const outcome = built({
      pools: [pool("llama")],
      pods: [pod("a", "llama", "10.0.0.1"), pod("b", "llama", "10.0.0.1"), pod("c", "llama", "somewhere")],
    });
    assert.equal(outcome.inventory.pools[0]?.endpoints.length, 1);
    assert.deepEqual(told(outcome), [
      "Pod b: DuplicateAddress 10.0.0.1:8000 is also an endpoint of Pod a",
      "Pod c: InvalidSpec status.podIP: somewhere is not an IP address",
    ]);
  });

  it("with a long name keeps its end", () => {
    const [name] = endpointsOf([8000, 8001], pod(`${"a".repeat(250)}xyz`, "llama", "10.0.0.1"));
    assert.equal(name, `${"a".repeat(245)}xyz-8000 10.0.0.1:8000`);
  });
});
