import type { ProbedExports, Said } from "./scanner-probe.ts";

/** What the JSON scanner tells of a body, by the names of the core's exports. */
const FIELDS = [
  "scanModelSeen",
  "scanModelRepeated",
  "scanModelIsString",
  "scanModelTooLong",
  "scanModelStart",
  "scanModelEnd",
  "scanStreamSeen",
  "scanStream",
  "scanStreamOptionsSeen",
  "scanStreamOptionsStart",
  "scanStreamOptionsEnd",
  "scanStreamOptionsIsObject",
  "scanStreamOptionsEmpty",
  "scanIncludeUsage",
  "scanIncludeUsageSeen",
  "scanIncludeUsageStart",
  "scanIncludeUsageEnd",
  "scanObjectStart",
  "scanIsEmptyObject",
  "scanMaxTokensSeen",
  "scanMaxTokens",
  "scanNSeen",
  "scanN",
  "scanPrioritySeen",
  "scanPriority",
  "scanCacheSaltSeen",
  "scanCacheSaltRepeated",
  "scanCacheSaltTooLong",
  "scanUserSeen",
  "scanUserTooLong",
  "scanMessages",
  "scanTools",
  "scanMediaParts",
  "scanContentBytes",
  "scanSpanCount",
  "scanSpansDropped",
  "scanErrorOffset",
  "scanErrorReason",
] as const;

export type BodyField = (typeof FIELDS)[number];

export const BODY_FIELDS: ProbedExports = {
  begin: "scanReset",
  feed: "scanFeed",
  finish: "scanFinish",
  fields: FIELDS,
  texts: [
    ["scanModelPtr", "scanModelBytes"],
    ["scanCacheSaltPtr", "scanCacheSaltBytes"],
    ["scanUserPtr", "scanUserBytes"],
    ["scanPromptHashes", "scanPromptHashBytes"],
  ],
  state: "scanState",
};

const INDEX = new Map<BodyField, number>(FIELDS.map((name, index) => [name, index]));

/** A field that is a number or a flag; offsets without a sign. */
export function saidOf(said: Said, field: BodyField): number {
  const value = Number(said.fields[INDEX.get(field)!]);
  return field === "scanPriority" ? value : value >>> 0;
}
