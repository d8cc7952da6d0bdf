/** The pool is that of the cluster which the route finally uses, whatever is split, matched or rewritten meanwhile. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type AccessLogEntry, wasPicked } from "../../controller/src/cli/access-log.ts";
import { burst, type RequestOptions } from "./client.ts";
import { Gateway, until } from "./harness.ts";
import { post, RawConnection } from "./raw-connection.ts";
import { ScriptedEndpoint } from "./scripted-endpoint.ts";

const REQUESTS = 2000;
const HELD = 100;
const BODY = '{"prompt":"hello, hello, hello","model":"m"}';
/** What the filter sets; a client may not choose a route, let alone an endpoint, by it. */
const PICK_HEADER = "x-gateway-destination-endpoint";

/** Cluster → endpoints of its pool. */
let members: Readonly<Record<string, readonly ScriptedEndpoint[]>>;
let gateway: Gateway;

type Weights = readonly { readonly pool: string; readonly weight: number }[];
const HALF: Weights = [
  { pool: "a", weight: 50 },
  { pool: "b", weight: 50 },
];

function pools(split: Weights, onPickHeader?: readonly object[]) {
  const pool = (name: string) => ({
    name,
    body: { read: "always" },
    scrape: { interval: "200ms" },
    endpoints: members[`default/${name}`]!.map(({ address }) => address),
  });
  return {
    pools: [pool("a"), pool("b")],
    routes: [
      ...(onPickHeader ?? []),
      { name: "by-header", headers: [{ name: "x-test-pool", exact: "b" }], pools: ["b"] },
      { name: "split", pathPrefix: "/split", pools: split },
      { name: "rest", pools: ["a"] },
    ],
  };
}

before(async () => {
  const start = () => Promise.all([1, 2, 3].map(() => ScriptedEndpoint.start()));
  members = { "default/a": await start(), "default/b": await start() };
  gateway = await Gateway.start({ name: "routes", pools: pools(HALF) });
});

after(async () => {
  await gateway?.stop();
  await Promise.all(Object.values(members ?? {}).flatMap((list) => list.map((endpoint) => endpoint.close())));
});

interface LoggedEntry extends AccessLogEntry {
  readonly path: string;
}

/** The access log of `count` requests that `send` makes; those that warmed up may come in late. */
async function loggedOf(count: number, send: () => Promise<void>): Promise<readonly AccessLogEntry[]> {
  const before = gateway.logged().length;
  await send();
  return until("the access log is complete", () => {
    const entries = (gateway.logged() as readonly LoggedEntry[])
      .slice(before)
      .filter(({ path }) => path !== "/warm-up");
    return entries.length >= count ? entries : undefined;
  });
}

async function burstLogged(options: RequestOptions): Promise<readonly AccessLogEntry[]> {
  return loggedOf(REQUESTS, async () => {
    const { problems } = await burst(gateway.port, REQUESTS, 16, { body: BODY, ...options });
    assert.deepEqual(problems, []);
  });
}

/** Picked in process, and every entry of the list and the host that served of the cluster's own pool. */
function assertOwnPool(entries: readonly AccessLogEntry[]): void {
  const wrong = entries.filter((entry) => {
    const own = new Set((members[entry.cluster ?? ""] ?? []).map(({ address }) => address));
    const picked = (entry.picked ?? "").split(",");
    return !wasPicked(entry) || picked[0] !== entry.served || !picked.every((address) => own.has(address));
  });
  assert.deepEqual(wrong, []);
}

function shareOf(entries: readonly AccessLogEntry[], cluster: string): number {
  return entries.filter((entry) => entry.cluster === cluster).length / entries.length;
}

test("a route split over two pools picks each request from the pool of its own cluster", async () => {
  const entries = await burstLogged({ path: "/split/v1/completions" });
  assert.equal(entries.length, REQUESTS);
  assertOwnPool(entries);
  const share = shareOf(entries, "default/a");
  console.log(`${REQUESTS} requests, ${(share * 100).toFixed(1)} % to a, 0 mismatches, 0 fallbacks`);
  // Five standard deviations of a fair coin.
  assert.ok(Math.abs(share - 0.5) < (5 * 0.5) / Math.sqrt(REQUESTS), `${share}`);
});

test("a route matched on a header stays the route of the request after the pick", async () => {
  const entries = await burstLogged({ headers: { "x-test-pool": "b" } });
  assertOwnPool(entries);
  assert.equal(shareOf(entries, "default/b"), 1);
});

test("a route that matches on the pick's own header is chosen neither by the client nor by the pick", async () => {
  const victim = members["default/a"]![0]!.address;
  const one = (address: string) => ({
    name: `on-pick-${address.split(":")[1]}`,
    headers: [{ name: PICK_HEADER, exact: address }],
    pools: ["b"],
  });
  // One endpoint is left, so that the picked list is exactly what the route would match.
  gateway.writePools({
    ...pools(HALF, [one(victim)]),
    pools: pools(HALF).pools.map((pool) => (pool.name === "a" ? { ...pool, endpoints: [victim] } : pool)),
  });
  await until("the endpoints and the route are in place", async () => {
    const dump = (await gateway.admin("/config_dump?resource=dynamic_route_configs")) ?? "";
    const endpoints = (await gateway.table())?.pools.find(({ name }) => name === "default/a")?.endpoints;
    const applied = await gateway.table();
    const isApplied = applied?.envoys[0]?.sequence === applied?.sequence;
    return dump.includes("on-pick-") && endpoints?.length === 1 && isApplied;
  });
  const entries = await burstLogged({ headers: { [PICK_HEADER]: victim } });
  assertOwnPool(entries);
  assert.equal(shareOf(entries, "default/a"), 1);
  gateway.writePools(pools(HALF));
  await until("the routes are back", async () => {
    const dump = (await gateway.admin("/config_dump?resource=dynamic_route_configs")) ?? "";
    const table = await gateway.table();
    return !dump.includes("on-pick-") && table?.pools.every(({ endpoints }) => endpoints.length === 3);
  });
});

const UPDATES: readonly (readonly [string, Weights])[] = [
  [
    "new weights",
    [
      { pool: "a", weight: 1 },
      { pool: "b", weight: 99 },
    ],
  ],
  ["another target", [{ pool: "b", weight: 1 }]],
];

for (const [name, split] of UPDATES) {
  test(`a route that gets ${name} while bodies are held half-sent serves each from the pool of its cluster`, async () => {
    gateway.writePools(pools(HALF));
    await settled(HALF);
    const connections = await Promise.all(
      Array.from({ length: HELD }, () => RawConnection.open(gateway.port)),
    );
    const whole = post("/split/v1/completions", BODY);
    const half = whole.length - (BODY.length >> 1);
    const entries = await loggedOf(HELD, async () => {
      const answers = connections.map((connection) => connection.answer());
      for (const connection of connections) connection.send(whole.slice(0, half));
      await until("all are held", async () => (await gateway.stat("gateway.downstream_rq_active")) >= HELD);
      gateway.writePools(pools(split));
      await settled(split);
      for (const connection of connections) connection.send(whole.slice(half));
      assert.ok((await Promise.all(answers)).every(({ status }) => status === 200));
      for (const connection of connections) connection.close();
    });
    assertOwnPool(entries);
    const share = shareOf(entries, "default/a");
    console.log(`${HELD} held over ${name}: ${(share * 100).toFixed(0)} % to a, 0 mismatches`);
    // The route is the one of the request's start, so about half stay with a.
    assert.ok(share > 0.2 && share < 0.8, `${share}`);
  });
}

interface DumpedRoute {
  readonly name?: string;
  readonly route?: {
    readonly cluster?: string;
    readonly weighted_clusters?: {
      readonly clusters: readonly { readonly name: string; readonly weight: number }[];
    };
  };
}

/** Waits until Envoy's split route has these targets. */
async function settled(split: Weights): Promise<void> {
  const wanted =
    split.length === 1 ? `default/${split[0]!.pool}` : split.map(({ weight }) => weight).join(" ");
  await until(`the route leads to ${wanted}`, async () => {
    const dump = (await gateway.admin("/config_dump?resource=dynamic_route_configs")) ?? "{}";
    const found: string[] = [];
    JSON.parse(dump, (_, value: unknown) => {
      const { name, route } = (value ?? {}) as DumpedRoute;
      if (name === "split" && route !== undefined)
        found.push(
          route.cluster ?? (route.weighted_clusters?.clusters ?? []).map(({ weight }) => weight).join(" "),
        );
      return value;
    });
    return found.length === 1 && found[0] === wanted;
  });
}
