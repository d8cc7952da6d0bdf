import { MAX_POOL_CLASSES } from "../../../assembly/wire/layout.ts";
import type { EndpointSpec, PickingSpec } from "../model.ts";
import type { ClassRow } from "./rows.ts";

const RANGE = /^(\d{1,10})-(\d{1,10})$/;
const U32_MAX = 0xffffffff;

interface Range {
  readonly minTokens: number;
  readonly maxTokens: number;
}

/** The classes of a pool, and which of them each of its endpoints is in. */
export interface PoolClasses {
  readonly rows: readonly ClassRow[];
  /** One bit a row, the first one lowest. */
  readonly bitsOf: (endpoint: EndpointSpec) => number;
}

/**
 * Classes by header as the pool has them, then lengths of prompts: the endpoints' ranges, cut where any of them begins
 * or ends, so that of these no two overlap. An endpoint without a range is for every length, as all are for a length
 * that is in none. Of lengths for which there is no room, the longest are taken for such.
 */
export function classesOf(
  { classes, contextLengthLabel }: PickingSpec,
  endpoints: readonly EndpointSpec[],
): PoolClasses {
  const values = classes?.values ?? [];
  const rangeOf = (endpoint: EndpointSpec): Range | undefined =>
    contextLengthLabel === undefined ? undefined : parseRange(endpoint.labels?.[contextLengthLabel]);
  const lengths = cut(endpoints.flatMap((endpoint) => rangeOf(endpoint) ?? [])).slice(
    0,
    MAX_POOL_CLASSES - values.length,
  );
  const bitsOf = (endpoint: EndpointSpec): number => {
    const range = rangeOf(endpoint);
    const isIn = [
      ...values.map(({ labels }) => hasLabels(endpoint, labels)),
      ...lengths.map((length) => range === undefined || holds(range, length)),
    ];
    // Shifts are of signed words: the highest bit would make the sum negative.
    return isIn.reduce((bits, is, bit) => bits + (is ? 2 ** bit : 0), 0);
  };
  return { rows: [...values.map(({ value }) => ({ header: value ?? "" })), ...lengths], bitsOf };
}

/** Whether this text is a range of tokens, `0-4096`. */
export function parseRange(written: string | undefined): Range | undefined {
  const match = RANGE.exec(written ?? "");
  if (match === null) return undefined;
  const [minTokens, maxTokens] = [Number(match[1]), Number(match[2])];
  return minTokens <= maxTokens && maxTokens <= U32_MAX ? { minTokens, maxTokens } : undefined;
}

/** What the ranges cover, in pieces each of which is wholly in or out of each range; in order. */
function cut(ranges: readonly Range[]): readonly Range[] {
  const edges = new Set(ranges.flatMap(({ minTokens, maxTokens }) => [minTokens, maxTokens + 1]));
  const starts = [...edges].sort((left, right) => left - right);
  return starts
    .slice(0, -1)
    .map((minTokens, index) => ({ minTokens, maxTokens: starts[index + 1]! - 1 }))
    .filter((piece) => ranges.some((range) => holds(range, piece)));
}

function holds(range: Range, piece: Range): boolean {
  return range.minTokens <= piece.minTokens && piece.maxTokens <= range.maxTokens;
}

function hasLabels({ labels }: EndpointSpec, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => labels !== undefined && Object.hasOwn(labels, key) && labels[key] === value,
  );
}
