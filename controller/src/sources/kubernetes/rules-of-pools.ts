import type { ObjectMeta } from "../../kubernetes/objects.ts";
import type { ModelSpec, RewriteRule } from "../../model.ts";
import type { PoolSettings } from "../pool-settings.ts";
import type { Finding, ObjectReference } from "./findings.ts";
import { POOL_BOUNDS } from "./pool-bounds.ts";
import type { ParsedRule, ReadRule, Wish } from "./pool-rules.ts";
import { byAge, byText } from "./references.ts";

export interface DatedRule {
  readonly meta: ObjectMeta;
  readonly read: ReadRule;
}

/** What other objects add to a pool, each list in the order of precedence. */
export interface PoolRules {
  readonly objectives: readonly { readonly name: string; readonly priority: number }[];
  readonly models: readonly { readonly name: string; readonly priority: number }[];
  readonly rewrites: readonly { readonly object: ObjectReference; readonly rules: readonly ParsedRule[] }[];
}

export const NO_RULES: PoolRules = { objectives: [], models: [], rewrites: [] };

/** Whether another namespace than the objects' own has a pool of a name. */
export type Elsewhere = (pool: string) => boolean;

/**
 * The objects of a namespace by the pool that they are for. The oldest goes first. An object that stands in both groups
 * counts once, as llm-d's; of several InferenceModels of one name the first counts.
 *
 * @param pools names of the namespace's pools, whatever their state
 */
export function rulesOfPools(
  rules: readonly DatedRule[],
  pools: ReadonlySet<string>,
  elsewhere: Elsewhere,
): { readonly byPool: ReadonlyMap<string, PoolRules>; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const sorted = [...rules].sort(
    (a, b) =>
      Number(b.read.isPreferred) - Number(a.read.isPreferred) ||
      byAge(a, b) ||
      byText(a.read.object.kind, b.read.object.kind),
  );
  const valid = new Map<string, DatedRule & { readonly pool: string }>();
  for (const rule of sorted) {
    const { object, pool, fault } = rule.read;
    const wrong =
      fault ?? (pool === undefined || pools.has(pool) ? undefined : notFound(pool, elsewhere(pool)));
    if (wrong !== undefined) findings.push({ object, ...wrong, severity: "Warning" });
    const twin = `${object.kind} ${object.name}`;
    if (wrong === undefined && pool !== undefined && !valid.has(twin)) valid.set(twin, { ...rule, pool });
  }
  const byPool = new Map<string, Builder>();
  for (const rule of [...valid.values()].sort(
    (a, b) => byAge(a, b) || byText(a.read.object.kind, b.read.object.kind),
  )) {
    const builder = byPool.get(rule.pool) ?? new Builder();
    byPool.set(rule.pool, builder);
    builder.add(rule.read, findings);
  }
  return { byPool, findings };
}

/** Which namespaces have it is not said: who writes the object may not be allowed to know of them. */
function notFound(pool: string, isElsewhere: boolean): NonNullable<ReadRule["fault"]> {
  if (!isElsewhere)
    return { reason: "PoolNotFound", message: `spec.poolRef.name: there is no InferencePool ${pool}` };
  const message = `spec.poolRef.name: InferencePool ${pool} stands in another namespace; only pools of the object's own are meant`;
  return { reason: "PoolInOtherNamespace", message };
}

class Builder implements PoolRules {
  readonly objectives: PoolRules["objectives"][number][] = [];
  readonly models: PoolRules["models"][number][] = [];
  readonly rewrites: PoolRules["rewrites"][number][] = [];
  readonly #modelOwners = new Map<string, string>();
  readonly #counts = { objectives: 0, models: 0, rewrites: 0, targets: 0 };

  add({ object, wish }: ReadRule, findings: Finding[]): void {
    if (wish === undefined) return;
    const tell = (reason: Finding["reason"], message: string): void => {
      findings.push({ object, reason, message, severity: "Warning" });
    };
    const owner = wish.kind === "model" ? this.#modelOwners.get(wish.model.name) : undefined;
    if (wish.kind === "model" && owner !== undefined) {
      const message = `spec.modelName: ${wish.model.name} is also that of the older InferenceModel ${owner}, which counts`;
      tell("DuplicateModel", message);
      return;
    }
    const over = this.#take(wish);
    if (over !== undefined) {
      tell("TooMany", over);
      return;
    }
    if (wish.kind === "objective") this.objectives.push(wish.objective);
    else if (wish.kind === "rewrite") this.rewrites.push({ object, rules: wish.rules });
    else {
      this.#modelOwners.set(wish.model.name, object.name);
      this.models.push(wish.model);
      if (wish.rules.length > 0) this.rewrites.push({ object, rules: wish.rules });
    }
  }

  /** Why the pool has no room for it, or undefined after counting it. */
  #take(wish: Wish): string | undefined {
    const namesOf = ({ models }: ParsedRule): number => Math.max(1, models.length);
    const rules = wish.kind === "objective" ? [] : wish.rules;
    const wanted = {
      objectives: wish.kind === "objective" ? 1 : 0,
      models: wish.kind === "model" ? 1 : 0,
      rewrites: rules.reduce((sum, rule) => sum + namesOf(rule), 0),
      targets: rules.reduce((sum, rule) => sum + namesOf(rule) * rule.targets.length, 0),
    };
    const keys = Object.keys(wanted) as (keyof typeof wanted)[];
    const over = keys.find((key) => this.#counts[key] + wanted[key] > POOL_BOUNDS[key]);
    if (over !== undefined) {
      const left = POOL_BOUNDS[over] - this.#counts[over];
      return `${wanted[over]} ${over} is above the ${left} that older objects leave of the pool's ${POOL_BOUNDS[over]}`;
    }
    for (const key of keys) this.#counts[key] += wanted[key];
    return undefined;
  }
}

/**
 * The pool's settings with what other objects add. What the pool itself says goes before them; of their rules an
 * exact one goes before one for any model, then the older object's, then the first of the list.
 */
export function withRules(
  settings: PoolSettings,
  rules: PoolRules,
): { readonly settings: PoolSettings; readonly findings: readonly Finding[] } {
  if (rules === NO_RULES) return { settings, findings: [] };
  const { spec } = settings;
  const findings: Finding[] = [];
  const exact = new Map<string, RewriteRule>();
  let any: RewriteRule | undefined;
  for (const rule of spec.rewrites) {
    if (rule.model === undefined) any = rule;
    else exact.set(rule.model, rule);
  }
  for (const { object, rules: list } of rules.rewrites) {
    if (spec.readBody === false && list.length > 0) {
      const message = `no model is rewritten in InferencePool ${spec.name}, whose body.read is never`;
      findings.push({ object, reason: "BodyNotRead", message, severity: "Warning" });
      continue;
    }
    for (const { models, targets } of list) {
      if (models.length === 0) any ??= { targets };
      for (const model of models) if (!exact.has(model)) exact.set(model, { model, targets });
    }
  }
  const models = new Map(spec.models.map((model) => [model.name, model]));
  for (const { name, priority } of rules.models) {
    const own: ModelSpec = models.get(name) ?? { name, adapter: false };
    models.set(name, { priority, ...own });
  }
  return {
    settings: {
      ...settings,
      spec: {
        ...spec,
        models: [...models.values()],
        objectives: [...rules.objectives].sort((a, b) => byText(a.name, b.name)),
        rewrites: any === undefined ? [...exact.values()] : [...exact.values(), any],
      },
    },
    findings,
  };
}
