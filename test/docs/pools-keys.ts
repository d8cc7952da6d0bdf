/** What the pools file's schema says of each key, learned from the schema itself. */
import assert from "node:assert/strict";
import * as v from "valibot";

/** What valibot's schemas have in common, as far as it is looked into here. */
export interface Schema {
  readonly type: string;
  readonly getter?: (input: unknown) => Schema;
  readonly wrapped?: Schema;
  readonly item?: Schema;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly default?: unknown;
}

export interface Key {
  readonly type: string;
  readonly required: boolean;
  readonly fallback: unknown;
  readonly bounds: string;
}

/** The long form where a plain value may stand for a mapping. */
function long(schema: Schema): Schema {
  return schema.getter === undefined ? schema : long(schema.getter({}));
}

/** Every mapping of the pools file by its path, with its keys. */
export function mappings(schema: Schema, path = ""): ReadonlyMap<string, ReadonlyMap<string, Key>> {
  const found = new Map<string, ReadonlyMap<string, Key>>();
  const keys = new Map<string, Key>();
  found.set(path, keys);
  for (const [key, entry] of Object.entries(long(schema).entries!)) {
    const inner = entry.wrapped ?? entry;
    const value = inner.item ?? inner;
    const isMapping = long(value).entries !== undefined;
    const [type, bounds] = isMapping ? ["mapping", "–"] : leaf(long(value));
    keys.set(key, {
      type: inner.item === undefined ? type : `list of ${type}`,
      required: entry.type !== "optional",
      fallback: entry.default,
      bounds,
    });
    if (!isMapping) continue;
    const below = `${path === "" ? "" : `${path}.`}${key}${inner.item === undefined ? "" : "[]"}`;
    for (const [place, more] of mappings(value, below)) found.set(place, more);
  }
  return found;
}

/** Type and bounds of a plain value, learned from what it refuses. */
function leaf(schema: Schema): readonly [type: string, bounds: string] {
  const refusal = (input: unknown) => {
    const result = v.safeParse(schema as unknown as v.GenericSchema, input);
    return result.success ? undefined : result.issues[0];
  };
  const between = (low: unknown, high: unknown) => `${refusal(low)?.expected} to ${refusal(high)?.expected}`;
  const message = refusal([])!.message;
  if (message.includes("host:port")) return ["address", "port 1 to 65535"];
  if (message.includes("true or false")) return ["flag", "true, false"];
  if (message.includes("whole number")) return ["integer", between(-1e15, 1e15)];
  if (message.includes("a number")) return ["number", between(-1e15, 1e15)];
  if (message.includes("duration")) return ["duration", between("0ms", "99999h")];
  if (message.includes("a size")) return ["size", between("0B", "99999GiB")];
  if (message.includes("one of")) return ["word", String(refusal([])!.expected)];
  assert.match(message, /is not text/);
  return ["text", `1 to ${refusal("x".repeat(100_000))?.expected}`];
}
