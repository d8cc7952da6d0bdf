import assert from "node:assert/strict";
import { test } from "node:test";
import { feeds, inferencePoolService, istioCluster } from "./set-up.ts";
import { setUpOf } from "./test-set-up.ts";

test("the Service of an InferencePool is named as Istio names it, cut where it would be too long", () => {
  assert.equal(
    inferencePoolService("very-long-inference-pool-name-that-should-be-truncated-properly"),
    "very-long-inference-pool-name-that-should-be-trunca-ip-6d24df6a",
  );
  assert.match(inferencePoolService("llama"), /^llama-ip-[0-9a-f]{8}$/);
  assert.equal(inferencePoolService("a".repeat(63)).length, 63);
});

test("the cluster of a pool is the one that Istio makes of its Service", () => {
  const [pool] = setUpOf("envoyfilter").pools;
  assert.equal(istioCluster(pool!, "cluster.local"), "outbound|8000||vllm.demo.svc.cluster.local");
});

test("each controller has a feed of its own, and the authority is its address unless another is given", () => {
  const controller = "a.test:1,[fd00::1]:2";
  assert.deepEqual(
    feeds(setUpOf("envoyfilter", { controller })).map(({ cluster, authority }) => [cluster, authority]),
    [
      ["inference-picker-feed", "a.test:1"],
      ["inference-picker-feed-2", "[fd00::1]:2"],
    ],
  );
  assert.deepEqual(
    feeds(setUpOf("envoyfilter", { controller, authority: "picker.test", name: "edge" })).map(
      ({ cluster, authority }) => [cluster, authority],
    ),
    [
      ["edge-feed", "picker.test"],
      ["edge-feed-2", "picker.test"],
    ],
  );
});
