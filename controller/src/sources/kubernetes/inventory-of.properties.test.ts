import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { EXPERIMENTAL_GROUP, LLMD_GROUP } from "../../kubernetes/kinds.ts";
import type { KubernetesObjects } from "../../kubernetes/objects.ts";
import { InventoryBuilder } from "./inventory-builder.ts";
import type { InventoryOutcome } from "./inventory-of.ts";
import type { ObjectKind, ObjectOf } from "./namespace-pools.ts";
import {
  built,
  meta,
  model,
  objective,
  objects,
  pod,
  pool,
  rewrite,
  type Rule,
  secret,
  service,
} from "./test-objects.ts";

const SEED = Number(process.env.SEED ?? 20_261_126);
const RUNS = { seed: SEED, numRuns: 100 } as const;

const KINDS: readonly ObjectKind[] = [
  "pools",
  "pods",
  "objectives",
  "rewrites",
  "models",
  "services",
  "secrets",
];

const POOLS = ["a", "b", "c"];
const poolName = fc.constantFrom(...POOLS);
const age = fc.integer({ min: 0, max: 3 });
const modelName = fc.constantFrom("m", "n", "o");

const CONFIGS = [
  undefined,
  "profile: least-request",
  "models: [{ name: m, targets: [x] }]\nclusters: [shared, llm/a]",
  "body: { read: never }",
  "apiKeySecret: { name: keys, key: api }",
  "profle: wrong",
];

const goodPool = fc.record({ name: poolName, age, config: fc.constantFrom(...CONFIGS) });
const goodPod = fc.record({
  index: fc.integer({ min: 0, max: 7 }),
  app: poolName,
  ready: fc.boolean(),
  ip: fc.integer({ min: 1, max: 4 }),
});
const rule: fc.Arbitrary<Rule> = fc.tuple(
  fc.array(modelName, { maxLength: 2 }),
  fc.dictionary(modelName, fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 2 }),
);
const index = fc.integer({ min: 0, max: 3 });
const target = fc.constantFrom(...POOLS, "gone");

const group = fc.constantFrom(EXPERIMENTAL_GROUP, LLMD_GROUP);

/** Objects as an API server may have them: one of each name, kind and group. */
const cluster: fc.Arbitrary<KubernetesObjects> = fc
  .record({
    pools: fc.uniqueArray(goodPool, { selector: ({ name }) => name }),
    pods: fc.uniqueArray(goodPod, { selector: (one) => one.index, maxLength: 8 }),
    objectives: fc.uniqueArray(
      fc.record({ index, target, age, group, priority: fc.integer({ min: -9, max: 9 }) }),
      {
        selector: (one) => `${one.group} ${one.index}`,
      },
    ),
    rewrites: fc.uniqueArray(
      fc.record({ index, target, age, group, rules: fc.array(rule, { maxLength: 3 }) }),
      {
        selector: (one) => `${one.group} ${one.index}`,
      },
    ),
    models: fc.uniqueArray(fc.record({ index, target, age, modelName, isRewritten: fc.boolean() }), {
      selector: (one) => one.index,
    }),
    services: fc.uniqueArray(fc.record({ index, app: poolName }), { selector: (one) => one.index }),
    hasSecret: fc.boolean(),
  })
  .map((parts) => ({
    pools: parts.pools.map(({ name, config, ...rest }) =>
      pool(name, { ...rest, ...(config === undefined ? {} : { config }) }),
    ),
    pods: parts.pods.map((one) => pod(`pod-${one.index}`, one.app, `10.0.0.${one.ip}`, { ready: one.ready })),
    objectives: parts.objectives.map((one) =>
      objective(`o${one.index}`, one.target, one.priority, one.group, { age: one.age }),
    ),
    rewrites: parts.rewrites.map((one) =>
      rewrite(`r${one.index}`, one.target, one.rules, { age: one.age, group: one.group }),
    ),
    models: parts.models.map((one) =>
      model(
        `i${one.index}`,
        one.target,
        {
          modelName: one.modelName,
          ...(one.isRewritten ? { targetModels: [{ name: "t", weight: 3 }] } : {}),
        },
        { age: one.age },
      ),
    ),
    services: parts.services.map((one) => service(`s${one.index}`, { app: one.app }, [{ port: 8000 }])),
    secrets: parts.hasSecret ? [secret("keys", { api: "k" })] : [],
  }));

/** States in a row, between which often one kind alone changes. */
const changes: fc.Arbitrary<readonly KubernetesObjects[]> = fc
  .tuple(
    cluster,
    fc.array(fc.tuple(cluster, fc.constantFrom(...KINDS, undefined)), { minLength: 2, maxLength: 6 }),
  )
  .map(([first, steps]) => {
    const states = [first];
    for (const [next, kind] of steps)
      states.push(kind === undefined ? next : { ...states.at(-1)!, [kind]: next[kind] });
    return states;
  });

type Bad = { readonly [Kind in ObjectKind]?: readonly ObjectOf<Kind>[] };

/** Objects that are wrong, each alone, under names that no other has. */
const BAD: readonly Bad[] = [
  { pools: [pool("bad", { ports: [0] })] },
  { pools: [pool("bad", { ports: [1, 2, 3, 4, 5, 6, 7, 8, 9] })] },
  { pools: [pool("bad", { ports: [8000, 8000] })] },
  { pools: [pool("bad", { labels: {} })] },
  { pools: [pool("bad", { labels: { app: "a" }, config: "profile: [" })] },
  { pools: [pool("bad", { labels: { app: "a" }, config: "clusters: [llm/a]\nunknown: 1" })] },
  { pools: [pool("bad", { labels: { app: "a" }, config: "apiKeySecret: { name: no, key: no }" })] },
  { pools: [pool("bad", { labels: { app: "a" }, spec: { appProtocol: "grpc" } })] },
  { pools: [pool("bad", { labels: { app: "a" }, spec: { endpointPickerRef: { name: "epp" } } })] },
  { pools: [{ meta: meta("bad"), spec: null }] },
  { objectives: [objective("bad", "a", 0.5)] },
  {
    objectives: [
      { ...objective("bad", "a", 1), spec: { priority: 1, poolRef: { name: "a", namespace: "x" } } },
    ],
  },
  { objectives: [objective("bad", "missing", 1)] },
  { rewrites: [rewrite("bad", "a", [[["m"], { x: 0 }]], { age: 9 })] },
  { rewrites: [rewrite("bad", "a", [[["m"], { x: 1_000_001 }]], { age: 9 })] },
  {
    rewrites: [
      {
        ...rewrite("bad", "a", [], { age: 9 }),
        spec: { poolRef: { name: "a", kind: "Service" }, rules: [] },
      },
    ],
  },
  { rewrites: [{ ...rewrite("bad", "a", [], { age: 9 }), spec: "rules" }] },
  { models: [model("bad", "a", { modelName: "m", criticality: "Vital" }, { age: 9 })] },
  { models: [model("bad", "a", { modelName: "m", targetModels: [{ name: "x", weight: 0 }] }, { age: 9 })] },
  { pods: [pod("bad", "a", "no-address")] },
];

function fromPools(outcome: InventoryOutcome): unknown {
  return outcome.pools.filter(({ object }) => object.name !== "bad");
}

describe("the inventory of any objects", () => {
  it(`is the same with one more object that is wrong (seed ${SEED})`, () => {
    fc.assert(
      fc.property(cluster, fc.constantFrom(...BAD), fc.boolean(), (good, bad, istio) => {
        const before = built(good, { istio });
        const parts = Object.entries(bad) as [ObjectKind, readonly never[]][];
        const [[kind, extra]] = parts as [[ObjectKind, readonly never[]]];
        const after = built({ ...good, [kind]: [...good[kind], ...extra] }, { istio });
        assert.deepEqual(after.inventory, before.inventory);
        const told = after.findings.filter(({ object }) => object.name === "bad");
        const others = after.findings.filter(({ object }) => object.name !== "bad");
        // Which Pods a pool has none of is said with their number.
        const without = (list: InventoryOutcome["findings"]) =>
          list.filter(({ reason }) => reason !== "NoReadyPod");
        assert.deepEqual(without(others), without(before.findings));
        assert.deepEqual(fromPools(after), fromPools(before));
        const isPodOfNoPool = kind === "pods" && !before.inventory.pools.some(({ name }) => name === "a");
        assert.ok(told.length > 0 || isPodOfNoPool, JSON.stringify(extra));
      }),
      RUNS,
    );
  });

  it(`does not depend on the order of the objects (seed ${SEED})`, () => {
    const shuffled = cluster.chain((good) =>
      fc.record({
        good: fc.constant(good),
        pools: fc.shuffledSubarray([...good.pools], { minLength: good.pools.length }),
        pods: fc.shuffledSubarray([...good.pods], { minLength: good.pods.length }),
        objectives: fc.shuffledSubarray([...good.objectives], { minLength: good.objectives.length }),
        rewrites: fc.shuffledSubarray([...good.rewrites], { minLength: good.rewrites.length }),
        models: fc.shuffledSubarray([...good.models], { minLength: good.models.length }),
        services: fc.shuffledSubarray([...good.services], { minLength: good.services.length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, fc.boolean(), ({ good, ...parts }, istio) => {
        const { templates: _, ...one } = built(good, { istio });
        const { templates: __, ...other } = built({ ...good, ...parts }, { istio });
        assert.deepEqual(other, one);
      }),
      RUNS,
    );
  });

  it(`is the same made step by step as at once (seed ${SEED})`, () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (states, istio) => {
        const settings = { pickerRef: "ignore", clusterDomain: "cluster.local", istio } as const;
        const builder = new InventoryBuilder({ settings });
        let before = objects({});
        let previous: InventoryOutcome["templates"] = new Map();
        for (const state of states) {
          change(builder, before, state);
          const { templates, ...atOnce } = built(state, { istio, previous });
          assert.deepEqual({ ...builder.build() }, atOnce);
          assert.deepEqual(builder.templates(), templates);
          assert.equal(builder.build(), builder.build());
          before = state;
          previous = templates;
        }
      }),
      RUNS,
    );
  });
});

function change(builder: InventoryBuilder, before: KubernetesObjects, after: KubernetesObjects): void {
  for (const kind of KINDS) {
    const [old, fresh] = [byId(before[kind]), byId(after[kind])];
    for (const id of old.keys()) if (!fresh.has(id)) builder.set(kind, "llm", id, undefined);
    for (const [id, object] of fresh)
      if (!isDeepStrictEqual(object, old.get(id))) builder.set(kind, "llm", id, object);
  }
}

function byId(list: readonly ObjectOf<ObjectKind>[]): ReadonlyMap<string, ObjectOf<ObjectKind>> {
  return new Map(
    list.map((object) => [
      "group" in object ? `${object.group}/${object.meta.name}` : object.meta.name,
      object,
    ]),
  );
}
