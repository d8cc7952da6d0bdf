import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EXPERIMENTAL_GROUP, LLMD_GROUP } from "../../kubernetes/kinds.ts";
import type { KubernetesObjects } from "../../kubernetes/objects.ts";
import { built, model, objective, pool, rewrite, told } from "./test-objects.ts";

/** With one pool, `llama`, which has no Pods. */
function outcomeOf(parts: Partial<KubernetesObjects>, config?: string) {
  const outcome = built({ pools: [pool("llama", config === undefined ? {} : { config })], ...parts });
  return {
    spec: outcome.inventory.pools[0]!,
    told: told(outcome).filter((line) => !line.includes("NoReadyPod")),
  };
}

/** `model → target weight, …`; `*` for any. */
function rewritesOf({ spec }: ReturnType<typeof outcomeOf>): readonly string[] {
  return spec.rewrites.map(
    ({ model: name = "*", targets }) =>
      `${name} → ${targets.map((target) => `${target.model} ${target.weight}`).join(", ")}`,
  );
}

describe("an InferenceObjective", () => {
  it("gives its name a priority in its pool, 0 if it has none", () => {
    const { spec } = outcomeOf({
      objectives: [
        objective("urgent", "llama", 10),
        objective("batch", "llama", -5),
        objective("n", "llama", undefined),
      ],
    });
    assert.deepEqual(spec.objectives, [
      { name: "batch", priority: -5 },
      { name: "n", priority: 0 },
      { name: "urgent", priority: 10 },
    ]);
  });

  it("that stands in both groups counts once, as llm-d's unless that one is wrong", () => {
    const old = objective("batch", "llama", 1, undefined, { age: 100 });
    const moved = objective("batch", "llama", 2, LLMD_GROUP);
    assert.deepEqual(outcomeOf({ objectives: [old, moved] }).spec.objectives, [
      { name: "batch", priority: 2 },
    ]);
    for (const wrong of [
      objective("batch", "llama", 2.5, LLMD_GROUP),
      objective("batch", "no", 2, LLMD_GROUP),
    ]) {
      const { spec, told: lines } = outcomeOf({ objectives: [wrong, old] });
      assert.deepEqual(spec.objectives, [{ name: "batch", priority: 1 }]);
      assert.equal(lines.length, 1);
    }
  });

  it("that is wrong, or of no pool of its namespace, is told of", () => {
    const other = { ...objective("o", "llama", 1), spec: { poolRef: { name: "llama", namespace: "infra" } } };
    const kind = { ...objective("o", "llama", 1), spec: { poolRef: { name: "llama", kind: "Service" } } };
    const cases: readonly (readonly [ReturnType<typeof objective>, string])[] = [
      [objective("o", "llama", 2 ** 31), "InvalidSpec spec.priority: 2147483648 is above 2147483647"],
      [objective("o", "gone", 1), "PoolNotFound spec.poolRef.name: there is no InferencePool gone"],
      [
        objective("o", "far", 1),
        "PoolInOtherNamespace spec.poolRef.name: InferencePool far stands in another namespace; only pools of the object's own are meant",
      ],
      [other, "PoolInOtherNamespace spec.poolRef.namespace: infra is not the object's own namespace, llm"],
      [
        kind,
        "InvalidSpec spec.poolRef: Service.inference.networking.k8s.io is not InferencePool.inference.networking.k8s.io",
      ],
      [{ ...objective("o", "llama", 1), spec: undefined }, "InvalidSpec spec: undefined is not a mapping"],
      [{ ...objective("o", "llama", 1), spec: {} }, "InvalidSpec spec.poolRef: is missing"],
    ];
    for (const [object, words] of cases) {
      const outcome = built({
        pools: [pool("llama"), pool("far", { namespace: "infra" })],
        objectives: [object, objective("good", "llama", 3)],
      });
      assert.deepEqual(
        told(outcome).filter((line) => line.startsWith("InferenceObjective")),
        [`InferenceObjective o: ${words}`],
      );
      const llama = outcome.inventory.pools.find(({ name }) => name === "llama");
      assert.deepEqual(llama?.objectives, [{ name: "good", priority: 3 }]);
    }
  });
});

describe("an InferenceModelRewrite", () => {
  it("goes exact before generic, then oldest, then by name, then in the order of its list", () => {
    const outcome = outcomeOf({
      rewrites: [
        rewrite("young", "llama", [
          [["a"], { y: 1 }],
          [[], { y: 1 }],
        ]),
        rewrite("old-b", "llama", [[["a", "b"], { ob: 1 }]], { age: 9 }),
        rewrite(
          "old-a",
          "llama",
          [
            [[], { any: 1 }],
            [["a"], { oa: 9, ob: 1 }],
            [["a"], { late: 1 }],
          ],
          { age: 9 },
        ),
      ],
    });
    assert.deepEqual(rewritesOf(outcome), ["a → oa 9, ob 1", "b → ob 1", "* → any 1"]);
  });

  it("comes after the rules that the pool has itself", () => {
    const config = "models: [{ name: a, targets: [own] }]\nrewrites: [{ targets: [mine] }]";
    const outcome = outcomeOf(
      {
        rewrites: [
          rewrite("r", "llama", [
            [["a", "b"], { x: 1 }],
            [[], { x: 1 }],
          ]),
        ],
      },
      config,
    );
    assert.deepEqual(rewritesOf(outcome), ["a → own 1", "b → x 1", "* → mine 1"]);
  });

  it("that stands in both groups counts once, as llm-d's", () => {
    const outcome = outcomeOf({
      rewrites: [
        rewrite(
          "r",
          "llama",
          [
            [["a"], { old: 1 }],
            [["b"], { old: 1 }],
          ],
          { age: 5 },
        ),
        rewrite("r", "llama", [[["a"], { moved: 1 }]], { group: LLMD_GROUP }),
      ],
    });
    assert.deepEqual(rewritesOf(outcome), ["a → moved 1"]);
  });

  it("that is wrong is left out as a whole, and told of", () => {
    const cases: readonly (readonly [Readonly<Record<string, number>>, string])[] = [
      [{ x: 0 }, "spec.rules[1].targets[0].weight: 0 is below 1"],
      [{ x: 1_000_001 }, "spec.rules[1].targets[0].weight: 1000001 is above 1000000"],
      [{}, "spec.rules[1].targets: 0 targets is below 1"],
    ];
    for (const [targets, words] of cases) {
      const outcome = outcomeOf({
        rewrites: [
          rewrite("bad", "llama", [
            [["a"], { y: 1 }],
            [["b"], targets],
          ]),
        ],
      });
      assert.deepEqual(rewritesOf(outcome), []);
      assert.deepEqual(outcome.told, [`InferenceModelRewrite bad: InvalidSpec ${words}`]);
    }
    const kind = rewrite("bad", "llama", []);
    const rules = [
      { matches: [{ model: { type: "Regex", value: ".*" } }], targets: [{ modelRewrite: "x" }] },
    ];
    const outcome = outcomeOf({ rewrites: [{ ...kind, spec: { poolRef: { name: "llama" }, rules } }] });
    assert.deepEqual(outcome.told, [
      "InferenceModelRewrite bad: InvalidSpec spec.rules[0].matches[0].model.type: Regex is not one of Exact",
    ]);
  });

  it("does nothing in a pool that reads no bodies, and says so", () => {
    const outcome = outcomeOf(
      { rewrites: [rewrite("r", "llama", [[["a"], { x: 1 }]])] },
      "body: { read: never }",
    );
    assert.deepEqual(rewritesOf(outcome), []);
    assert.deepEqual(outcome.told, [
      "InferenceModelRewrite r: BodyNotRead no model is rewritten in InferencePool llama, whose body.read is never",
    ]);
  });
});

describe("an InferenceModel", () => {
  it("is a model of the pool with the priority of its criticality, and a rule where it has targets", () => {
    const outcome = outcomeOf({
      models: [
        model("a", "llama", {
          criticality: "Critical",
          targetModels: [{ name: "a-1", weight: 90 }, { name: "a-2" }],
        }),
        model("b", "llama", { criticality: "Sheddable" }),
        model("c", "llama", {}),
      ],
    });
    assert.deepEqual(outcome.spec.models, [
      { name: "a", adapter: false, priority: 1 },
      { name: "b", adapter: false, priority: -1 },
      { name: "c", adapter: false, priority: 0 },
    ]);
    assert.deepEqual(rewritesOf(outcome), ["a → a-1 90, a-2 1"]);
  });

  it("leaves what the pool itself says of the model, and whether endpoints are asked for theirs", () => {
    const { spec } = outcomeOf(
      { models: [model("a", "llama", { criticality: "Critical" }), model("b", "llama", {})] },
      "models: [{ name: a, adapter: true, priority: 7 }, { name: c }]",
    );
    assert.deepEqual(spec.models, [
      { name: "a", adapter: true, priority: 7 },
      { name: "c", adapter: false },
      { name: "b", adapter: false, priority: 0 },
    ]);
  });

  it("counts where it is the oldest of its name in the pool; the others are told", () => {
    const named = (name: string, age: number, target: string) =>
      model(name, "llama", { modelName: "a", targetModels: [{ name: target }] }, { age });
    const outcome = outcomeOf({ models: [named("young", 1, "y"), named("old", 2, "o")] });
    assert.deepEqual(rewritesOf(outcome), ["a → o 1"]);
    assert.deepEqual(outcome.told, [
      "InferenceModel young: DuplicateModel spec.modelName: a is also that of the older InferenceModel old, which counts",
    ]);
  });

  it("of an unknown criticality, a weight of 0 or no name is left out, and told of", () => {
    const { spec, told: lines } = outcomeOf({
      models: [
        model("a", "llama", { criticality: "Urgent" }),
        model("b", "llama", { targetModels: [{ name: "x", weight: 0 }] }),
        model("c", "llama", { modelName: "" }),
        model("d", "llama", {}),
      ],
    });
    assert.deepEqual(
      spec.models.map(({ name }) => name),
      ["d"],
    );
    assert.deepEqual(lines, [
      "InferenceModel a: InvalidSpec spec.criticality: Urgent is not one of Critical, Standard, Sheddable",
      "InferenceModel b: InvalidSpec spec.targetModels[0].weight: 0 is below 1",
      "InferenceModel c: InvalidSpec spec.modelName: is empty",
    ]);
  });

  it("may name the pool by the group in which its kind began", () => {
    const poolRef = { group: EXPERIMENTAL_GROUP, kind: "InferencePool", name: "llama" };
    const { spec, told: lines } = outcomeOf({ models: [model("a", "llama", { poolRef })] });
    assert.deepEqual(
      spec.models.map(({ name }) => name),
      ["a"],
    );
    assert.deepEqual(lines, []);
  });

  it("is left out, as any object is, where older ones have filled the pool", () => {
    const names = Array.from({ length: 2049 }, (_, index) => `m${index}`);
    const { spec, told: lines } = outcomeOf({
      models: names.map((name, index) => model(name, "llama", {}, { age: 3000 - index })),
      objectives: names.map((name, index) => objective(name, "llama", 1, LLMD_GROUP, { age: 3000 - index })),
      rewrites: [
        rewrite("wide", "llama", [[names, { x: 1 }]], { age: 2 }),
        rewrite("deep", "llama", [[names.slice(0, 2048), { x: 1, y: 1, z: 1 }]], { age: 1 }),
        rewrite("small", "llama", [[["m1"], { x: 1 }]]),
      ],
    });
    assert.deepEqual([spec.models.length, spec.objectives.length, spec.rewrites.length], [2048, 2048, 1]);
    assert.deepEqual(lines, [
      "InferenceModel m2048: TooMany 1 models is above the 0 that older objects leave of the pool's 2048",
      "InferenceModelRewrite deep: TooMany 6144 targets is above the 4096 that older objects leave of the pool's 4096",
      "InferenceModelRewrite wide: TooMany 2049 rewrites is above the 2048 that older objects leave of the pool's 2048",
      "InferenceObjective m2048: TooMany 1 objectives is above the 0 that older objects leave of the pool's 2048",
    ]);
  });
});
