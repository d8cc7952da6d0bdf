import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPage } from "../scrape/engines.ts";
import type { Endpoint, PoolSpec, RouteSpec, Sample } from "../model.ts";
import { buildTable } from "./build.ts";
import { decodeTable } from "./decode.ts";
import { encodeTable } from "./encode.ts";
import type { TableRows } from "./rows.ts";
import { TEST_PICKING } from "../xds/fixtures.ts";

const POOL: PoolSpec = {
  namespace: "default",
  name: "llama",
  profile: "epp",
  scorers: [],
  failureMode: "FailClose",
  clusters: ["default/llama"],
  endpoints: [],
  models: [],
  objectives: [],
  rewrites: [],
  restoreModel: false,
  addUsage: false,
  apis: [],
  readBody: true,
  requireModel: false,
  knownModelsOnly: false,
  staleAfterMs: 1500,
  bodyWindowBytes: 65536,
  bodyLimitBytes: 16777216,
  saturation: { queueLimit: 5, kvLimit: 0.5 },
  picking: TEST_PICKING,
  appProtocol: "http",
};

/** The table of endpoints that serve these pages, in their order. */
function tableOf(
  pages: readonly string[],
  over: Partial<PoolSpec> = {},
  routes: readonly RouteSpec[] = [],
): TableRows {
  const samples = new Map<string, Sample>();
  const endpoints = pages.map((page, index): Endpoint => {
    const ip = `10.0.${index >> 8}.${index & 255}`;
    const address = `${ip}:80`;
    samples.set(address, readPage("vllm", Buffer.from(page), 0).sample);
    const scrape = { intervalMs: 500, timeoutMs: 2000, path: "/metrics" };
    const spec = { name: address, host: ip, port: 80, engine: "vllm" as const, scrape };
    return { pool: "default/llama", spec, ip, address, ready: true, draining: false };
  });
  const pools = [{ ...POOL, ...over }];
  return buildTable({ pools, routes, endpoints, samples, nowMs: 10, epoch: 1n, sequence: 1n });
}

function page(running: readonly string[], waiting: readonly string[] = []): string {
  const lists = `running_lora_adapters="${running.join()}",waiting_lora_adapters="${waiting.join()}"`;
  return `vllm:lora_requests_info{max_lora="4",${lists}} 1\n`;
}

function names(count: number, prefix: string, bytes = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`.padEnd(bytes, "x"));
}

function sizes(rows: TableRows): readonly number[] {
  return rows.pools[0]!.endpoints.map(({ adapters }) => adapters!.entries.length);
}

describe("a table out of hostile pages", () => {
  it("is encoded whatever names and lists one page holds", () => {
    const honest = page(["a"], ["b"]);
    const rows = tableOf([page(names(100_000, "n")), page(["y".repeat(5000), "\u0000", "é\uD800"]), honest]);
    const { pools } = decodeTable(encodeTable(rows).bytes);
    assert.deepEqual(pools[0]!.endpoints[2]!.adapters, {
      max: 4,
      entries: [
        { name: "a", state: "running" },
        { name: "b", state: "waiting" },
      ],
    });
    assert.equal(rows.adaptersDropped, undefined);
  });

  it("leaves out, of the longest lists alone, the rows that are too many", () => {
    const rows = tableOf([...Array.from({ length: 400 }, () => page(names(256, "n"))), page(["a", "b"])]);
    const counts = sizes(rows);
    assert.equal(counts[400], 2);
    assert.deepEqual(new Set(counts.slice(0, 400)), new Set([Math.floor((65536 - 2) / 400)]));
    assert.equal(rows.adaptersDropped, 400 * (256 - counts[0]!));
    const { adaptersDropped: _, ...encoded } = rows;
    assert.deepEqual(decodeTable(encodeTable(rows).bytes), encoded);
  });

  it("leaves out the names for which the message has no room, and no more", () => {
    const pages = names(200, "e").map((endpoint) => page(names(256, `${endpoint}-`, 256)));
    const rows = tableOf(pages);
    const { bytes } = encodeTable(rows);
    assert.ok(bytes.byteLength > 4_100_000, `${bytes.byteLength} bytes`);
    assert.equal(new Set(sizes(rows)).size, 1);
    assert.deepEqual(tableOf(pages), rows);
  });

  it("leaves room for rewrites, APIs and routes, whose names are the configuration's", () => {
    const pages = names(200, "e").map((endpoint) => page(names(256, `${endpoint}-`, 256)));
    const targets = (rule: number) => names(20, `t${rule}-`, 256).map((model) => ({ model, weight: 1 }));
    const over = {
      rewrites: names(300, "m", 256).map((model, rule) => ({ model, targets: targets(rule) })),
      apis: names(60, "/a", 200).map((suffix) => ({ suffix, api: "json" as const })),
    };
    const routes = names(500, "r", 500).map((name) => ({
      name,
      pathPrefix: "/",
      headers: [],
      pools: [{ pool: "default/llama", weight: 1 }],
      byModel: true,
    }));
    const rows = tableOf(pages, over, routes);
    const { bytes } = encodeTable(rows);
    assert.ok(bytes.byteLength > 4_100_000, `${bytes.byteLength} bytes`);
    assert.ok(rows.adaptersDropped! > tableOf(pages).adaptersDropped!);
  });

  it("keeps running adapters before waiting ones", () => {
    const rows = tableOf(
      Array.from({ length: 300 }, () => page(names(200, "r").slice(100), names(256, "w"))),
    );
    const [first] = rows.pools[0]!.endpoints;
    assert.deepEqual(
      new Set(first!.adapters!.entries.slice(0, 100).map(({ state }) => state)),
      new Set(["running"]),
    );
    assert.equal(first!.adapters!.entries.length, 218);
  });
});
