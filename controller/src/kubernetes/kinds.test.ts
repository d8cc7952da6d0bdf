import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SERVICE_ANNOTATION } from "../sources/kubernetes/istio-clusters.ts";
import { CONFIG_ANNOTATION } from "../sources/kubernetes/pool-reading.ts";
import * as kinds from "./kinds.ts";

const { INFERENCE_POOL, LLMD_OBJECTIVE, POD, SECRET, SERVICE, apiVersionOf, pathOf } = kinds;

const METADATA = {
  name: "a",
  namespace: "models",
  uid: "u-1",
  resourceVersion: "7",
  generation: 3,
  creationTimestamp: "2026-01-02T03:04:05Z",
};
const META = { ...METADATA, labels: {}, annotations: {} };

describe("kinds", () => {
  it("have the paths of the API server", () => {
    assert.equal(pathOf(POD), "/api/v1/pods");
    assert.equal(pathOf(POD, "models", "a"), "/api/v1/namespaces/models/pods/a");
    const pools = "/apis/inference.networking.k8s.io/v1/namespaces/models/inferencepools";
    assert.equal(pathOf(INFERENCE_POOL, "models"), pools);
    assert.equal(apiVersionOf(POD), "v1");
    assert.equal(apiVersionOf(LLMD_OBJECTIVE), "llm-d.ai/v1alpha2");
  });

  it("keep of a Pod its address, phase, readiness and end, its labels, and the annotations that are read", () => {
    const pod = POD.trim({
      metadata: {
        ...METADATA,
        labels: { app: "vllm" },
        annotations: {
          "inference.networking.k8s.io/active-ports": "8000,8001",
          "llm-d.ai/active-ports": "8000",
          "inference-picker.io/config": "profile: epp",
          "kubectl.kubernetes.io/last-applied-configuration": "{…}",
        },
        managedFields: [{ manager: "kubelet" }],
        deletionTimestamp: "2026-01-02T04:00:00Z",
      },
      spec: { containers: [{ name: "vllm" }] },
      status: {
        phase: "Running",
        podIP: "10.0.0.7",
        conditions: [
          { type: "PodScheduled", status: "True" },
          { type: "Ready", status: "True" },
        ],
      },
    });
    assert.deepEqual(pod, {
      meta: {
        ...META,
        deletionTimestamp: "2026-01-02T04:00:00Z",
        labels: { app: "vllm" },
        annotations: {
          "inference.networking.k8s.io/active-ports": "8000,8001",
          "llm-d.ai/active-ports": "8000",
        },
      },
      ip: "10.0.0.7",
      phase: "Running",
      ready: true,
      terminating: true,
    });
  });

  it("keep of a pool the annotations that configure it, and of kinds that none is read of none", () => {
    const read = { [CONFIG_ANNOTATION]: "profile: epp", [SERVICE_ANNOTATION]: "vllm:80" };
    const annotations = {
      ...read,
      "inference-picker.io/other": "x".repeat(256 * 1024),
      "llm-d.ai/active-ports": "8000",
    };
    const raw = { metadata: { ...METADATA, annotations }, spec: {} };
    assert.deepEqual(INFERENCE_POOL.trim(raw)?.meta.annotations, read);
    for (const kind of [SERVICE, SECRET, LLMD_OBJECTIVE, kinds.INFERENCE_MODEL, kinds.LLMD_MODEL_REWRITE])
      assert.deepEqual(kind.trim(raw)?.meta.annotations, {}, kind.name);
  });

  it("say of a Pod without a status that it is not ready and has no address", () => {
    const pod = POD.trim({ metadata: METADATA });
    assert.deepEqual(pod, { meta: META, phase: "Unknown", ready: false, terminating: false });
  });

  it("keep a pool's spec and status as they are stored", () => {
    const spec = { selector: { matchLabels: {} }, added: { later: true } };
    assert.deepEqual(INFERENCE_POOL.trim({ metadata: METADATA, spec }), { meta: META, spec });
    assert.deepEqual(INFERENCE_POOL.trim({ metadata: METADATA, spec, status: { parents: [] } }), {
      meta: META,
      spec,
      status: { parents: [] },
    });
  });

  it("say of which group an objective is", () => {
    assert.equal(LLMD_OBJECTIVE.trim({ metadata: METADATA, spec: {} })?.group, "llm-d.ai");
  });

  it("keep of a Service its selector and ports, by number and by name", () => {
    const service = SERVICE.trim({
      metadata: METADATA,
      spec: {
        selector: { app: "vllm" },
        clusterIP: "None",
        ports: [
          { name: "http", port: 80, targetPort: "serving", protocol: "TCP" },
          { port: 81 },
          { name: "none" },
        ],
      },
    });
    assert.deepEqual(service, {
      meta: META,
      selector: { app: "vllm" },
      clusterIP: "None",
      ports: [{ name: "http", port: 80, targetPort: "serving" }, { port: 81 }],
    });
  });

  it("decode a Secret, and leave out what is too long to be a key", () => {
    const base64 = (bytes: number): string => Buffer.alloc(bytes, "x").toString("base64");
    const secret = SECRET.trim({
      metadata: METADATA,
      data: { token: "aHVudGVyMg==", most: base64(16 * 1024), release: base64(16 * 1024 + 1) },
    });
    assert.deepEqual(Object.keys(secret?.data ?? {}), ["token", "most"]);
    assert.equal(Buffer.from(secret?.data.token ?? []).toString(), "hunter2");
  });

  it("take whatever comes, and say undefined where it is no object", () => {
    const wrong = [
      undefined,
      null,
      7,
      "pod",
      [],
      {},
      { metadata: null },
      { metadata: { ...METADATA, uid: "" } },
    ];
    const bent = {
      metadata: { ...METADATA, labels: ["a"], annotations: 3, generation: "x" },
      spec: [1],
      status: "x",
      data: { a: 1 },
    };
    for (const value of Object.values(kinds)) {
      if (typeof value !== "object" || !("trim" in value)) continue;
      for (const raw of wrong)
        assert.equal(value.trim(raw), undefined, `${value.name} of ${JSON.stringify(raw)}`);
      assert.deepEqual(value.trim(bent)?.meta, { ...META, generation: 0 }, value.name);
    }
  });
});
