import * as v from "valibot";

/** What the doctor reads of the controller's `/table`; other keys are left alone, for it may be of another version. */
const TABLE = v.object({
  problem: v.nullish(v.string()),
  findings: v.optional(v.array(v.string()), []),
  epoch: v.string(),
  sequence: v.pipe(v.string(), v.digits()),
  pools: v.array(
    v.object({
      name: v.string(),
      profile: v.string(),
      missingTerms: v.array(v.string()),
      clusters: v.array(v.string()),
      endpoints: v.array(v.object({ name: v.string(), address: v.string(), state: v.string() })),
    }),
  ),
  envoys: v.array(
    v.object({
      node: v.string(),
      epoch: v.optional(v.string()),
      sequence: v.pipe(v.string(), v.digits()),
      generation: v.string(),
      tablesRefused: v.number(),
    }),
  ),
});

export type ControllerTable = v.InferOutput<typeof TABLE>;

/** Undefined for what is no such page. */
export function parseControllerTable(page: unknown): ControllerTable | undefined {
  const parsed = v.safeParse(TABLE, page);
  return parsed.success ? parsed.output : undefined;
}
