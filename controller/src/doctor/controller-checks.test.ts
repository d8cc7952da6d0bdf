import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Check } from "./check.ts";
import { checkController } from "./controller-checks.ts";
import { pagesOf, tableEndpoint, tableEnvoy, tablePage, tablePool } from "./test-pages.ts";

const METRICS = `inference_extension_info{build_ref="1.2.3"} 1
inference_picker_ads_nacks_total 0
`;

async function look(pages: Readonly<Record<string, string | number | object>>) {
  const good = { "/readyz": "ready\n", "/metrics": METRICS, "/table": tablePage() };
  return checkController("127.0.0.1:18001", "1.2.3", pagesOf({ ...good, ...pages }));
}

async function wrong(pages: Readonly<Record<string, string | number | object>>): Promise<readonly Check[]> {
  const { checks } = await look(pages);
  const found = checks.filter(({ status }) => status === "warning" || status === "failure");
  for (const { remedy } of found) assert.ok(remedy);
  return found;
}

/** `warning Envoys: …` */
async function words(pages: Readonly<Record<string, string | number | object>>): Promise<readonly string[]> {
  return (await wrong(pages)).map(({ status, name, seen }) => `${status} ${name}: ${seen}`);
}

describe("a controller", () => {
  it("in good order has nothing wrong, and gives its table", async () => {
    const { checks, table } = await look({});
    assert.deepEqual([...new Set(checks.map(({ status }) => status))], ["ok"]);
    assert.equal(table?.pools[0]?.name, "default/chat");
  });

  it("that is not there is one failure that says how to go on", async () => {
    const { checks, table } = await checkController("127.0.0.1:1", "1.2.3", pagesOf({}));
    assert.equal(table, undefined);
    assert.equal(checks.length, 1);
    assert.equal(checks[0]?.seen, "http://127.0.0.1:1/readyz: connection refused");
    assert.match(checks[0]?.remedy ?? "", /--controller/);
  });

  it("that is not ready fails for that, and its table is not looked at", async () => {
    const found = await words({ "/readyz": 503, "/table": 503 });
    assert.deepEqual(found, ["failure ready: 503: "]);
  });

  it("of another version is warned of", async () => {
    const metrics = 'inference_extension_info{build_ref="1.1.0"} 1\n';
    assert.deepEqual(await words({ "/metrics": metrics }), [
      "warning version: 1.1.0, and this doctor is 1.2.3",
    ]);
  });

  it("that counts errors has each named", async () => {
    const metrics = `${METRICS}inference_picker_ads_nacks_total 2
inference_picker_config_errors_total{code="CONFIG_RANGE"} 1
inference_picker_config_errors_total{code="CONFIG_TYPE"} 3
inference_picker_feed_accounts_total{outcome="accepted"} 9
inference_picker_feed_accounts_total{outcome="refused"} 5
`;
    assert.deepEqual(await words({ "/metrics": metrics }), [
      "warning errors: inference_picker_config_errors_total is 4",
      "warning errors: inference_picker_ads_nacks_total is 2",
      'warning errors: inference_picker_feed_accounts_total{outcome="refused"} is 5',
    ]);
  });

  it("whose configuration is bad as it stands says what is wrong with it", async () => {
    const found = await words({ "/table": tablePage({ problem: "pools[0].name: is required" }) });
    assert.deepEqual(found, ["failure configuration: pools[0].name: is required"]);
  });

  it("that has something to say of single objects is warned of, and of a bad file apart from that", async () => {
    const findings = ["InferenceModel a/b: DuplicateModel: an older one has it", "and 3 more"];
    const warning = `warning configuration: ${findings.join("; ")}`;
    assert.deepEqual(await words({ "/table": tablePage({ findings }) }), [warning]);
    assert.deepEqual(await words({ "/table": tablePage({ findings, problem: "routes: is required" }) }), [
      "failure configuration: routes: is required",
      warning,
    ]);
  });

  it("has a pool's blind endpoints named: a warning for some, a failure for all", async () => {
    const some = tablePool({ endpoints: [tableEndpoint("a"), tableEndpoint("b", "stale")] });
    assert.deepEqual(await words({ "/table": tablePage({ pools: [some] }) }), [
      "warning pool default/chat: 1 of 2 endpoints picked without fresh measurements: b",
    ]);
    const all = tablePool({ endpoints: [tableEndpoint("a", "never scraped"), tableEndpoint("b", "stale")] });
    assert.deepEqual(await words({ "/table": tablePage({ pools: [all] }) }), [
      "failure pool default/chat: 2 of 2 endpoints picked without fresh measurements: a, b",
    ]);
  });

  it("has a pool without metrics by configuration taken as it is", async () => {
    const pool = tablePool({ endpoints: [tableEndpoint("a", "no metrics")] });
    assert.deepEqual(await words({ "/table": tablePage({ pools: [pool] }) }), []);
  });

  it("has a pool that nothing can be picked of fail", async () => {
    const pools = [tablePool({ endpoints: [] }), tablePool({ endpoints: [tableEndpoint("a", "draining")] })];
    assert.deepEqual(await words({ "/table": tablePage({ pools }) }), [
      "failure pool default/chat: no endpoint of 0 may be picked",
      "failure pool default/chat: no endpoint of 1 may be picked",
    ]);
    assert.deepEqual(await words({ "/table": tablePage({ pools: [] }) }), ["failure pools: none"]);
  });

  it("has a term that an older filter lacks named", async () => {
    const pool = tablePool({ missingTerms: ["prefix-affinity", "kv-cache-utilization"] });
    assert.deepEqual(await words({ "/table": tablePage({ pools: [pool] }) }), [
      "warning pool default/chat: an Envoy's filter lacks prefix-affinity, kv-cache-utilization of profile epp",
    ]);
  });

  it("without any Envoy's feed fails, with where to look", async () => {
    const found = await wrong({ "/table": tablePage({ envoys: [] }) });
    assert.deepEqual(
      found.map(({ seen }) => seen),
      ["no Envoy's filter has a feed open"],
    );
    assert.match(found[0]?.remedy ?? "", /--listen/);
  });

  it("has Envoys that refuse tables, stay behind or run another generation named", async () => {
    const envoys = [
      tableEnvoy({ node: "a", tablesRefused: 9 }),
      tableEnvoy({ node: "b", sequence: "40" }),
      tableEnvoy({ node: "c", generation: "2" }),
    ];
    assert.deepEqual(await words({ "/table": tablePage({ envoys }) }), [
      "warning Envoys: refused tables: a 9",
      "warning Envoys: behind by more than 50 tables: b",
      "warning Envoys: filters of 2 generations: 1, 2",
    ]);
  });

  it("does not call an Envoy behind that follows another controller", async () => {
    const envoys = [tableEnvoy({ epoch: "8", sequence: "3" })];
    assert.deepEqual(await words({ "/table": tablePage({ envoys }) }), []);
  });

  it("whose page is another program's is not taken for a table", async () => {
    assert.deepEqual(await words({ "/table": "<html>" }), ["failure table: the page is no table"]);
    assert.deepEqual(await words({ "/metrics": 404, "/table": tablePage({ sequence: "many" }) }), [
      "warning metrics: status 404",
      "failure table: the page is no table",
    ]);
  });
});
