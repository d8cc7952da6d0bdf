import type { PoolSpec } from "../../model.ts";
import type { Problems } from "../problems.ts";

/**
 * Most rows of one pool, once for its own annotation and once for all other objects together: a table has 65,536 of each
 * kind for all pools, and whoever owns one namespace must leave others room.
 */
export const POOL_BOUNDS = {
  objectives: 2048,
  models: 2048,
  /** Rules by the names of models that they are for. */
  rewrites: 2048,
  /** Of all rules, once for each name. */
  targets: 4096,
} as const;

/** What an annotation holds too many of becomes a problem. */
export function checkBounds({ models, rewrites }: Pick<PoolSpec, "models" | "rewrites">, problems: Problems) {
  const targets = rewrites.reduce((sum, rule) => sum + rule.targets.length, 0);
  const counts = [
    ["models", models.length, "models", POOL_BOUNDS.models],
    ["rewrites", rewrites.length, "models with rewrites", POOL_BOUNDS.rewrites],
    ["rewrites", targets, "targets of models with rewrites", POOL_BOUNDS.targets],
  ] as const;
  for (const [key, count, what, bound] of counts)
    if (count > bound)
      problems.add("CONFIG_RANGE", [key], `${count} ${what} is above ${bound}`, { value: count, bound });
}
