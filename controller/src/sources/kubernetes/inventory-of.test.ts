import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_MESSAGE_BYTES } from "../../../../assembly/wire/layout.ts";
import type { Endpoint } from "../../model.ts";
import { roomBytes } from "../../table/adapter-budget.ts";
import { buildTable } from "../../table/build.ts";
import { TABLE_ROOM_BYTES, TableRoom } from "../table-room.ts";
import { built, meta, model, pod, pool, secret, told } from "./test-objects.ts";

function numbered(count: number): string {
  return Array.from({ length: count }, (_, index) => `m${index}`).join(", ");
}

describe("an InferencePool", () => {
  it("is a pool of the same defaults as in a pools file, its serving Pods its endpoints", () => {
    const { inventory, findings, pools } = built({
      pools: [pool("llama")],
      pods: [pod("llama-0", "llama", "10.0.0.1"), pod("other", "other", "10.0.0.2")],
    });
    const [spec] = inventory.pools;
    assert.equal(spec?.profile, "net-goodput");
    assert.equal(spec?.failureMode, "FailClose");
    assert.deepEqual(spec?.clusters, ["llm/llama"]);
    assert.equal(spec?.staleAfterMs, 1500);
    assert.deepEqual(spec?.endpoints, [
      {
        name: "llama-0",
        host: "10.0.0.1",
        port: 8000,
        engine: "vllm",
        scrape: { intervalMs: 500, timeoutMs: 2000, path: "/metrics" },
        modelList: { intervalMs: 10_000, path: "/v1/models" },
      },
    ]);
    assert.deepEqual(findings, []);
    assert.deepEqual(pools, [
      {
        object: {
          kind: "InferencePool",
          apiVersion: "inference.networking.k8s.io/v1",
          namespace: "llm",
          name: "llama",
          uid: "uid-llm-llama",
        },
        generation: 1,
        accepted: { status: "True", reason: "Accepted", message: "the pool is served" },
        resolvedRefs: {
          status: "True",
          reason: "ResolvedRefs",
          message: "all that the pool refers to is there",
        },
        exported: { status: "False", reason: "NotRequested", message: "the pool is for its own cluster" },
      },
    ]);
  });

  it("has the settings of its annotation, which are those of a pools file", () => {
    const config =
      "profile: least-request\nscrape: { interval: 200ms }\nmodels: [a, { name: b, adapter: true }]";
    const { inventory } = built({
      pools: [pool("llama", { config })],
      pods: [pod("p", "llama", "10.0.0.1")],
    });
    const [spec] = inventory.pools;
    assert.equal(spec?.profile, "least-request");
    assert.equal(spec?.endpoints[0]?.scrape?.intervalMs, 200);
    assert.equal(spec?.endpoints[0]?.modelList, undefined);
    assert.deepEqual(spec?.models, [
      { name: "a", adapter: false },
      { name: "b", adapter: true },
    ]);
    assert.equal(built({ pools: [pool("llama", { config: "# nothing" })] }).inventory.pools.length, 1);
    const h2c = pool("llama", { spec: { appProtocol: "kubernetes.io/h2c" } });
    assert.equal(built({ pools: [h2c] }).inventory.pools[0]?.appProtocol, "kubernetes.io/h2c");
  });

  it("that is wrong is not accepted, with the value and the bound", () => {
    const nine = Array.from({ length: 9 }, (_, index) => 8000 + index);
    const cases: readonly (readonly [Parameters<typeof pool>[1], string])[] = [
      [{ ports: [0] }, "InvalidSpec spec.targetPorts[0].number: 0 is below 1"],
      [{ ports: [70_000] }, "InvalidSpec spec.targetPorts[0].number: 70000 is above 65535"],
      [{ ports: nine }, "InvalidSpec spec.targetPorts: 9 ports is above 8"],
      [{ ports: [] }, "InvalidSpec spec.targetPorts: 0 ports is below 1"],
      [{ ports: [8, 8] }, "InvalidSpec spec.targetPorts[1].number: 8 is also spec.targetPorts[0].number"],
      [{ labels: {} }, "InvalidSpec spec.selector.matchLabels: 0 labels is below 1"],
      [
        { spec: { selector: { matchLabels: { app: 1 } } } },
        "InvalidSpec spec.selector.matchLabels: 1 at app is not text",
      ],
      [{ spec: { selector: {} } }, "InvalidSpec spec.selector.matchLabels: is missing"],
      [{ spec: { targetPorts: 8000 } }, "InvalidSpec spec.targetPorts: 8000 is not a list"],
      [
        { spec: { appProtocol: "grpc" } },
        "InvalidSpec spec.appProtocol: grpc is not one of http, kubernetes.io/h2c",
      ],
      [
        { config: "profile: [" },
        "InvalidConfiguration inference-picker.io/config: YAML: Flow sequence in block collection",
      ],
      [
        { config: "profle: epp" },
        "InvalidConfiguration inference-picker.io/config: profle: is not a known key (line 1)",
      ],
      [
        { config: "namespace: other" },
        "InvalidConfiguration inference-picker.io/config: namespace: is not a known key (line 1)",
      ],
      [
        { config: "scrape: { interval: 5ms }" },
        "InvalidConfiguration inference-picker.io/config: scrape.interval: 5ms is below 50ms (line 1)",
      ],
      [
        { config: "profile: weighted" },
        "InvalidConfiguration inference-picker.io/config: profile: profile weighted needs at least 1 scorer (line 1)",
      ],
      [
        { config: "apiKeyFile: /var/run/secrets/token" },
        "InvalidConfiguration inference-picker.io/config: apiKeyFile: is not a known key; secrets are not written here, name a Secret (line 1)",
      ],
      [
        { config: "scrape: { tokenEnv: HOME }" },
        "InvalidConfiguration inference-picker.io/config: scrape.tokenEnv: is not a known key; secrets are not written here, name a Secret (line 1)",
      ],
      ...["caFile: /dev/zero", "certFile: /a, keyFile: /b"].flatMap((files) => {
        const key = files.slice(0, files.indexOf(":"));
        return [
          [
            { config: `tls: { ${files} }` },
            `InvalidConfiguration inference-picker.io/config: tls.${key}: is not a known key`,
          ],
          [
            { config: `scrape: { tls: { ${files} } }` },
            `InvalidConfiguration inference-picker.io/config: scrape.tls.${key}: is not a known key`,
          ],
        ] as const;
      }),
      [
        { config: `rewrites: [&r { models: [a], targets: [x] }, *r, *r]` },
        "InvalidConfiguration inference-picker.io/config: file: holds an *alias; write out what it stands for",
      ],
      [
        { config: `#${"x".repeat(16_384)}` },
        "InvalidConfiguration inference-picker.io/config: YAML: 16385 bytes is above 16384",
      ],
      [
        { config: `models: [${numbered(2049)}]` },
        "InvalidConfiguration inference-picker.io/config: models: 2049 models is above 2048",
      ],
      [
        { config: `rewrites: [{ models: [${numbered(513)}], targets: [1a, b, c, d, e, f, g, h] }]` },
        "InvalidConfiguration inference-picker.io/config: rewrites: 4104 targets of models with rewrites is above 4096",
      ],
      [
        { config: `models: [${"1, ".repeat(7)}]` },
        `InvalidConfiguration inference-picker.io/config: ${[0, 1, 2, 3, 4].map((index) => `models[${index}]: 1 is not text (line 1)`).join("; ")}; and more`,
      ],
      [
        { config: "apiKeySecret: sk-very-secret" },
        "InvalidConfiguration inference-picker.io/config: apiKeySecret: the value is not a mapping (line 1)",
      ],
      [
        { config: `${"[".repeat(100)}` },
        "InvalidConfiguration inference-picker.io/config: YAML: nests deeper",
      ],
    ];
    for (const [fields, words] of cases) {
      const outcome = built({ pools: [pool("bad", fields), pool("good")] });
      assert.deepEqual(
        outcome.inventory.pools.map(({ name }) => name),
        ["good"],
      );
      const [line] = told(outcome).filter((text) => text.startsWith("InferencePool bad"));
      assert.ok(line?.startsWith(`InferencePool bad: ${words}`), `${line}\n${words}`);
      const [bad] = outcome.pools;
      assert.equal(bad?.accepted.status, "False");
      assert.equal(bad?.accepted.reason, words.split(" ")[0]);
      assert.ok(!JSON.stringify(outcome.findings).includes("very-secret"));
    }
  });

  it("whose object has gone wrong keeps what was good, with the Pods that there are now", () => {
    const before = built({
      pools: [pool("llama", { config: "profile: random" })],
      pods: [pod("llama-0", "llama", "10.0.0.1")],
    });
    for (const fields of [{ config: "profile: best" }, { ports: [0] }]) {
      const { inventory, pools, templates } = built(
        { pools: [pool("llama", fields)], pods: [pod("llama-1", "llama", "10.0.0.2")] },
        { previous: before.templates },
      );
      assert.equal(inventory.pools[0]?.profile, "random");
      assert.deepEqual(
        inventory.pools[0]?.endpoints.map(({ name }) => name),
        ["llama-1"],
      );
      assert.equal(pools[0]?.accepted.status, "False");
      assert.match(pools[0]?.accepted.message ?? "", /; what was accepted before stays in force$/);
      assert.deepEqual(templates, before.templates);
    }
  });

  it("has nothing of a forerunner of the same name", () => {
    const before = built({ pools: [pool("llama")] });
    const { inventory } = built(
      { pools: [pool("llama", { ports: [0], uid: "another" })] },
      { previous: before.templates },
    );
    assert.deepEqual(inventory.pools, []);
  });

  it("that names an endpoint picker is left to it, unless it is to be taken over", () => {
    const picked = pool("llama", {
      spec: { endpointPickerRef: { name: "picker", port: { number: 9002 }, failureMode: "FailOpen" } },
    });
    const left = built({ pools: [picked] });
    assert.deepEqual(left.inventory.pools, []);
    assert.equal(left.pools[0]?.accepted.reason, "NotSupportedByParent");
    assert.equal(left.pools[0]?.resolvedRefs.status, "Unknown");
    assert.equal(left.findings[0]?.severity, "Normal");
    const taken = built({ pools: [picked] }, { pickerRef: "take-over" });
    assert.equal(taken.inventory.pools[0]?.failureMode, "FailOpen");
    assert.equal(taken.pools[0]?.accepted.status, "True");
    const previous = built({ pools: [pool("llama")] }).templates;
    assert.deepEqual(built({ pools: [picked] }, { previous }).inventory.pools, []);
  });

  it("says that none of its Pods takes requests", () => {
    const [none, asleep] = told(
      built({
        pools: [pool("asleep"), pool("alone")],
        pods: [pod("p", "asleep", "10.0.0.1", { ready: false })],
      }),
    );
    assert.equal(none, "InferencePool alone: NoReadyPod no Pod has the labels of its selector");
    assert.equal(asleep, "InferencePool asleep: NoReadyPod none of the 1 Pods it selects takes requests");
  });
});

describe("a pool's Secrets", () => {
  const keys = "apiKeySecret: { name: keys, key: api }\nscrape: { tokenSecret: { name: keys, key: token } }";

  it("are sent to the endpoints and with scrapes", () => {
    const { inventory, findings } = built({
      pools: [pool("llama", { config: keys })],
      pods: [pod("p", "llama", "10.0.0.1")],
      secrets: [secret("keys", { api: "sk-1\n", token: "t-2" })],
    });
    assert.equal(inventory.pools[0]?.upstreamApiKey, "sk-1");
    assert.equal(inventory.pools[0]?.endpoints[0]?.scrape?.bearerToken, "t-2");
    assert.deepEqual(findings, []);
  });

  it("that are missing or of no use keep the pool as it was, and say so without a value", () => {
    const cases: readonly (readonly [Parameters<typeof secret>[1] | undefined, string])[] = [
      [undefined, "SecretNotFound apiKeySecret: the Secret that it names is not there"],
      [{ token: "t" }, "SecretNotFound apiKeySecret: the Secret that it names has not the key"],
      [{ api: "", token: "t" }, "InvalidSecret apiKeySecret: the value in the Secret that it names is empty"],
      [
        { api: "two words", token: "t" },
        "InvalidSecret apiKeySecret: the value in the Secret that it names holds a character that a header cannot carry",
      ],
    ];
    const previous = built({
      pools: [pool("llama", { config: keys })],
      secrets: [secret("keys", { api: "sk-1", token: "t-2" })],
    }).templates;
    for (const [values, words] of cases) {
      const parts = {
        pools: [pool("llama", { config: keys })],
        secrets: values === undefined ? [] : [secret("keys", values)],
      };
      const alone = built(parts);
      assert.deepEqual(alone.inventory.pools, []);
      assert.equal(told(alone)[0], `InferencePool llama: ${words}`);
      assert.equal(
        alone.pools[0]?.resolvedRefs.status,
        words.startsWith("SecretNotFound") ? "False" : "True",
      );
      assert.equal(built(parts, { previous }).inventory.pools[0]?.upstreamApiKey, "sk-1");
    }
  });

  it("of another namespace are none of the pool's", () => {
    const { inventory } = built({
      pools: [pool("llama", { config: keys })],
      secrets: [{ ...secret("keys", { api: "a", token: "b" }), meta: meta("keys", { namespace: "other" }) }],
    });
    assert.deepEqual(inventory.pools, []);
  });
});

describe("several pools", () => {
  it("share one route by model, of which the oldest that reads bodies serves what none lists", () => {
    const { inventory } = built({
      pools: [
        pool("new"),
        pool("old", { age: 60 }),
        pool("blind", { age: 90, config: "body: { read: never }" }),
      ],
    });
    assert.deepEqual(inventory.routes, [
      {
        name: "default",
        pathPrefix: "/",
        headers: [],
        pools: [
          { pool: "llm/old", weight: 1 },
          { pool: "llm/new", weight: 1 },
        ],
        byModel: true,
      },
    ]);
    const [alone] = built({ pools: [pool("only")] }).inventory.routes;
    assert.deepEqual([alone?.byModel, alone?.pools], [false, [{ pool: "llm/only", weight: 1 }]]);
    assert.deepEqual(built({}).inventory.routes, []);
  });

  it("follow the routes of a file, of which those to pools that are not there lead nowhere else", () => {
    const routes = [
      { pathPrefix: "/v1/embeddings", headers: [], pools: ["gone"], byModel: false },
      {
        pathPrefix: "/",
        headers: [],
        pools: ["llm/chat", { pool: "chat", weight: 2 }, "other/gone"],
        byModel: true,
      },
    ];
    const { inventory } = built({ pools: [pool("chat")] }, { routes });
    assert.deepEqual(
      inventory.routes.map(({ pathPrefix, pools, byModel }) => [
        pathPrefix,
        pools.map(({ pool }) => pool),
        byModel,
      ]),
      [
        ["/v1/embeddings", [], false],
        ["/", ["llm/chat"], true],
      ],
    );
  });

  it("have each cluster once: a pool's own name is its own, any other the oldest's", () => {
    const outcome = built({
      pools: [
        pool("first", { age: 2, config: "clusters: [llm/second, shared]" }),
        pool("second", { age: 1, config: "clusters: [llm/second, shared]" }),
        pool("third", { config: "clusters: [shared]" }),
      ],
    });
    assert.deepEqual(
      outcome.inventory.pools.map(({ clusters }) => clusters),
      [["llm/first", "shared"], ["llm/second"], ["llm/third"]],
    );
    assert.deepEqual(
      told(outcome).filter((line) => line.includes("DuplicateCluster")),
      [
        "InferencePool first: DuplicateCluster stands for another pool: llm/second for InferencePool second",
        "InferencePool second: DuplicateCluster stands for another pool: shared for InferencePool first",
        "InferencePool third: DuplicateCluster stands for another pool: shared for InferencePool first",
      ],
    );
  });

  it("say once of a pool which of its clusters are another's, and nothing of a pool in another namespace", () => {
    const config = `clusters: [${Array.from({ length: 64 }, (_, index) => `c${index}`).join(", ")}]`;
    const outcome = built({
      pools: [pool("first", { age: 1, namespace: "a", config }), pool("second", { namespace: "b", config })],
    });
    assert.deepEqual(
      told(outcome).filter((line) => line.includes("DuplicateCluster")),
      [
        "InferencePool second: DuplicateCluster stands for another pool: c0 for one of another namespace, c1 for one of another namespace, c2 for one of another namespace, and 61 more",
      ],
    );
  });

  it("claim no cluster of the gateway's own or of another namespace, and not above 64", () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["inference-picker-feed", "a cluster of the gateway's own"],
      ["inference-picker-ads", "a cluster of the gateway's own"],
      ["inference-picker-feed-1", "a cluster of the gateway's own"],
      ["b/victim", "a cluster of namespace b"],
      ["outbound|8000||vllm.b.svc.cluster.local", "a cluster of namespace b"],
      ["outbound_.8000_._.vllm.b.svc.cluster.local", "a cluster of namespace b"],
      ["outbound|8000|x.llm.svc|vllm.b.svc.cluster.local", "a cluster of namespace b"],
      ["outbound|8000||vllm.llm.svc.b.svc.cluster.local", "a cluster of namespace b"],
      ["httproute/b/victim/rule/0", "a cluster of namespace b"],
      ["b/vllm/8000/da39a3ee5e", "a cluster of namespace b"],
      ["kube_b_vllm_8000", "a cluster of namespace b"],
    ];
    for (const [cluster, words] of wrong) {
      const config = `clusters: [fine, "${cluster}"]`;
      const outcome = built({ pools: [pool("llama", { config })] });
      assert.deepEqual(outcome.inventory.pools, [], cluster);
      assert.match(outcome.pools[0]?.accepted.message ?? "", /config: clusters\[1\]: /);
      assert.ok(outcome.pools[0]?.accepted.message.includes(words), outcome.pools[0]?.accepted.message);
    }
    const own = [
      "vllm",
      "llm/other",
      "outbound|8000||vllm.llm.svc.cluster.local",
      "outbound|443||models.example.com",
      "httproute/llm/route/rule/0",
      "kube_llm_vllm_8000",
    ];
    const config = `clusters: ${JSON.stringify(own)}`;
    assert.deepEqual(built({ pools: [pool("llama", { config })] }).inventory.pools[0]?.clusters, [
      "llm/llama",
      ...own,
    ]);
    const many = JSON.stringify(Array.from({ length: 65 }, (_, index) => `c${index}`));
    const [refused] = built({ pools: [pool("llama", { config: `clusters: ${many}` })] }).pools;
    assert.match(refused?.accepted.message ?? "", /clusters: 65 clusters is above 64/);
  });

  it("beyond what a table has room for are left out, the youngest first, and endpoints are cut short", () => {
    const many = Array.from({ length: 1025 }, (_, index) =>
      pool(`p${index}`, { age: 2000 - index, labels: { app: "none" } }),
    );
    const outcome = built({ pools: many });
    assert.equal(outcome.inventory.pools.length, 1024);
    const refused = outcome.pools.filter(({ accepted }) => accepted.status === "False");
    assert.deepEqual(
      refused.map(({ object, accepted }) => [object.name, accepted.reason, accepted.message]),
      [["p1024", "TooMany", "1 pools is above the 0 that are left of 1024"]],
    );
    const pods = Array.from({ length: 1030 }, (_, index) =>
      pod(`pod-${String(index).padStart(4, "0")}`, "wide", `10.1.${index >> 8}.${index & 255}`),
    );
    const ports = Array.from({ length: 8 }, (_, index) => 8000 + index);
    const wide = built({
      pools: [pool("wide", { ports, age: 1 }), pool("next", { labels: { app: "wide" } })],
      pods,
    });
    assert.deepEqual(
      wide.inventory.pools.map(({ endpoints }) => endpoints.length),
      [8192, 0],
    );
    assert.equal(
      told(wide)[1],
      "InferencePool wide: TooMany 8240 endpoints is above the 8192 that are left of 8192; the first are served",
    );
    const isAccepted = wide.pools.map(({ accepted }) => accepted.status);
    assert.deepEqual(isAccepted, ["True", "True"], "who is served in part is accepted");
  });

  it("that fill a table's bytes leave out those younger ones that no room is left for, and no others", () => {
    const targets = (of: number): readonly string[] =>
      Array.from({ length: 1000 }, (_, index) => `${of}-${index}-`.padEnd(250, "x"));
    const pools = Array.from({ length: 20 }, (_, index) => pool(`p${index}`, { age: 20 - index }));
    const models = Array.from({ length: 20 }, (_, index) =>
      model(`m${index}`, `p${index}`, {
        targetModels: targets(index).map((name) => ({ name, weight: 1 })),
      }),
    );
    const outcome = built({
      pools: [...pools, pool("small")],
      models,
      pods: [pod("small-0", "small", "10.0.0.1")],
    });
    const names = outcome.inventory.pools.map(({ name }) => name);
    assert.deepEqual(names, [
      ...Array.from({ length: names.length - 1 }, (_, index) => `p${index}`),
      "small",
    ]);
    assert.ok(names.length > 10 && names.length < 20, `${names.length}`);
    const leftOut = outcome.pools.filter(({ accepted }) => accepted.status === "False");
    assert.equal(leftOut.length, 21 - names.length);
    for (const { accepted } of leftOut)
      assert.match(accepted.message, /^26\d{4} bytes is above the \d+ that are left of 3145728$/);
    const endpoints = outcome.inventory.pools.flatMap((spec) =>
      spec.endpoints.map(
        (endpoint): Endpoint => ({
          pool: `${spec.namespace}/${spec.name}`,
          spec: endpoint,
          ip: endpoint.host,
          address: `${endpoint.host}:${endpoint.port}`,
          ready: true,
          draining: false,
        }),
      ),
    );
    const { inventory } = outcome;
    const table = buildTable({
      ...inventory,
      endpoints,
      samples: new Map(),
      nowMs: 0,
      epoch: 1n,
      sequence: 1n,
    });
    const taken = MAX_MESSAGE_BYTES - roomBytes(table.pools, []);
    const room = new TableRoom();
    for (const spec of inventory.pools) {
      room.addPool(spec);
      for (const endpoint of spec.endpoints) room.addEndpoint(endpoint);
    }
    // What adapter-budget.ts allows for rounding is reserved here.
    assert.equal(TABLE_ROOM_BYTES - room.leftBytes, taken - 4096);
  });
});
