import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { PoolSpec, RouteSpec } from "../model.ts";
import { testPool } from "./fixtures.ts";
import { at, json, snapshot } from "./test-resources.ts";

describe("routes", () => {
  const pools = [
    testPool("a", { upstreamApiKey: "50%secret", bodyLimitBytes: 1024 }),
    testPool("b", { bodyLimitBytes: 4096 }),
  ];
  const target = (pool: string, weight = 1) => ({ pool: `default/${pool}`, weight });
  const route = (
    name: string,
    pathPrefix: string,
    targets = [target("a")],
    headers: { name: string; exact: string }[] = [],
  ) => ({
    name,
    pathPrefix,
    headers,
    pools: targets,
    byModel: false,
  });
  const built = (...routes: ReturnType<typeof route>[]) =>
    at(json(snapshot({ pools, routes }).routes, "gateway"), "virtual_hosts", 0, "routes") as JsonObject[];

  it("are tried from the longest prefix and the most headers on", () => {
    const order = built(
      route("all", "/"),
      route("v1", "/v1"),
      route("v1-tier", "/v1", [target("a")], [{ name: "x-tier", exact: "gold" }]),
      route("chat", "/v1/chat"),
    ).map((entry) => entry.name);
    assert.deepEqual(order, ["chat", "v1-tier", "v1", "all"]);
  });

  it("match whole path segments", () => {
    const [v1, slash, all] = built(route("v1", "/v1"), route("s", "/s/"), route("all", "/"));
    assert.equal(at(v1, "match", "path_separated_prefix"), "/v1");
    assert.equal(at(slash, "match", "prefix"), "/s/");
    assert.equal(at(all, "match", "prefix"), "/");
  });

  it("name their pool only if there is one", () => {
    const [one, two] = built(route("one", "/one"), route("two", "/tw", [target("a", 3), target("b")]));
    assert.deepEqual(at(one, "metadata", "filter_metadata", "inference-picker"), {
      pool: "default/a",
      failureMode: "FailClose",
    });
    assert.equal(at(two, "metadata"), undefined);
  });

  it("split by weight, hold the largest body of their pools, and keep each pool's key to itself", () => {
    const [entry] = built(route("two", "/", [target("a", 3), target("b")]));
    assert.equal(at(entry, "request_body_buffer_limit"), "4096");
    const clusters = at(entry, "route", "weighted_clusters", "clusters");
    assert.deepEqual(
      [
        at(clusters, 0, "name"),
        at(clusters, 0, "weight"),
        at(clusters, 1, "name"),
        at(clusters, 1, "weight"),
      ],
      ["default/a", 3, "default/b", 1],
    );
    assert.deepEqual(at(clusters, 0, "request_headers_to_add"), [
      {
        header: { key: "authorization", value: "Bearer 50%%secret" },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      },
    ]);
    assert.equal(at(clusters, 1, "request_headers_to_add"), undefined);
  });

  it("retry along the picked list and never time out as a whole", () => {
    const [entry] = built(route("all", "/"));
    assert.equal(at(entry, "route", "timeout"), "0s");
    const retry = at(entry, "route", "retry_policy");
    assert.equal(at(retry, "num_retries"), 2);
    assert.deepEqual(at(retry, "retriable_status_codes"), [429, 500, 502, 503]);
    assert.deepEqual(
      new Set(String(at(retry, "retry_on")).split(",")),
      new Set(["connect-failure", "refused-stream", "reset", "retriable-status-codes"]),
    );
  });

  it("look for another host after a failure only where a fallback can choose one", () => {
    const predicate = (failureMode: "FailOpen" | "FailClose") => {
      const pool = testPool("a", { failureMode });
      const routes = [route("all", "/")];
      const built = json(snapshot({ pools: [pool], routes }).routes, "gateway");
      return at(built, "virtual_hosts", 0, "routes", 0, "route", "retry_policy", "retry_host_predicate");
    };
    assert.equal(predicate("FailClose"), undefined);
    assert.match(JSON.stringify(predicate("FailOpen")), /previous_hosts/);
  });

  it("hold more than the limit where bodies are changed, so that what is added has room", () => {
    const limit = (over: Partial<PoolSpec>) => {
      const of = [testPool("a", { bodyLimitBytes: 1024, ...over })];
      const { routes } = snapshot({ pools: of, routes: [route("all", "/")] });
      return at(json(routes, "gateway"), "virtual_hosts", 0, "routes", 0, "request_body_buffer_limit");
    };
    assert.equal(limit({}), "1024");
    assert.equal(limit({ addUsage: true }), String(1024 + 2 * 1024 * 1024));
    assert.equal(
      limit({ rewrites: [{ targets: [{ model: "m", weight: 1 }] }] }),
      String(1024 + 2 * 1024 * 1024),
    );
  });

  it("never name a header of the filter's, nor take one away, unless they are by model", () => {
    const [entry] = built(route("all", "/"));
    assert.equal(at(entry, "match", "headers"), undefined);
    assert.equal(at(entry, "request_headers_to_remove"), undefined);
  });

  it("to pools that are gone answer 503", () => {
    const [entry] = built(route("gone", "/", [target("nowhere")]));
    assert.equal(at(entry, "direct_response", "status"), 503);
  });
});

describe("routes by model", () => {
  const pools = [
    testPool("a", { upstreamApiKey: "secret", bodyLimitBytes: 1024 }),
    testPool("b", { bodyLimitBytes: 4096 }),
  ];
  const route = (names: readonly string[], over: Partial<RouteSpec> = {}): RouteSpec => ({
    name: "models",
    pathPrefix: "/v1",
    headers: [{ name: "x-tier", exact: "gold" }],
    pools: names.map((name) => ({ pool: `default/${name}`, weight: 1 })),
    byModel: true,
    ...over,
  });
  const built = (routes: readonly RouteSpec[], of = pools) =>
    at(json(snapshot({ pools: of, routes }).routes, "gateway"), "virtual_hosts", 0, "routes") as JsonObject[];
  const exact = (entry: JsonObject) =>
    (at(entry, "match", "headers") as JsonObject[]).map((header) => [
      header.name,
      at(header, "string_match", "exact"),
    ]);

  it("are one for each pool, by the header that the filter sets, before the one to the first pool", () => {
    const entries = built([route(["a", "b"])]);
    const tier = ["x-tier", "gold"];
    assert.deepEqual(entries.map(exact), [
      [tier, ["x-inference-picker-pool", "default/a"]],
      [tier, ["x-inference-picker-pool", "default/b"]],
      [tier],
    ]);
    assert.deepEqual(
      entries.map((entry) => at(entry, "route", "cluster")),
      ["default/a", "default/b", "default/a"],
    );
    assert.deepEqual(new Set(entries.map(({ name }) => name)), new Set(["models"]));
    for (const entry of entries) assert.equal(at(entry, "match", "path_separated_prefix"), "/v1");
  });

  it("keep the header from the endpoints, and each pool's metadata, key and failure mode to itself", () => {
    const entries = built([route(["a", "b"])], [pools[0]!, { ...pools[1]!, failureMode: "FailOpen" }]);
    for (const entry of entries)
      assert.deepEqual(entry.request_headers_to_remove, ["x-inference-picker-pool"]);
    assert.deepEqual(
      entries.map((entry) => [
        at(entry, "metadata", "filter_metadata", "inference-picker", "pool"),
        at(entry, "request_headers_to_add", 0, "header", "value"),
        at(entry, "route", "retry_policy", "retry_host_predicate") !== undefined,
      ]),
      [
        ["default/a", "Bearer secret", false],
        ["default/b", undefined, true],
        ["default/a", "Bearer secret", false],
      ],
    );
  });

  it("hold the largest body of all their pools, and more where one of them changes bodies", () => {
    const limits = (of = pools) =>
      new Set(built([route(["a", "b"])], of).map((entry) => entry.request_body_buffer_limit));
    assert.deepEqual(limits(), new Set(["4096"]));
    const rewriting = { ...pools[0]!, rewrites: [{ targets: [{ model: "m", weight: 1 }] }] };
    assert.deepEqual(limits([rewriting, pools[1]!]), new Set([String(4096 + 2 * 1024 * 1024)]));
  });

  it("go on without a pool that is gone, and answer 503 without any", () => {
    const entries = built([route(["gone", "b"])]);
    assert.deepEqual(
      entries.map((entry) => at(entry, "route", "cluster")),
      ["default/b", "default/b"],
    );
    const [none, ...more] = built([route(["gone"])]);
    assert.equal(at(none, "direct_response", "status"), 503);
    assert.deepEqual(more, []);
  });

  it("stay together among longer and shorter prefixes", () => {
    const names = built([
      route(["a"], { name: "all", pathPrefix: "/", headers: [], byModel: false }),
      route(["a", "b"]),
      route(["b"], { name: "chat", pathPrefix: "/v1/chat", byModel: false }),
    ]).map(({ name }) => name);
    assert.deepEqual(names, ["chat", "models", "models", "models", "all"]);
  });
});
