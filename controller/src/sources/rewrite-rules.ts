import { MAX_RULE_TARGETS } from "../../../assembly/wire/layout.ts";
import type { RewriteRule } from "../model.ts";
import { show } from "./checked.ts";
import type { ParsedPool, ParsedTargets } from "./pools-schema.ts";
import { formatPath, type Path, type Problems, refuseDuplicates } from "./problems.ts";

/**
 * A pool's rules in the order of precedence: those for one name, in the order of the file, then the one for any.
 * Of several rules for one name, and of several for any, the first counts and the others are left out; a
 * name that has its targets in `models` may have none in `rewrites`.
 */
export function toRewrites(
  parsed: Pick<ParsedPool, "models" | "rewrites">,
  path: Path,
  problems: Problems,
): readonly RewriteRule[] {
  const exact = new Map<string, RewriteRule>();
  /** Names with targets in `models`, and where. */
  const inModels = new Map<string, Path>();
  let any: RewriteRule | undefined;
  parsed.models.forEach((model, index) => {
    if (typeof model === "string" || model.targets.length === 0) return;
    const at = [...path, "models", index];
    inModels.set(model.name, at);
    exact.set(model.name, { model: model.name, targets: toTargets(model.targets, at, problems) });
  });
  parsed.rewrites.forEach((rule, index) => {
    const at = [...path, "rewrites", index];
    const targets = toTargets(rule.targets, at, problems);
    if (rule.models.length === 0) any ??= { targets };
    rule.models.forEach((model, position) => {
      const before = inModels.get(model);
      if (before !== undefined) {
        const place = formatPath([...before, "targets"]);
        problems.add(
          "CONFIG_CONFLICT",
          [...at, "models", position],
          `${show(model)} is also rewritten by ${place}`,
          { value: model, bound: place },
        );
      }
      if (!exact.has(model)) exact.set(model, { model, targets });
    });
  });
  return any === undefined ? [...exact.values()] : [...exact.values(), any];
}

export function toTargets(parsed: ParsedTargets, rule: Path, problems: Problems): RewriteRule["targets"] {
  const path = [...rule, "targets"];
  const count = parsed.length;
  if (count < 1 || count > MAX_RULE_TARGETS) {
    const [relation, bound] = count < 1 ? ["below", 1] : ["above", MAX_RULE_TARGETS];
    problems.add("CONFIG_RANGE", path, `${count} targets is ${relation} ${bound}`, { value: count, bound });
  }
  const targets = parsed.map((target) =>
    typeof target === "string" ? { model: target, weight: 1 } : { model: target.name, weight: target.weight },
  );
  refuseDuplicates(
    targets.map(({ model }, index) => ({ key: model, path: [...path, index] })),
    problems,
  );
  return targets;
}
