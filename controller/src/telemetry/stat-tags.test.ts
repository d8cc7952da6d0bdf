import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import {
  PAGE_DIVISORS,
  PAGE_FIGURES,
  PAGE_HISTOGRAMS,
  STAT_ATTEMPTS,
  STAT_ERRORS,
  STAT_REQUESTS,
  TAG_ERROR,
  TAG_MODEL,
  TAG_POOL,
  TAG_STATUS,
  TAG_TARGET,
} from "../../../assembly/filter/telemetry/stat_names.ts";
import { HISTOGRAM_BOUNDS } from "../../../assembly/wire/accounts.ts";

interface StatsConfig {
  readonly stats_tags: readonly { readonly tag_name: string; readonly regex: string }[];
  readonly histogram_bucket_settings: readonly {
    readonly match: { readonly prefix: string };
    readonly buckets: readonly number[];
  }[];
}

const template = readFileSync(new URL("../../../envoy/bootstrap.yaml", import.meta.url), "utf8");
const { stats_config: config } = parse(template.replaceAll(/\$\{[A-Z_]+\}/g, "0")) as {
  readonly stats_config: StatsConfig;
};

/** What Envoy makes of a statistic's name: each expression is matched with the whole name, its first group goes, its second is the value. */
function extracted(stat: string): { readonly name: string; readonly tags: Readonly<Record<string, string>> } {
  let name = stat;
  const tags: Record<string, string> = {};
  for (const { tag_name: tag, regex } of config.stats_tags) {
    const [, gone, value] = new RegExp(regex).exec(stat) ?? [];
    if (gone === undefined) continue;
    name = name.replace(gone, "");
    tags[tag] = value!;
  }
  return { name, tags };
}

describe("the bootstrap's statistics", () => {
  it("take the labels out of the filter's names, and nothing of them stays", () => {
    const row = `${TAG_MODEL}=a/b:c.d;${TAG_TARGET}=pool%3Dx;${TAG_POOL}=ns/model_name;`;
    const labels = { [TAG_MODEL]: "a/b:c.d", [TAG_TARGET]: "pool%3Dx", [TAG_POOL]: "ns/model_name" };
    assert.deepEqual(extracted(`wasmcustom.${STAT_REQUESTS};${row}`), {
      name: `wasmcustom.${STAT_REQUESTS}`,
      tags: labels,
    });
    assert.deepEqual(extracted(`wasmcustom.${STAT_ERRORS};${row}${TAG_ERROR}=Internal;`), {
      name: `wasmcustom.${STAT_ERRORS}`,
      tags: { ...labels, [TAG_ERROR]: "Internal" },
    });
    assert.deepEqual(extracted(`wasmcustom.${STAT_ATTEMPTS};${TAG_STATUS}=success;`), {
      name: `wasmcustom.${STAT_ATTEMPTS}`,
      tags: { [TAG_STATUS]: "success" },
    });
    const none = `wasmcustom.${STAT_REQUESTS};${TAG_MODEL}=;${TAG_TARGET}=;${TAG_POOL}=ns/a;`;
    assert.deepEqual(extracted(none).tags, { [TAG_MODEL]: "", [TAG_TARGET]: "", [TAG_POOL]: "ns/a" });
  });

  it("search no other statistic: each expression begins with a token that Envoy compares first", () => {
    for (const { regex } of config.stats_tags) assert.ok(regex.startsWith("^wasmcustom\\."), regex);
    const plain = "wasmcustom.inference_picker.feed.tables_accepted";
    assert.deepEqual(extracted(plain), { name: plain, tags: {} });
  });

  it("have the bounds of every histogram, in the unit of its name", () => {
    const shown = config.histogram_bucket_settings.map(({ match, buckets }) => [match.prefix, buckets]);
    const wanted = [...PAGE_HISTOGRAMS.entries()].map(([place, name]) => [
      `wasmcustom.${name};`,
      HISTOGRAM_BOUNDS[PAGE_FIGURES[place]!]!.map((bound) => bound / PAGE_DIVISORS[place]!),
    ]);
    assert.deepEqual(Object.fromEntries(shown), Object.fromEntries(wanted));
  });
});
