import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { INFERENCE_POOL } from "../kubernetes/kinds.ts";
import type { PoolObject } from "../kubernetes/objects.ts";
import type { PoolOutcome } from "../sources/kubernetes/findings.ts";
import { CONTROLLER_NAME, type StatusChange, statusChange } from "./conditions.ts";
import { outcomeOf, rawPool } from "./test-api.ts";

const PARENT = { namespace: "gateways", name: "inference" };
const NOW = "2026-01-02T03:04:05Z";
const LATER = "2026-01-02T04:00:00Z";
const REFERENCE = {
  group: "gateway.networking.k8s.io",
  kind: "Gateway",
  name: "inference",
  namespace: "gateways",
};

interface Entry {
  controllerName: string;
  parentRef: unknown;
  conditions: { type: string; status: string; reason: string; message: string; [key: string]: unknown }[];
}

function pool(status?: unknown, generation = 1): PoolObject {
  return INFERENCE_POOL.trim({
    ...rawPool("chat", { generation, status }),
    metadata: { ...rawPool("chat", { generation }).metadata, resourceVersion: "7" },
  })!;
}

function written(change: StatusChange): readonly Entry[] {
  assert.equal(change.kind, "write");
  return (change as { parents: readonly unknown[] }).parents as readonly Entry[];
}

/** The status after our first write, with `others` around it. */
function ours(outcome: PoolOutcome = outcomeOf("chat")): Entry {
  return written(statusChange(pool(), outcome, PARENT, NOW))[0]!;
}

describe("the change of a pool's status", () => {
  it("adds our entry with its parent, controller and three conditions", () => {
    const outcome = outcomeOf("chat", { generation: 3 });
    assert.deepEqual(written(statusChange(pool(undefined, 3), outcome, PARENT, NOW)), [
      {
        parentRef: REFERENCE,
        controllerName: CONTROLLER_NAME,
        conditions: [
          {
            type: "Accepted",
            status: "True",
            reason: "Accepted",
            message: "the pool is served",
            observedGeneration: 3,
            lastTransitionTime: NOW,
          },
          {
            type: "ResolvedRefs",
            status: "True",
            reason: "ResolvedRefs",
            message: "",
            observedGeneration: 3,
            lastTransitionTime: NOW,
          },
          {
            type: "Exported",
            status: "False",
            reason: "NotRequested",
            message: "",
            observedGeneration: 3,
            lastTransitionTime: NOW,
          },
        ],
      },
    ]);
  });

  it("is none where nothing changed, in whatever order the conditions are", () => {
    const entry = ours();
    const status = { parents: [{ ...entry, conditions: entry.conditions.toReversed() }] };
    assert.deepEqual(statusChange(pool(status), outcomeOf("chat"), PARENT, LATER), { kind: "none" });
  });

  it("moves a condition's time only when its status changes", () => {
    const outcome = outcomeOf("chat", {
      generation: 2,
      accepted: { status: "True", reason: "Accepted", message: "another text" },
      resolvedRefs: { status: "False", reason: "InvalidExtensionRef", message: "no such Service" },
    });
    const [entry] = written(statusChange(pool({ parents: [ours()] }, 2), outcome, PARENT, LATER));
    assert.deepEqual(
      entry!.conditions.map(({ type, message, observedGeneration, lastTransitionTime }) => [
        type,
        message,
        observedGeneration,
        lastTransitionTime,
      ]),
      [
        ["Accepted", "another text", 2, NOW],
        ["ResolvedRefs", "no such Service", 2, LATER],
        ["Exported", "", 2, NOW],
      ],
    );
  });

  it("is made for a new generation though the conditions say the same", () => {
    const change = statusChange(
      pool({ parents: [ours()] }, 2),
      outcomeOf("chat", { generation: 2 }),
      PARENT,
      LATER,
    );
    assert.deepEqual(
      written(change)[0]!.conditions.map(({ observedGeneration, lastTransitionTime }) => [
        observedGeneration,
        lastTransitionTime,
      ]),
      [
        [2, NOW],
        [2, NOW],
        [2, NOW],
      ],
    );
  });

  it("does not go back to an earlier generation than the status speaks of", () => {
    const status = { parents: [ours(outcomeOf("chat", { generation: 5 }))] };
    const old = outcomeOf("chat", {
      generation: 4,
      accepted: { status: "False", reason: "NotSupportedByParent", message: "" },
    });
    assert.deepEqual(statusChange(pool(status, 5), old, PARENT, LATER), { kind: "none" });
    // A generation that the pool has not reached is no word of a later look.
    assert.equal(statusChange(pool(status, 4), old, PARENT, LATER).kind, "write");
  });

  it("removes our entry where the pool is not ours any more, and nothing where it never was", () => {
    const foreign = { controllerName: "example.com/other", parentRef: REFERENCE };
    const change = statusChange(pool({ parents: [foreign, ours()] }), undefined, PARENT, LATER);
    assert.deepEqual(written(change), [foreign]);
    assert.deepEqual(statusChange(pool({ parents: [foreign] }), undefined, PARENT, LATER), { kind: "none" });
    assert.deepEqual(statusChange(pool(), undefined, PARENT, LATER), { kind: "none" });
  });

  it("knows its entry where a reference leaves out what is the default", () => {
    const entry = { ...ours(), parentRef: { name: "inference" } };
    const inDefault = { namespace: "default", name: "inference" };
    assert.equal(statusChange(pool({ parents: [entry] }), undefined, inDefault, NOW).kind, "write");
    assert.equal(statusChange(pool({ parents: [entry] }), undefined, PARENT, NOW).kind, "none");
  });

  it("leaves one entry where there were two of ours", () => {
    const foreign = { controllerName: "example.com/other", parentRef: REFERENCE };
    const change = statusChange(
      pool({ parents: [ours(), foreign, ours()] }),
      outcomeOf("chat"),
      PARENT,
      LATER,
    );
    assert.deepEqual(written(change), [ours(), foreign]);
  });

  it("drops conditions of our entry that an earlier version of ours has written", () => {
    const entry = ours();
    const more = { ...entry, conditions: [...entry.conditions, { ...entry.conditions[0], type: "Old" }] };
    assert.deepEqual(written(statusChange(pool({ parents: [more] }), outcomeOf("chat"), PARENT, LATER)), [
      entry,
    ]);
  });

  it("finds no room beside 32 entries of others, but changes its own among 32", () => {
    const others = Array.from({ length: 32 }, (_, number) => ({
      controllerName: `example.com/${number}`,
      parentRef: REFERENCE,
    }));
    const outcome = outcomeOf("chat", { generation: 2 });
    assert.deepEqual(statusChange(pool({ parents: others }), outcome, PARENT, NOW), { kind: "full" });
    const among = { parents: [...others.slice(1), ours()] };
    assert.equal(written(statusChange(pool(among, 2), outcome, PARENT, NOW)).length, 32);
  });

  it("cuts a message at the CRD's bound, between characters", () => {
    const accepted = { status: "False", reason: "InvalidSpec", message: "🙂".repeat(40_000) } as const;
    const [entry] = written(statusChange(pool(), outcomeOf("chat", { accepted }), PARENT, NOW));
    const characters = [...entry!.conditions[0]!.message];
    assert.equal(characters.length, 32_768);
    assert.deepEqual(characters.slice(-2), ["🙂", "…"]);
    const before = { parents: [entry] };
    assert.equal(statusChange(pool(before), outcomeOf("chat", { accepted }), PARENT, LATER).kind, "none");
  });
});

const name = fc.constantFrom("inference", "other", "");
const reference = fc.oneof(
  fc.record(
    {
      group: fc.constantFrom("gateway.networking.k8s.io", "", "example.com"),
      kind: fc.constantFrom("Gateway", "Service"),
      name,
      namespace: fc.constantFrom("gateways", "default"),
      unknown: fc.jsonValue(),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);
const entry = fc.oneof(
  fc.record(
    {
      controllerName: fc.constantFrom(CONTROLLER_NAME, "example.com/other", `${CONTROLLER_NAME}/2`),
      parentRef: reference,
      conditions: fc.jsonValue(),
      unknown: fc.jsonValue(),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);
const condition = fc.record({
  status: fc.constantFrom("True" as const, "False" as const, "Unknown" as const),
  reason: fc.constantFrom("Accepted", "Pending"),
  message: fc.string(),
});
const outcome = fc.record({
  generation: fc.integer({ min: 1, max: 3 }),
  accepted: condition,
  resolvedRefs: condition,
  exported: condition,
});

/** By the definition, not by the code: our controller's name and a reference to our Gateway. */
function isOurs(value: unknown): boolean {
  const { controllerName, parentRef } = (value ?? {}) as { controllerName?: unknown; parentRef?: unknown };
  if (controllerName !== CONTROLLER_NAME || typeof parentRef !== "object" || Array.isArray(parentRef))
    return false;
  const whole = {
    group: REFERENCE.group,
    kind: REFERENCE.kind,
    namespace: "default",
    ...parentRef,
  } as Record<string, unknown>;
  return (["group", "kind", "name", "namespace"] as const).every((key) => whole[key] === REFERENCE[key]);
}

describe("whatever others have written", () => {
  const status = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ parents: fc.array(entry, { maxLength: 34 }), more: fc.jsonValue() }),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  );

  it("stays as it was, in its order", () => {
    fc.assert(
      fc.property(status, fc.option(outcome), (before, over) => {
        const wanted = over === null ? undefined : outcomeOf("chat", over);
        const change = statusChange(pool(before, 3), wanted, PARENT, NOW);
        if (change.kind !== "write") return;
        const parents = (before as { parents?: unknown } | null)?.parents;
        const foreign = (Array.isArray(parents) ? parents : []).filter((value) => !isOurs(value));
        const kept = change.parents.filter((value) => !isOurs(value));
        assert.equal(JSON.stringify(kept), JSON.stringify(foreign));
        assert.equal(change.parents.length - kept.length, wanted === undefined ? 0 : 1);
      }),
      { numRuns: 2000 },
    );
  });

  it("needs one write at most: the second look finds nothing to do", () => {
    fc.assert(
      fc.property(status, fc.option(outcome), (before, over) => {
        const wanted = over === null ? undefined : outcomeOf("chat", over);
        const change = statusChange(pool(before, 3), wanted, PARENT, NOW);
        if (change.kind !== "write") return;
        const after = pool({ parents: change.parents }, 3);
        assert.deepEqual(statusChange(after, wanted, PARENT, LATER), { kind: "none" });
      }),
      { numRuns: 2000 },
    );
  });
});
