import type { PoolSpec } from "../model.ts";
import { parseRange } from "../table/classes.ts";
import { type Checks, listed } from "./check.ts";

/** Do endpoints bear the labels that the pool tells them apart by? `name` is what its checks are listed under. */
export function checkClasses(checks: Checks, name: string, { picking, endpoints }: PoolSpec): void {
  for (const { value, labels } of picking.classes?.values ?? []) {
    const wanted = Object.entries(labels);
    if (endpoints.some((endpoint) => wanted.every(([key, text]) => endpoint.labels?.[key] === text)))
      continue;
    const which = value === undefined ? "the class for any other value" : `class ${value}`;
    checks.warning(
      name,
      `no endpoint has the labels of ${which}: ${listed(wanted.map(([key, text]) => `${key}=${text}`))}`,
      "give them to endpoints, or remove the class: its requests are answered 503",
    );
  }
  const { contextLengthLabel: label } = picking;
  if (label === undefined) return;
  const wrong = endpoints.filter(({ labels }) => {
    const written = labels?.[label];
    return written !== undefined && parseRange(written) === undefined;
  });
  if (wrong.length === 0) return;
  checks.warning(
    name,
    `label ${label} is no range of tokens on ${listed(wrong.map((endpoint) => endpoint.name))}`,
    "write it as fewest-most, such as 0-4096: until then they get prompts of every length",
  );
}
