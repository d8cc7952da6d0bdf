import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KubernetesObjects } from "../kubernetes/objects.ts";
import { built, objective, objects, pod, pool } from "../sources/kubernetes/test-objects.ts";
import type { Check } from "./check.ts";
import { checkObjects, checkPods } from "./object-checks.ts";

function words(checks: readonly Check[]): readonly string[] {
  for (const { status, remedy } of checks) {
    assert.equal(remedy !== undefined, status === "warning" || status === "failure");
  }
  return checks.map(({ status, name, seen }) => `${status} ${name}: ${seen}`);
}

function look(parts: Partial<KubernetesObjects>) {
  const outcome = built(parts);
  return { found: words(checkObjects(outcome)), pods: words(checkPods(objects(parts), outcome)) };
}

describe("the objects", () => {
  it("in order are counted", () => {
    const { found, pods } = look({ pools: [pool("chat")], pods: [pod("a", "chat", "10.0.0.1")] });
    assert.deepEqual(found, ["ok pools: 1 InferencePool accepted"]);
    assert.deepEqual(pods, ["ok pool llm/chat: 1 Pod ready"]);
  });

  it("without any pool are a failure", () => {
    assert.deepEqual(look({}).found, ["failure pools: no InferencePool"]);
  });

  it("have a pool that is not accepted fail, and the others counted", () => {
    const { found } = look({ pools: [pool("bad", { ports: [0] }), pool("chat")] });
    assert.equal(found.length, 2);
    assert.match(found[0] ?? "", /^failure InferencePool llm\/bad: .*port/i);
    assert.equal(found[1], "ok pools: 1 InferencePool accepted");
  });

  it("have what is wrong with another object as a warning", () => {
    const { found } = look({ pools: [pool("chat")], objectives: [objective("fast", "none", 1)] });
    assert.match(found[0] ?? "", /^warning InferenceObjective llm\/fast: .*none/);
  });

  it("have a pool that is left to its own endpoint picker as not looked at", () => {
    const spec = { endpointPickerRef: { name: "epp", port: { number: 9002 } } };
    const { found, pods } = look({ pools: [pool("chat", { spec })] });
    assert.match(found[0] ?? "", /^skipped InferencePool llm\/chat: .*epp/);
    assert.deepEqual(pods, []);
    assert.doesNotMatch(found.join(), /^failure/);
  });
});

describe("a pool's Pods", () => {
  const pools = [pool("chat")];

  it("that there are none of fail with the labels", () => {
    const { pods } = look({ pools, pods: [pod("a", "other", "10.0.0.1")] });
    assert.deepEqual(pods, ["failure pool llm/chat: no Pod of namespace llm has the labels app=chat"]);
  });

  it("of another namespace are none", () => {
    const { pods } = look({ pools, pods: [pod("a", "chat", "10.0.0.1", { namespace: "other" })] });
    assert.match(pods[0] ?? "", /^failure/);
  });

  it("that are not ready are named: a warning for some, a failure for all", () => {
    const waiting = [
      pod("b", "chat", "10.0.0.2", { ready: false }),
      pod("c", "chat", "10.0.0.3", { phase: "Pending" }),
      pod("d", "chat", "10.0.0.4", { terminating: true }),
    ];
    assert.deepEqual(look({ pools, pods: [pod("a", "chat", "10.0.0.1"), ...waiting] }).pods, [
      "warning pool llm/chat: 3 of 4 Pods not ready: b, c, d",
    ]);
    assert.deepEqual(look({ pools, pods: waiting }).pods, [
      "failure pool llm/chat: 3 of 3 Pods not ready: b, c, d",
    ]);
  });

  it("that are ready and none of them an endpoint fail", () => {
    const inner = { labels: { app: "chat", "llm-d.ai/role": "prefill" } };
    const elsewhere = { annotations: { "llm-d.ai/active-ports": "9999" } };
    const none = [pod("a", "chat", "10.0.0.1", inner), pod("b", "chat", "10.0.0.2", elsewhere)];
    assert.deepEqual(look({ pools, pods: none }).pods, [
      "failure pool llm/chat: no endpoint, though 2 of 2 Pods ready",
    ]);
    const waiting = pod("c", "chat", "10.0.0.3", { ready: false });
    assert.deepEqual(look({ pools, pods: [...none, waiting] }).pods, [
      "failure pool llm/chat: no endpoint, though 2 of 3 Pods ready",
    ]);
    assert.deepEqual(look({ pools, pods: [...none, pod("d", "chat", "10.0.0.4")] }).pods, [
      "ok pool llm/chat: 3 Pods ready",
    ]);
  });

  it("of a pool whose spec is bad are not looked for", () => {
    assert.match(look({ pools: [pool("bad", { labels: {} })] }).pods[0] ?? "", /^skipped pool llm\/bad/);
  });
});
