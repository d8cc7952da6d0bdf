import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { handoverSteps, type Step, type Target } from "./handover-steps.ts";
import type { Endpoint, PoolSpec, RouteSpec } from "./model.ts";
import { testEndpoint, testPool } from "./xds/fixtures.ts";

const A = "10.0.0.1";
const B = "10.0.0.2";
const C = "10.0.0.3";

interface Shape {
  readonly pools: Readonly<Record<string, readonly string[]>>;
  /** The pool that the one route leads to; default: the first. */
  readonly to?: string;
  readonly over?: Readonly<Record<string, Partial<PoolSpec>>>;
  readonly draining?: readonly string[];
}

function target({ pools, to = Object.keys(pools)[0]!, over = {}, draining = [] }: Shape): Target {
  return {
    inventory: {
      pools: Object.keys(pools).map((name) => testPool(name, over[name])),
      routes: [
        {
          name: "all",
          pathPrefix: "/",
          headers: [],
          pools: [{ pool: `default/${to}`, weight: 1 }],
          byModel: false,
        },
      ],
    },
    endpoints: Object.entries(pools).flatMap(([name, ips]) =>
      ips.map((ip) => testEndpoint(name, ip, 80, { draining: draining.includes(ip) })),
    ),
    withheld: new Set(),
  };
}

/** `hosts cluster=host,host …`, `table pool(cluster,…)=host,… …`, `routes pool`. */
function written(steps: readonly Step[]): readonly string[] {
  return steps.map((step) => {
    if (step.kind === "routes") return `routes ${step.inventory.routes[0]?.pools[0]?.pool.slice(8)}`;
    const { inventory, endpoints } = step.target;
    const ips = (pool: PoolSpec, counts: (endpoint: Endpoint) => boolean) =>
      [
        ...new Set(
          endpoints
            .filter((endpoint) => endpoint.pool === `default/${pool.name}` && counts(endpoint))
            .map(({ ip }) => ip),
        ),
      ]
        .sort()
        .map((ip) => ip.at(-1)!.replace(/./, (digit) => "-abc"[Number(digit)]!))
        .join("");
    const short = (cluster: string) => cluster.replace("default/", "");
    const parts = inventory.pools.map((pool) =>
      step.kind === "hosts"
        ? `${short(pool.clusters[0]!)}=${ips(pool, ({ draining }) => !draining)}`
        : `${pool.name}(${pool.clusters.map(short).join(",")})=${ips(pool, ({ draining }) => !draining)}`,
    );
    return [step.kind, ...parts].join(" ");
  });
}

const way = (before: Shape | undefined, next: Shape) =>
  written(handoverSteps(before === undefined ? undefined : target(before), target(next)));

describe("the steps of a handover", () => {
  it("end with the routes at the start, since an Envoy may know an earlier controller's", () => {
    assert.deepEqual(way(undefined, { pools: { chat: [A] } }), [
      "hosts chat=a",
      "table chat(chat)=a",
      "routes chat",
    ]);
  });

  it("give an endpoint to the cluster before the table, and take it from the table before the cluster", () => {
    assert.deepEqual(way({ pools: { chat: [A] } }, { pools: { chat: [B] } }), [
      "hosts chat=ab",
      "table chat(chat)=b",
      "routes chat",
      "hosts chat=b",
    ]);
  });

  it("take nothing away where nothing goes", () => {
    assert.deepEqual(way({ pools: { chat: [A] } }, { pools: { chat: [A, B] } }), [
      "hosts chat=ab",
      "table chat(chat)=ab",
      "routes chat",
    ]);
  });

  it("keep an endpoint that drains in the cluster until no table offers it", () => {
    assert.deepEqual(way({ pools: { chat: [A, B] } }, { pools: { chat: [A, B] }, draining: [A] }), [
      "hosts chat=ab",
      "table chat(chat)=b",
      "routes chat",
      "hosts chat=b",
    ]);
  });

  it("lead to a renamed pool only when the table has both names, and forget the old one after", () => {
    assert.deepEqual(way({ pools: { old: [A] } }, { pools: { fresh: [B] } }), [
      "hosts fresh=b old=a",
      "table fresh(fresh)=b old(old)=a",
      "routes fresh",
      "table fresh(fresh)=b",
      "hosts fresh=b",
    ]);
  });

  it("keep a pool's endpoints in the table while routes that move may still lead to it", () => {
    assert.deepEqual(
      way({ pools: { one: [A], two: [B] }, to: "one" }, { pools: { one: [], two: [A, B] }, to: "two" }),
      [
        "hosts one=a two=ab",
        "table one(one)=a two(two)=ab",
        "routes two",
        "table one(one)= two(two)=ab",
        "hosts one= two=ab",
      ],
    );
  });

  it("go on answering for the cluster that a pool was served by", () => {
    const over = (cluster: string) => ({ chat: { clusters: [`default/${cluster}`] } });
    assert.deepEqual(
      way({ pools: { chat: [A] }, over: over("x") }, { pools: { chat: [B] }, over: over("y") }),
      ["hosts y=ab x=ab", "table chat(y,x)=ab", "routes chat", "table chat(y)=b", "hosts y=b"],
    );
  });

  it("hand a cluster from one pool to another with the hosts of both", () => {
    const clusters = { clusters: ["default/x"] };
    assert.deepEqual(
      way(
        { pools: { old: [A] }, over: { old: clusters } },
        { pools: { fresh: [C] }, over: { fresh: clusters } },
      ),
      ["hosts x=ac", "table fresh(x)=c", "routes fresh", "table fresh(x)=c", "hosts x=c"],
    );
  });

  it("keep Envoy's hosts of a pool whose names are not all known", () => {
    const next: Target = { ...target({ pools: { chat: [A] } }), withheld: new Set(["default/chat"]) };
    const [first] = handoverSteps(undefined, next);
    assert.ok(first?.kind === "hosts" && first.target.withheld.has("default/chat"));
    const known = target({ pools: { chat: [A, B] } });
    const [then] = handoverSteps(next, known);
    assert.ok(then?.kind === "hosts" && then.target.withheld.size === 0);
  });
});

describe("the steps of a handover of routes by model", () => {
  const POOLS = { a: [A], b: [B], c: [C] };
  const byModel = (...names: readonly string[]): RouteSpec => ({
    name: "models",
    pathPrefix: "/",
    headers: [],
    pools: names.map((name) => ({ pool: `default/${name}`, weight: 1 })),
    byModel: true,
  });
  const side = (...routes: readonly RouteSpec[]): Target => {
    const { inventory, ...rest } = target({ pools: POOLS });
    return { ...rest, inventory: { ...inventory, routes } };
  };
  /** Of each table and of the routes, the pools among which the model chooses. */
  const choices = (before: RouteSpec | undefined, next: RouteSpec) => {
    const steps = handoverSteps(before === undefined ? undefined : side(before), side(next));
    return steps.flatMap((step) => {
      if (step.kind === "hosts") return [];
      const { routes } = step.kind === "table" ? step.target.inventory : step.inventory;
      const pools = routes.filter(({ byModel: chosen }) => chosen).flatMap((route) => route.pools);
      return [[step.kind, ...pools.map(({ pool }) => pool.slice(8))].join(" ")];
    });
  };

  it("give the filter a pool to choose when Envoys have the route to it, and take it away before", () => {
    assert.deepEqual(choices(byModel("a", "b"), byModel("a", "b", "c")), [
      "table a b",
      "routes a b c",
      "table a b c",
    ]);
    assert.deepEqual(choices(byModel("a", "b"), byModel("a")), ["table a", "routes a"]);
  });

  it("choose nothing while a route turns to choosing, or turns away from it", () => {
    const plain: RouteSpec = { ...byModel("a"), byModel: false };
    assert.deepEqual(choices(plain, byModel("a", "b")), ["table", "routes a b", "table a b"]);
    assert.deepEqual(choices(byModel("a", "b"), plain), ["table", "routes"]);
  });

  it("have routes to both where a pool is exchanged for another, and choose from the new ones only then", () => {
    const exchanged = choices(byModel("a", "b"), byModel("c", "b"));
    assert.deepEqual(exchanged, ["table a b", "routes c b a", "table c b", "routes c b", "table c b"]);
    assert.deepEqual(choices(byModel("a"), byModel("c")), [
      "table a",
      "routes c a",
      "table c",
      "routes c",
      "table c",
    ]);
  });

  it("keep a renamed pool's routes until no table chooses it", () => {
    const named = (name: string): Target => {
      const { inventory, ...rest } = target({ pools: { first: [A], [name]: [B] } });
      return { ...rest, inventory: { ...inventory, routes: [byModel("first", name)] } };
    };
    const routes = handoverSteps(named("old"), named("fresh")).flatMap((step) =>
      step.kind === "routes" ? [step.inventory] : [],
    );
    assert.deepEqual(
      routes.map(({ pools }) => pools.map(({ name }) => name)),
      [
        ["first", "fresh", "old"],
        ["first", "fresh"],
      ],
    );
  });

  /** Of each table, `route=pools` of the routes on which the model chooses. */
  const byName = (before: Target, next: Target) =>
    handoverSteps(before, next).flatMap((step) => {
      if (step.kind !== "table") return [];
      const chosen = step.target.inventory.routes.filter((route) => route.byModel);
      return [chosen.map(({ name, pools }) => `${name}=${pools.map(({ pool }) => pool.slice(8)).join("")}`)];
    });

  it("choose under both names of a renamed route until Envoys have the new one", () => {
    const old: RouteSpec = { ...byModel("a", "b"), name: "old" };
    const fresh: RouteSpec = { ...byModel("b", "c"), name: "fresh" };
    assert.deepEqual(byName(side(old), side(fresh)), [["fresh=bc", "old=ab"], ["fresh=bc"]]);
    assert.deepEqual(byName(side(old), side()), [["old=ab"], []]);
    assert.deepEqual(byName(side(), side(fresh)), [["fresh=bc"]]);
  });

  it("keep both names while another route exchanges pools", () => {
    const old: RouteSpec = { ...byModel("a", "b"), name: "old" };
    const fresh: RouteSpec = { ...old, name: "fresh" };
    assert.deepEqual(byName(side(byModel("a"), old), side(byModel("c"), fresh)), [
      ["models=a", "fresh=ab", "old=ab"],
      ["models=c", "fresh=ab"],
      ["models=c", "fresh=ab"],
    ]);
  });

  it("choose at once where the routes stay, and at a start, when Envoys have had them before", () => {
    assert.deepEqual(choices(byModel("a", "b"), byModel("a", "b")), ["table a b", "routes a b"]);
    assert.deepEqual(choices(undefined, byModel("a", "b")), ["table a b", "routes a b"]);
  });
});
