import type { PoolObject } from "../kubernetes/objects.ts";
import type { PoolOutcome } from "../sources/kubernetes/findings.ts";

/** `controllerName` of the entries that are ours. */
export const CONTROLLER_NAME = "inference-picker.io/controller";

/** The Gateway in whose name statuses are written. */
export interface Parent {
  readonly namespace: string;
  readonly name: string;
}

/** What is to be done about a pool's status; `write` has the whole list, since a merge patch replaces arrays. */
export type StatusChange =
  | { readonly kind: "none" }
  | { readonly kind: "write"; readonly parents: readonly unknown[] }
  /** The list has no room for our entry. */
  | { readonly kind: "full" };

/** The CRD's bounds: entries of `status.parents`, characters of a message. */
export const MAX_PARENTS = 32;
const MAX_MESSAGE_CHARACTERS = 32_768;

const GATEWAY_GROUP = "gateway.networking.k8s.io";
const GATEWAY_KIND = "Gateway";

interface WrittenCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Compares a pool's status with what it should say of us. Only the entry of this controller and this parent
 * is ever made, changed or removed; all others are passed on as they were read, in their order.
 * A condition's time moves only when its status does.
 *
 * @param outcome undefined where the pool is not ours (any more): our entry goes
 * @param now RFC 3339, whole seconds
 */
export function statusChange(
  pool: PoolObject,
  outcome: PoolOutcome | undefined,
  parent: Parent,
  now: string,
): StatusChange {
  const parents = entriesOf(pool.status);
  const own = parents.filter((entry) => isOurs(entry, pool, parent));
  if (outcome === undefined) {
    if (own.length === 0) return { kind: "none" };
    return { kind: "write", parents: parents.filter((entry) => !own.includes(entry)) };
  }
  const [first] = own;
  const before = conditionsOf(first);
  if (isNewer(before, outcome, pool)) return { kind: "none" };
  const conditions = wanted(before, outcome, now);
  if (own.length === 1 && isSame(before, conditions)) return { kind: "none" };
  const entry = {
    parentRef: { group: GATEWAY_GROUP, kind: GATEWAY_KIND, name: parent.name, namespace: parent.namespace },
    controllerName: CONTROLLER_NAME,
    conditions,
  };
  if (first === undefined) {
    if (parents.length >= MAX_PARENTS) return { kind: "full" };
    return { kind: "write", parents: [...parents, entry] };
  }
  const kept = parents.filter((other) => other === first || !own.includes(other));
  return { kind: "write", parents: kept.map((other) => (other === first ? entry : other)) };
}

function entriesOf(status: unknown): readonly unknown[] {
  const parents = fields(status)?.parents;
  return Array.isArray(parents) ? parents : [];
}

/** A reference without group, kind or namespace means a Gateway of the pool's own namespace. */
function isOurs(entry: unknown, pool: PoolObject, parent: Parent): boolean {
  const { controllerName, parentRef } = fields(entry) ?? {};
  const { group, kind, name, namespace } = fields(parentRef) ?? {};
  return (
    controllerName === CONTROLLER_NAME &&
    (group ?? GATEWAY_GROUP) === GATEWAY_GROUP &&
    (kind ?? GATEWAY_KIND) === GATEWAY_KIND &&
    name === parent.name &&
    (namespace ?? pool.meta.namespace) === parent.namespace
  );
}

function conditionsOf(entry: unknown): readonly Fields[] {
  const conditions = fields(entry)?.conditions;
  if (!Array.isArray(conditions)) return [];
  return conditions.map(fields).filter((condition) => condition !== undefined);
}

/**
 * Whether the status speaks of a later generation than the outcome: who has just become the writer may not
 * have seen yet what the last one had. A generation that the pool itself has not reached is no such word.
 */
function isNewer(before: readonly Fields[], outcome: PoolOutcome, pool: PoolObject): boolean {
  return before.some(
    ({ observedGeneration }) =>
      typeof observedGeneration === "number" &&
      observedGeneration > outcome.generation &&
      observedGeneration <= pool.meta.generation,
  );
}

function wanted(before: readonly Fields[], outcome: PoolOutcome, now: string): readonly WrittenCondition[] {
  const parts = [
    ["Accepted", outcome.accepted],
    ["ResolvedRefs", outcome.resolvedRefs],
    ["Exported", outcome.exported],
  ] as const;
  return parts.map(([type, { status, reason, message }]) => {
    const earlier = before.find((condition) => condition.type === type);
    const since = earlier?.lastTransitionTime;
    return {
      type,
      status,
      reason,
      message: shortened(message),
      observedGeneration: outcome.generation,
      lastTransitionTime: earlier?.status === status && typeof since === "string" ? since : now,
    };
  });
}

const COMPARED = [
  "type",
  "status",
  "reason",
  "message",
  "observedGeneration",
  "lastTransitionTime",
] as const satisfies readonly (keyof WrittenCondition)[];

/** The order of conditions means nothing: they are a map by type. */
function isSame(before: readonly Fields[], conditions: readonly WrittenCondition[]): boolean {
  return (
    before.length === conditions.length &&
    conditions.every((condition) =>
      before.some((earlier) => COMPARED.every((key) => earlier[key] === condition[key])),
    )
  );
}

/** The API server counts characters, not UTF-16 units. */
function shortened(message: string): string {
  if (message.length <= MAX_MESSAGE_CHARACTERS) return message;
  const characters = [...message];
  return characters.length <= MAX_MESSAGE_CHARACTERS
    ? message
    : `${characters.slice(0, MAX_MESSAGE_CHARACTERS - 1).join("")}…`;
}

function fields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
