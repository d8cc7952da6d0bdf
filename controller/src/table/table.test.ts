import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as L from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import type { Endpoint, PoolSpec, RouteSpec, Sample } from "../model.ts";
import { buildTable } from "./build.ts";
import { decodeTable } from "./decode.ts";
import { encodeTable, withRemote } from "./encode.ts";
import { fnv1a64 } from "./hash.ts";
import type { EndpointRow, PoolRow, TableRows } from "./rows.ts";
import { WireError } from "./wire-error.ts";
import { TEST_PICKING } from "../xds/fixtures.ts";

const POOL: PoolSpec = {
  namespace: "default",
  name: "llama",
  profile: "epp",
  scorers: [],
  failureMode: "FailClose",
  clusters: ["default/llama"],
  endpoints: [],
  models: [{ name: "llama", adapter: false }],
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

function endpoint(host: number, over: Partial<Endpoint> = {}, scraped = true): Endpoint {
  const scrape = { intervalMs: 500, timeoutMs: 2000, path: "/metrics" };
  return {
    pool: "default/llama",
    spec: {
      name: `e${host}`,
      host: `10.0.0.${host}`,
      port: 80,
      engine: "vllm",
      ...(scraped ? { scrape } : {}),
    },
    ip: `10.0.0.${host}`,
    address: `10.0.0.${host}:80`,
    ready: true,
    draining: false,
    ...over,
  };
}

function build(
  endpoints: readonly Endpoint[],
  samples: Readonly<Record<string, Sample>> = {},
  pools: readonly PoolSpec[] = [POOL],
  routes: readonly RouteSpec[] = [],
): TableRows {
  const byAddress = new Map(Object.entries(samples));
  return buildTable({ pools, routes, endpoints, samples: byAddress, nowMs: 10_000, epoch: 7n, sequence: 3n });
}

function row(index: number, over: Partial<EndpointRow> = {}): EndpointRow {
  const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`;
  const flags = { ready: true, draining: false, unmeasured: false, lifeEpoch: 0, classes: 0 };
  return { id: fnv1a64(address), address, name: `e${index}`, ...flags, ...over };
}

function poolRow(endpoints: readonly EndpointRow[], over: Partial<PoolRow> = {}): PoolRow {
  const [pool] = build([]).pools;
  return { ...pool!, endpoints, ...over };
}

function table(...pools: readonly PoolRow[]): TableRows {
  return { epoch: 1n, sequence: 1n, pools, routes: [] };
}

/** Records with the prototype that literals have, since comparison minds it. */
function plain<Model>(model: { [Key in keyof Model]: fc.Arbitrary<Model[Key]> }): fc.Arbitrary<Model> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Model>;
}

function refuses(run: () => unknown, code: string, bound: unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof PickerError);
    assert.deepEqual([error.code, error.bound], [code, bound]);
    assert.notEqual(error.value, undefined);
    return true;
  });
}

describe("FNV-1a", () => {
  it("gives the published values", () => {
    // From the test suite of draft-eastlake-fnv.
    assert.equal(fnv1a64(""), 0xcbf29ce484222325n);
    assert.equal(fnv1a64("a"), 0xaf63dc4c8601ec8cn);
    assert.equal(fnv1a64("foobar"), 0x85944171f73967e8n);
  });

  it("equals the definition in big integers for any text", () => {
    const defined = (text: string): bigint =>
      new TextEncoder()
        .encode(text)
        .reduce(
          (hash, byte) => ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn,
          0xcbf29ce484222325n,
        );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => assert.equal(fnv1a64(text), defined(text))),
    );
  });
});

describe("building a table", () => {
  it("gives each measurement its age and leaves absent ones absent", () => {
    const rows = build([endpoint(1)], {
      "10.0.0.1:80": { atMs: 9_750.4, queuedRequests: 0, kvUsedRatio: 0.5 },
    });
    assert.deepEqual(rows.pools[0]?.endpoints, [
      {
        id: fnv1a64("10.0.0.1:80"),
        address: "10.0.0.1:80",
        name: "e1",
        ready: true,
        draining: false,
        unmeasured: false,
        lifeEpoch: 0,
        classes: 0,
        ageMs: 250,
        queuedRequests: 0,
        kvUsedRatio: 0.5,
      },
    ]);
  });

  it("keeps never-scraped and unmeasured endpoints apart, both without load", () => {
    const sample = { atMs: 9_000, queuedRequests: 1 };
    const [never, unmeasured] = build([endpoint(1), endpoint(2, {}, false)], { "10.0.0.2:80": sample })
      .pools[0]!.endpoints;
    assert.deepEqual([never?.ageMs, never?.unmeasured], [undefined, false]);
    assert.deepEqual(
      [unmeasured?.ageMs, unmeasured?.unmeasured, unmeasured?.queuedRequests],
      [undefined, true, undefined],
    );
    const { bytes, endpointOffset } = encodeTable(build([endpoint(1)]));
    const view = new DataView(bytes.buffer);
    assert.equal(view.getUint32(endpointOffset + L.ENDPOINT_AGE_MS, true), L.AGE_NEVER);
    assert.equal(view.getUint32(endpointOffset + L.ENDPOINT_VALID, true), 0);
  });

  it("takes an age from a clock that seems to run backwards as zero", () => {
    const rows = build([endpoint(1)], { "10.0.0.1:80": { atMs: 10_001 } });
    assert.equal(rows.pools[0]?.endpoints[0]?.ageMs, 0);
  });

  it("gives each pool its own endpoints and an address twice in a pool one row", () => {
    const other = { ...POOL, name: "qwen", clusters: ["default/qwen"] };
    const shared = endpoint(1, { pool: "default/qwen" });
    const lost = endpoint(3, { pool: "default/absent" });
    const rows = build([endpoint(1), shared, endpoint(2), endpoint(1), lost], {}, [POOL, other]);
    assert.deepEqual(
      rows.pools.map((pool) => pool.endpoints.map(({ address }) => address)),
      [["10.0.0.1:80", "10.0.0.2:80"], ["10.0.0.1:80"]],
    );
  });

  it("lists an adapter that runs and waits as running", () => {
    const adapters = { max: 2, running: ["b"], waiting: ["a", "b"] };
    const rows = build([endpoint(1)], { "10.0.0.1:80": { atMs: 9_000, adapters } });
    assert.deepEqual(rows.pools[0]?.endpoints[0]?.adapters, {
      max: 2,
      entries: [
        { name: "b", state: "running" },
        { name: "a", state: "waiting" },
      ],
    });
  });

  it("sends scorers for the profile that uses them only", () => {
    const scorers = [{ name: "in-flight", weight: 2 }] as const;
    assert.deepEqual(build([], {}, [{ ...POOL, scorers }]).pools[0]?.scorers, []);
    const weighted = { ...POOL, profile: "weighted", scorers } as const;
    assert.deepEqual(build([], {}, [weighted]).pools[0]?.scorers, scorers);
  });
});

describe("building what decides a request's model, API and pool", () => {
  const rewrites = [
    { model: "chat", targets: [{ model: "llama", weight: 3 }] },
    { targets: [{ model: "other", weight: 1 }] },
  ];

  it("gives a rule for any model the empty name, and keeps APIs and flags", () => {
    const apis = [{ suffix: "/ask", api: "json" }] as const;
    const [built] = build([], {}, [{ ...POOL, rewrites, apis, restoreModel: true, addUsage: true }]).pools;
    assert.deepEqual(built?.rewrites, [
      { model: "chat", targets: [{ model: "llama", weight: 3 }] },
      { model: "", targets: [{ model: "other", weight: 1 }] },
    ]);
    assert.deepEqual([built?.apis, built?.restoreModel, built?.addUsage], [apis, true, true]);
  });

  it("gives a row to routes by model only, and the pools on them a flag and their bodies read", () => {
    const pools = ["a", "b", "c"].map((name): PoolSpec => {
      return { ...POOL, profile: "random", name, clusters: [name], models: [], readBody: "auto" };
    });
    const route = (name: string, byModel: boolean, ...names: readonly string[]): RouteSpec => ({
      name,
      pathPrefix: "/",
      headers: [],
      pools: names.map((pool) => ({ pool: `default/${pool}`, weight: 1 })),
      byModel,
    });
    const rows = build([], {}, pools, [
      route("models", true, "b", "gone", "a"),
      route("plain", false, "c"),
      route("nowhere", true, "gone"),
    ]);
    assert.deepEqual(rows.routes, [{ name: "models", pools: ["default/b", "default/a"] }]);
    assert.deepEqual(
      rows.pools.map(({ byModel, readBody }) => [byModel, readBody]),
      [
        [true, true],
        [true, true],
        [false, false],
      ],
    );
    assert.deepEqual(decodeTable(encodeTable(rows).bytes), rows);
  });
});

describe("encoding a table", () => {
  it("reads back as it was, for any rows", () => {
    const u32 = fc.nat({ max: 0x7fffffff });
    const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
    const measured = fc.record(
      {
        ageMs: u32,
        queuedRequests: u32,
        runningRequests: u32,
        kvUsedRatio: fc.float({ min: 0, max: 1, noNaN: true }).filter((value) => !Object.is(value, -0)),
        kvBlocks: u32,
        kvBlockTokens: u32,
        ready: fc.boolean(),
        draining: fc.boolean(),
        unmeasured: fc.boolean(),
        lifeEpoch: u32,
        classes: fc.integer({ min: 0, max: 0xffffffff }),
        name,
        adapters: plain({
          max: u32,
          entries: fc.array(plain({ name, state: fc.constantFrom("running" as const, "waiting" as const) })),
        }),
        remote: plain({ requests: u32, uncachedTokens: u32, residentTokens: u32 }),
      },
      { requiredKeys: [], noNullPrototype: true },
    );
    const target = plain({ model: name, weight: fc.integer({ min: 1, max: L.MAX_TARGET_WEIGHT }) });
    const segment = fc.constantFrom("v1", "chat", "a.b~c", "%2F", "x");
    const suffix = fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([segments, named]) => `/${named ? "{model}/" : ""}${segments.join("/")}`);
    const pool = plain({
      rewrites: fc.array(
        plain({
          model: fc.oneof(name, fc.constant("")),
          targets: fc.array(target, { minLength: 1, maxLength: 4 }),
        }),
      ),
      apis: fc.array(
        plain({ suffix, api: fc.constantFrom("none" as const, "json" as const, "openai-audio" as const) }),
      ),
      restoreModel: fc.boolean(),
      addUsage: fc.boolean(),
      byModel: fc.boolean(),
      endpoints: fc.array(measured, { maxLength: 8 }),
      models: fc.array(plain({ name, adapter: fc.boolean() })),
      objectives: fc.array(plain({ name, priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) })),
      failureMode: fc.constantFrom("FailOpen" as const, "FailClose" as const),
      requireModel: fc.boolean(),
      picking: plain({
        ttftBaseMs: fc.integer({ min: 1, max: 1 << 20 }),
        ttftPer1kTokensMs: fc.integer({ min: 0, max: 1 << 20 }),
        tpotMs: fc.integer({ min: 1, max: 1 << 20 }),
        objectiveHeaders: fc.boolean(),
        subsetHeader: fc.boolean(),
        subsetMetadata: fc.boolean(),
        sessionAffinity: fc.boolean(),
        classHeader: fc.constantFrom("", "x-tier", "a.b_c-9"),
        classes: fc.uniqueArray(
          fc.oneof(
            plain({ header: fc.oneof(name, fc.constant("")) }),
            fc.tuple(u32, u32).map(([left, right]) => ({
              minTokens: Math.min(left, right),
              maxTokens: Math.max(left, right),
            })),
          ),
          { selector: (row) => ("header" in row ? row.header : row), maxLength: L.MAX_POOL_CLASSES },
        ),
      }),
    });
    fc.assert(
      fc.property(fc.array(pool, { maxLength: 5 }), fc.nat({ max: 3 }), (pools, routeCount) => {
        const { pools: poolRows, ...rest } = table(
          ...pools.map((over, index) =>
            poolRow([], {
              ...over,
              name: `ns/p${index}`,
              clusters: [`c${index}`, `outbound|80||p${index}`],
              kvLimit: 0.5,
              endpoints: over.endpoints.map((columns, position) => row(position, columns)),
            }),
          ),
        );
        const routes = Array.from({ length: pools.length === 0 ? 0 : routeCount }, (_, index) => ({
          name: `route ${index}`,
          pools: poolRows.slice(index % poolRows.length).map((over) => over.name),
        }));
        const rows = { ...rest, pools: poolRows, routes };
        assert.deepEqual(decodeTable(encodeTable(rows).bytes), rows);
      }),
    );
  });

  it("stores a string once however often it occurs", () => {
    const name = "a-name-that-occurs-often";
    const pools = [0, 1, 2].map((index) =>
      poolRow([row(1, { name }), row(2, { name })], { name: `p${index}`, clusters: [] }),
    );
    const text = Buffer.from(encodeTable(table(...pools)).bytes).toString("latin1");
    assert.equal(text.split(name).length - 1, 1);
  });

  it("fits a thousand endpoints into 128 KB", () => {
    const endpoints = Array.from({ length: 1000 }, (_, index) =>
      row(index, { queuedRequests: 1, kvUsedRatio: 0.5 }),
    );
    assert.ok(encodeTable(table(poolRow(endpoints))).bytes.length <= 128 * 1024);
  });

  it("refuses what the format cannot hold, with the value and the bound", () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => row(index));
    const pool = poolRow([]);
    refuses(() => encodeTable(table(poolRow(many(L.MAX_ENDPOINTS + 1)))), "TABLE_BOUND", L.MAX_ENDPOINTS);
    const pools = Array.from({ length: L.MAX_POOLS + 1 }, (_, index) => ({
      ...pool,
      name: `p${index}`,
      clusters: [],
    }));
    refuses(() => encodeTable(table(...pools)), "TABLE_BOUND", L.MAX_POOLS);
    const models = Array.from({ length: L.MAX_ROWS + 1 }, () => ({ name: "m", adapter: false }));
    refuses(() => encodeTable(table({ ...pool, models })), "TABLE_BOUND", L.MAX_ROWS);
    const long = "x".repeat(L.MAX_STRING_BYTES + 1);
    refuses(() => encodeTable(table(poolRow([row(1, { name: long })]))), "TABLE_BOUND", L.MAX_STRING_BYTES);
    const heavy = Array.from({ length: 17_000 }, (_, index) => ({
      name: `${index}-${"x".repeat(240)}`,
      adapter: false,
    }));
    refuses(() => encodeTable(table({ ...pool, models: heavy })), "TABLE_BOUND", L.MAX_MESSAGE_BYTES);
    refuses(() => encodeTable(table(poolRow([row(1, { kvUsedRatio: Number.NaN })]))), "TABLE_VALUE", 1);
    refuses(() => encodeTable(table(poolRow([row(1, { kvUsedRatio: -0.1 })]))), "TABLE_VALUE", 0);
    refuses(() => encodeTable(table(poolRow([row(1, { queuedRequests: 1.5 })]))), "TABLE_VALUE", 0xffffffff);
    refuses(() => encodeTable(table(poolRow([row(1), row(1)]))), "TABLE_VALUE", "ids unique within a pool");
    refuses(() => encodeTable(table(pool, pool)), "TABLE_VALUE", "non-empty and unique");
    assert.throws(() => encodeTable(table(poolRow([row(1, { address: "a,b" })]))), /commas/);
    refuses(() => encodeTable(table(poolRow([row(1, { id: 7n })]))), "TABLE_VALUE", row(1).id);
    const again = { name: "in-flight", weight: 1 } as const;
    const other = { name: "queue-depth", weight: 1 } as const;
    const mixed = (scorers: PoolRow["scorers"]) => () => encodeTable(table({ ...pool, scorers }));
    refuses(mixed([again, other, again]), "TABLE_VALUE", "non-empty and unique");
    refuses(mixed(Array(L.MAX_POOL_SCORERS + 1).fill(again)), "TABLE_BOUND", L.MAX_POOL_SCORERS);
  });

  it("refuses rules, suffixes and routes that no reader takes, with the value and the bound", () => {
    const target = { model: "t", weight: 1 };
    const withRules =
      (...rewrites: PoolRow["rewrites"]) =>
      () =>
        encodeTable(table(poolRow([], { rewrites })));
    const weighing = (weight: number) => withRules({ model: "m", targets: [{ ...target, weight }] });
    refuses(withRules({ model: "m", targets: [] }), "TABLE_VALUE", 1);
    refuses(withRules({ model: "m", targets: [{ model: "", weight: 1 }] }), "TABLE_VALUE", "non-empty");
    for (const weight of [0, -1, 0.5]) refuses(weighing(weight), "TABLE_VALUE", 1);
    for (const weight of [L.MAX_TARGET_WEIGHT + 1, 1.5, Number.NaN]) {
      refuses(weighing(weight), "TABLE_VALUE", L.MAX_TARGET_WEIGHT);
    }
    const targets = Array(L.MAX_RULE_TARGETS + 1).fill(target);
    refuses(withRules({ model: "m", targets }), "TABLE_BOUND", L.MAX_RULE_TARGETS);
    const long = "n".repeat(L.MAX_NAME_BYTES + 1);
    refuses(withRules({ model: long, targets: [target] }), "TABLE_BOUND", L.MAX_NAME_BYTES);
    refuses(
      withRules({ model: "m", targets: [{ ...target, model: long }] }),
      "TABLE_BOUND",
      L.MAX_NAME_BYTES,
    );

    const withApis =
      (...suffixes: readonly string[]) =>
      () =>
        encodeTable(table(poolRow([], { apis: suffixes.map((suffix) => ({ suffix, api: "json" })) })));
    for (const suffix of ["", "/", "a", "/a/", "//a", "/a?b", "/{model}/{model}", "/x{model}", "/é"]) {
      assert.throws(
        withApis(suffix),
        (error) => error instanceof PickerError && error.value === suffix,
        suffix,
      );
    }
    refuses(withApis(`/${"s".repeat(L.MAX_SUFFIX_BYTES)}`), "TABLE_BOUND", L.MAX_SUFFIX_BYTES);
    refuses(withApis(...Array(L.MAX_POOL_APIS + 1).fill("/a")), "TABLE_BOUND", L.MAX_POOL_APIS);

    const pool = poolRow([]);
    const withRoutes =
      (...routes: TableRows["routes"]) =>
      () =>
        encodeTable({ ...table(pool), routes });
    const pools = [pool.name];
    refuses(withRoutes({ name: "r", pools: [] }), "TABLE_VALUE", 1);
    refuses(withRoutes({ name: "r", pools: ["ns/none"] }), "TABLE_VALUE", "the name of a pool");
    refuses(withRoutes({ name: "r", pools: [...pools, ...pools] }), "TABLE_VALUE", "non-empty and unique");
    refuses(withRoutes({ name: "r", pools }, { name: "r", pools }), "TABLE_VALUE", "non-empty and unique");
    refuses(withRoutes({ name: "", pools }), "TABLE_VALUE", "non-empty and unique");
    const name = "r".repeat(L.MAX_POOL_NAME_BYTES + 1);
    refuses(withRoutes({ name, pools }), "TABLE_BOUND", L.MAX_POOL_NAME_BYTES);
  });

  it("refuses names longer than readers take, however often they occur and wherever", () => {
    const name = "n".repeat(L.MAX_NAME_BYTES + 1);
    const pool = poolRow([]);
    // An endpoint's name may be that long: it is not looked up.
    const named = row(1, { name });
    const entries = [{ name, state: "running" as const }];
    const tooLong: readonly PoolRow[] = [
      { ...pool, endpoints: [named], models: [{ name, adapter: false }] },
      { ...pool, endpoints: [named], objectives: [{ name, priority: 1 }] },
      { ...pool, endpoints: [{ ...named, adapters: { max: 1, entries } }] },
    ];
    for (const over of tooLong) refuses(() => encodeTable(table(over)), "TABLE_BOUND", L.MAX_NAME_BYTES);
    encodeTable(table({ ...pool, endpoints: [named] }));
    const long = "é".repeat(L.MAX_POOL_NAME_BYTES / 2 + 1);
    for (const over of [{ name: long }, { clusters: [long] }]) {
      refuses(() => encodeTable(table({ ...pool, ...over })), "TABLE_BOUND", L.MAX_POOL_NAME_BYTES);
    }
    const address = "a".repeat(L.MAX_ADDRESS_BYTES + 1);
    const distant = row(1, { address, id: fnv1a64(address) });
    refuses(() => encodeTable(table(poolRow([distant]))), "TABLE_BOUND", L.MAX_ADDRESS_BYTES);
  });
});

describe("the columns of other Envoys' load", () => {
  it("are set for the endpoints known, in a copy, in every pool that shares the endpoint", () => {
    const shared = row(1, { queuedRequests: 3 });
    const pools = [poolRow([row(2), shared], { name: "a", clusters: [] }), poolRow([shared], { name: "b" })];
    const encoded = encodeTable(table(...pools));
    const before = encoded.bytes.slice();
    const load = { requests: 4, uncachedTokens: 5e9, residentTokens: 6 };
    const bytes = withRemote(encoded, (id) => (id === shared.id ? load : undefined));
    assert.deepEqual(encoded.bytes, before);
    const capped = { ...load, uncachedTokens: 0xffffffff };
    const decoded = decodeTable(bytes);
    assert.deepEqual(decoded.pools[0]?.endpoints, [row(2), { ...shared, remote: capped }]);
    assert.deepEqual(decoded.pools[1]?.endpoints, [{ ...shared, remote: capped }]);
    assert.deepEqual(encoded.endpointIds, [row(2).id, shared.id, shared.id]);
  });

  it("say zero where zero is known, which is not the same as nothing known", () => {
    const none = { requests: 0, uncachedTokens: 0, residentTokens: 0 };
    const bytes = withRemote(encodeTable(table(poolRow([row(1)]))), () => none);
    assert.deepEqual(decodeTable(bytes).pools[0]?.endpoints[0]?.remote, none);
  });
});

describe("reading a table", () => {
  it("never does anything but accept or refuse, whatever bytes are changed or cut off", () => {
    const adapters = { max: 2, entries: [{ name: "sql", state: "running" as const }] };
    const pool = poolRow([row(1, { kvUsedRatio: 0.5, adapters }), row(2)], {
      rewrites: [
        { model: "a", targets: ["x", "y"].map((model) => ({ model, weight: 1 })) },
        { model: "", targets: [{ model: "z", weight: 1 }] },
      ],
      apis: [{ suffix: "/{model}/ask", api: "openai-chat" }],
    });
    const { bytes } = encodeTable({ ...table(pool), routes: [{ name: "r", pools: [pool.name] }] });
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 6 }),
        fc.nat({ max: bytes.length }),
        fc.boolean(),
        (changes, cut, whole) => {
          const broken = bytes.slice();
          for (const [at, value] of changes) broken[at] = value;
          try {
            decodeTable(whole ? broken : broken.subarray(0, cut));
          } catch (error) {
            assert.ok(error instanceof WireError, String(error));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
