import * as v from "valibot";
import { MAX_NAME_BYTES, MAX_TARGET_WEIGHT } from "../../../../assembly/wire/layout.ts";
import { EXPERIMENTAL_GROUP, GATEWAY_GROUP, LLMD_GROUP } from "../../kubernetes/kinds.ts";
import type { ModelObject, ObjectiveObject, RewriteObject } from "../../kubernetes/objects.ts";
import type { RewriteRule } from "../../model.ts";
import { integer, text, word } from "../checked.ts";
import { toTargets } from "../rewrite-rules.ts";
import { validated } from "../validated.ts";
import type { FindingReason, ObjectReference } from "./findings.ts";
import { problemsInto } from "./pool-object.ts";
import { modelReference, objectiveReference, rewriteReference } from "./references.ts";

const MAX_PRIORITY = 2 ** 31 - 1;
const name = text(MAX_NAME_BYTES);

const poolRef = v.object({
  /** That in which the pool's kind began is still the default of InferenceModels; the pool is the same. */
  group: v.optional(v.string(), GATEWAY_GROUP),
  kind: v.optional(v.string(), "InferencePool"),
  name: v.string(),
  /** No version of the kinds has it; who writes it means another namespace. */
  namespace: v.optional(v.string()),
});

const weight = v.optional(integer(1, MAX_TARGET_WEIGHT), 1);

const OBJECTIVE = v.object({ priority: v.optional(integer(-MAX_PRIORITY - 1, MAX_PRIORITY), 0), poolRef });

const REWRITE = v.object({
  poolRef,
  rules: v.array(
    v.object({
      matches: v.optional(
        v.array(v.object({ model: v.object({ type: v.optional(word("Exact"), "Exact"), value: name }) })),
        [],
      ),
      targets: v.array(v.object({ weight, modelRewrite: name })),
    }),
  ),
});

const MODEL = v.object({
  poolRef,
  modelName: name,
  criticality: v.optional(word("Critical", "Standard", "Sheddable"), "Standard"),
  targetModels: v.optional(v.array(v.object({ name, weight })), []),
});

const PRIORITY_OF = { Critical: 1, Standard: 0, Sheddable: -1 } as const;

/** What an object asks for in a pool. */
export type Wish =
  | { readonly kind: "objective"; readonly objective: { readonly name: string; readonly priority: number } }
  | { readonly kind: "rewrite"; readonly rules: readonly ParsedRule[] }
  | {
      readonly kind: "model";
      readonly model: { readonly name: string; readonly priority: number };
      readonly rules: readonly ParsedRule[];
    };

/** No models: for any. */
export interface ParsedRule {
  readonly models: readonly string[];
  readonly targets: RewriteRule["targets"];
}

export interface ReadRule {
  readonly object: ObjectReference;
  /** Before equals of the other group. */
  readonly isPreferred: boolean;
  /** The pool's name; the namespace is the object's own. Absent where the object is wrong. */
  readonly pool?: string;
  readonly wish?: Wish;
  readonly fault?: { readonly reason: FindingReason; readonly message: string };
}

export function readObjective(object: ObjectiveObject): ReadRule {
  const reference = objectiveReference(object);
  return read(reference, object.spec, object.group === LLMD_GROUP, OBJECTIVE, ({ priority }) => ({
    kind: "objective",
    objective: { name: object.meta.name, priority },
  }));
}

export function readRewrite(object: RewriteObject): ReadRule {
  return read(
    rewriteReference(object),
    object.spec,
    object.group === LLMD_GROUP,
    REWRITE,
    ({ rules }, found) => ({
      kind: "rewrite",
      rules: rules.map((rule, index) => ({
        models: rule.matches.map(({ model }) => model.value),
        targets: toTargets(
          rule.targets.map((target) => ({ name: target.modelRewrite, weight: target.weight })),
          ["spec", "rules", index],
          problemsInto(found),
        ),
      })),
    }),
  );
}

export function readModel(object: ModelObject): ReadRule {
  return read(modelReference(object), object.spec, false, MODEL, (spec, found) => ({
    kind: "model",
    model: { name: spec.modelName, priority: PRIORITY_OF[spec.criticality] },
    rules:
      spec.targetModels.length === 0
        ? []
        : [
            {
              models: [spec.modelName],
              targets: toTargets(spec.targetModels, ["spec"], problemsInto(found)),
            },
          ],
  }));
}

function read<Spec extends { readonly poolRef: v.InferOutput<typeof poolRef> }>(
  object: ObjectReference,
  raw: unknown,
  isPreferred: boolean,
  schema: v.GenericSchema<unknown, Spec>,
  wishOf: (spec: Spec, found: string[]) => Wish,
): ReadRule {
  const found: string[] = [];
  const spec = validated(raw, { schema, secretsIn: "a Secret", problems: problemsInto(found), at: ["spec"] });
  const wish = spec === undefined ? undefined : wishOf(spec, found);
  if (spec !== undefined) {
    const { group, kind } = spec.poolRef;
    if ((group !== GATEWAY_GROUP && group !== EXPERIMENTAL_GROUP) || kind !== "InferencePool")
      found.push(`spec.poolRef: ${kind}.${group} is not InferencePool.${GATEWAY_GROUP}`);
  }
  if (spec === undefined || wish === undefined || found.length > 0)
    return { object, isPreferred, fault: { reason: "InvalidSpec", message: found.join("; ") } };
  const { namespace = object.namespace, name: pool } = spec.poolRef;
  if (namespace === object.namespace) return { object, isPreferred, pool, wish };
  const message = `spec.poolRef.namespace: ${namespace} is not the object's own namespace, ${object.namespace}`;
  return { object, isPreferred, fault: { reason: "PoolInOtherNamespace", message } };
}
