import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseControllerTable } from "./controller-table.ts";
import { checkEnvoy } from "./envoy-checks.ts";
import {
  BY_METADATA,
  cluster,
  clusterHosts,
  DISCOVERED,
  dump,
  listener,
  ROUTER,
  serverInfo,
  stats,
  WRITES_METADATA,
  WRITES_PICK,
  wasmFilter,
} from "./test-envoy.ts";
import { pagesOf, tablePage, tablePool } from "./test-pages.ts";

const TABLE = parseControllerTable(tablePage());
type Pages = Readonly<Record<string, string | number | object>>;

function look(pages: Pages, table = TABLE) {
  const good = {
    "/server_info": serverInfo(),
    "/config_dump": dump(),
    "/clusters": clusterHosts(),
    "/stats": stats(),
  };
  return checkEnvoy("127.0.0.1:9901", table, pagesOf({ ...good, ...pages }));
}

/** What is wrong, as `warning feed: …`. */
async function wrong(pages: Pages, table = TABLE): Promise<readonly string[]> {
  const checks = await look(pages, table);
  const found = checks.filter(({ status }) => status === "warning" || status === "failure");
  for (const { remedy } of found) assert.ok(remedy);
  return found.map(({ status, name, seen }) => `${status} ${name}: ${seen}`);
}

describe("an Envoy", () => {
  it("in good order has nothing wrong", async () => {
    assert.deepEqual(await wrong({}), []);
    const checks = await look({});
    assert.deepEqual(
      [...new Set(checks.map(({ name }) => name))],
      [
        "version",
        "state",
        "listeners",
        "filter",
        "VMs",
        "feed",
        "tables",
        "pool default/chat",
        "discovery",
        "picks",
      ],
    );
  });

  it("that is not there is one failure that says how to go on", async () => {
    const checks = await checkEnvoy("127.0.0.1:1", TABLE, pagesOf({}));
    assert.deepEqual(
      checks.map(({ status, seen }) => `${status} ${seen}`),
      ["failure connection refused"],
    );
    assert.match(checks[0]?.remedy ?? "", /--envoy-admin/);
  });

  it("of an untested version is warned of, and one that is not live fails", async () => {
    assert.deepEqual(await wrong({ "/server_info": serverInfo("1.38.2", "PRE_INITIALIZING") }), [
      "warning version: 1.38.2 was not tested",
      "failure state: PRE_INITIALIZING",
    ]);
  });

  it("whose listeners lack the filter fails", async () => {
    const page = dump({ listeners: [listener("gateway", [ROUTER])] });
    assert.deepEqual(await wrong({ "/config_dump": page }), [
      "failure listeners: none of 1 listener has the filter",
    ]);
  });

  it("whose pick nobody makes a header of fails, unless the filter writes the header itself", async () => {
    for (const filters of [
      [DISCOVERED, ROUTER],
      [WRITES_PICK, DISCOVERED, ROUTER],
    ]) {
      const listeners = [listener("gateway", filters)];
      const found = await wrong({ "/config_dump": dump({ listeners }) });
      assert.match(found[0] ?? "", /^failure listeners: .*nothing makes the header of it: gateway$/);
      const byHeader = dump({ listeners, filters: [wasmFilter({}, { pick: "header" })] });
      assert.deepEqual(await wrong({ "/config_dump": byHeader }), []);
    }
  });

  it("whose filter has not come fails for that, and has its feed not looked at", async () => {
    const found = await wrong({ "/config_dump": dump({ filters: [] }) });
    assert.deepEqual(found, ["failure filter: no configuration of it has come"]);
  });

  it("has a WasmPlugin of any name found by its configuration", async () => {
    const anonymous = { root_id: "", vm_config: { vm_id: "", runtime: "envoy.wasm.runtime.v8" } };
    const plugin = { ...wasmFilter(anonymous, { pick: "header", body: "pass" }), name: "gateways.mine" };
    const place = { name: "gateways.mine", config_discovery: {} };
    const other = {
      ...wasmFilter({ ...anonymous, configuration: { value: "{}" } }),
      name: "gateways.another",
    };
    const page = dump({ filters: [other, plugin], listeners: [listener("http", [place, ROUTER])] });
    assert.deepEqual(await wrong({ "/config_dump": page }), []);
    const alone = dump({ filters: [other], listeners: [listener("http", [place, ROUTER])] });
    assert.deepEqual(await wrong({ "/config_dump": alone }), [
      "failure listeners: none of 1 listener has the filter",
      "failure filter: no configuration of it has come",
    ]);
  });

  it("has a filter that Istio named, or that stands in the listener itself, found", async () => {
    const named = { ...wasmFilter(), name: "istio-system.picker" };
    const place = { name: "istio-system.picker", config_discovery: {} };
    for (const page of [
      dump({ filters: [named], listeners: [listener("0.0.0.0_80", [place, WRITES_PICK, ROUTER])] }),
      dump({ filters: [], listeners: [listener("0.0.0.0_80", [wasmFilter(), WRITES_PICK, ROUTER])] }),
    ]) {
      assert.deepEqual(await wrong({ "/config_dump": page }), []);
    }
  });

  it("whose requests would hang fails, unless the filter does not wait for bodies", async () => {
    const held = { allow_on_headers_stop_iteration: false };
    const found = await wrong({ "/config_dump": dump({ filters: [wasmFilter(held)] }) });
    assert.deepEqual(found, [
      "failure filter: inference-picker may wait for bodies, and allow_on_headers_stop_iteration is not set: such requests hang",
    ]);
    const passing = wasmFilter(held, { body: "pass" });
    assert.deepEqual(await wrong({ "/config_dump": dump({ filters: [passing] }) }), []);
  });

  it("whose VMs stay dead after a trap, do not run, or have trapped is told so", async () => {
    const page = dump({ filters: [wasmFilter({ failure_policy: "FAIL_CLOSED" })] });
    const counts = stats({
      "wasm.envoy.wasm.runtime.v8.active": 0,
      "wasm.inference-picker.vm_reload": 2,
      "extension_config_discovery.http_filter.inference-picker.config_fail": 1,
    });
    assert.deepEqual(await wrong({ "/config_dump": page, "/stats": counts }), [
      "warning filter: inference-picker has failure policy FAIL_CLOSED: a worker whose VM traps stays without it",
      "warning filter: 1 configuration of it rejected since the start",
      "failure VMs: none runs",
      "warning VMs: 2 restarted after a trap since the start",
    ]);
  });

  it("has a feed without a cluster, without a connection or without tables fail", async () => {
    const feeds = (...names: string[]) => ({ feeds: names.map((name) => ({ cluster: name })) });
    const lost = dump({ filters: [wasmFilter({}, feeds("elsewhere", "inference-picker-feed"))] });
    const silent = stats({ "wasmcustom.inference_picker.feed.tables_accepted": 0 });
    for (const connections of [0, null]) {
      const hosts = clusterHosts({ "inference-picker-feed": connections });
      assert.deepEqual(await wrong({ "/config_dump": lost, "/clusters": hosts, "/stats": silent }), [
        "failure feed: Envoy has no cluster elsewhere",
        "failure feed: cluster inference-picker-feed has no connection",
        "failure tables: none has come",
      ]);
    }
    const none = dump({ filters: [wasmFilter({}, feeds())] });
    assert.deepEqual(await wrong({ "/config_dump": none }), [
      "failure feed: the filter's configuration names none",
    ]);
  });

  it("that keeps no stats but Istio's own is judged by what it shows", async () => {
    assert.deepEqual(await wrong({ "/stats": "wasm.envoy.wasm.runtime.v8.active: 3\n" }), []);
    const checks = await look({ "/stats": "wasm.envoy.wasm.runtime.v8.active: 3\n" });
    assert.deepEqual(
      checks.filter(({ status }) => status === "skipped").map(({ name }) => name),
      ["tables", "picks"],
    );
  });

  it("takes a few refused tables for those of a change, and warns of more", async () => {
    const refused = (count: number) => stats({ "wasmcustom.inference_picker.feed.tables_refused": count });
    assert.deepEqual(await wrong({ "/stats": refused(8) }), []);
    assert.deepEqual(await wrong({ "/stats": refused(9) }), ["warning tables: 9 refused since the start"]);
  });

  it("whose cluster does not send to what is picked fails, and one that has none of a pool's is warned of", async () => {
    const feed = cluster("inference-picker-feed");
    for (const source of [undefined, { header: "x-other" }, { metadata: { key: "envoy.lb", path: [] } }]) {
      const page = dump({ clusters: [feed, cluster("default/chat", source)] });
      assert.deepEqual(await wrong({ "/config_dump": page }), [
        "failure pool default/chat: sends elsewhere than picked: default/chat",
      ]);
    }
    assert.deepEqual(await wrong({ "/config_dump": dump({ clusters: [feed] }) }), [
      "warning pool default/chat: Envoy has none of its clusters: default/chat",
    ]);
  });

  it("whose cluster looks for the pick in metadata needs the filter that writes it there", async () => {
    const clusters = [cluster("inference-picker-feed"), cluster("default/chat", BY_METADATA)];
    assert.deepEqual(await wrong({ "/config_dump": dump({ clusters }) }), [
      "failure listeners: clusters look for the pick in metadata, and nothing makes metadata of the header: gateway",
    ]);
    const listeners = [listener("gateway", [DISCOVERED, WRITES_PICK, WRITES_METADATA, ROUTER])];
    assert.deepEqual(await wrong({ "/config_dump": dump({ clusters, listeners }) }), []);
  });

  it("without a host of a pool that has endpoints fails", async () => {
    const hosts = clusterHosts({ "default/chat": null });
    assert.deepEqual(await wrong({ "/clusters": hosts }), [
      "failure pool default/chat: the pool has 2 endpoints, and Envoy no host of default/chat",
    ]);
    const pools = [tablePool({ endpoints: [] })];
    assert.deepEqual(await wrong({ "/clusters": hosts }, parseControllerTable(tablePage({ pools }))), []);
    assert.deepEqual(await wrong({ "/clusters": clusterHosts({ "default/chat": 0 }) }), []);
  });

  it("of a mesh has the clusters judged that routes lead to", async () => {
    const service = "outbound|8000||vllm.default.svc.cluster.local";
    const clusters = [
      cluster("inference-picker-feed"),
      cluster(service),
      cluster("default/chat", { header: "x-gateway-destination-endpoint" }),
    ];
    const table = parseControllerTable(
      tablePage({ pools: [tablePool({ clusters: ["default/chat", service] })] }),
    );
    const page = (...routes: readonly object[]) => ({ "/config_dump": dump({ clusters, routes }) });
    assert.deepEqual(await wrong(page({ cluster: "default/chat" }), table), []);
    const wronged = `failure pool default/chat: sends elsewhere than picked: ${service}`;
    assert.deepEqual(await wrong(page({ cluster: "default/chat" }, { cluster: service }), table), [wronged]);
    const weighted = { weighted_clusters: { clusters: [{ name: service }] } };
    assert.deepEqual(await wrong(page(weighted), table), [wronged]);
  });

  it("needs only one of the clusters that stand for a pool", async () => {
    const pools = [tablePool({ clusters: ["default/chat", "outbound|80||chat.default.svc"] })];
    assert.deepEqual(await wrong({}, parseControllerTable(tablePage({ pools }))), []);
  });

  it("is looked at without a controller's table, too", async () => {
    const checks = await checkEnvoy(
      "127.0.0.1:9901",
      undefined,
      pagesOf({
        "/server_info": serverInfo(),
        "/config_dump": dump({ clusters: [cluster("inference-picker-feed")] }),
        "/clusters": clusterHosts(),
        "/stats": stats(),
      }),
    );
    const failed = checks.filter(({ status }) => status === "failure").map(({ seen }) => seen);
    assert.deepEqual(failed, ["none follows the pick"]);
  });

  it("that lost its control plane, or refused what it sent, is warned of", async () => {
    const counts = stats({
      "control_plane.connected_state": 0,
      "cluster_manager.cds.update_rejected": 3,
      "http.gateway.rds.gateway.update_rejected": 0,
    });
    assert.deepEqual(await wrong({ "/stats": counts }), [
      "warning discovery: not connected",
      "warning discovery: rejected since the start: cluster_manager.cds.update_rejected 3",
    ]);
  });

  it("that let requests go on without a pick, or has no slot, is warned of", async () => {
    const counts = stats({
      "wasmcustom.inference_picker.fail_open": 4,
      "wasmcustom.inference_picker.slots_exhausted": 1,
    });
    assert.deepEqual(await wrong({ "/stats": counts }), [
      "warning picks: 4 requests of FailOpen pools went on without one since the start",
      "warning picks: a VM found no slot and does not share what it has in flight",
    ]);
  });

  it("whose page is another program's is not taken for an Envoy's", async () => {
    const found = await wrong({
      ...{ "/server_info": "<html>", "/config_dump": "<html>" },
      ...{ "/clusters": "<html>", "/stats": "" },
    });
    assert.deepEqual(found, [
      "warning version: the page has none",
      "failure state: unknown",
      "failure configuration: the page is no configuration dump",
    ]);
  });
});
