import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EndpointView, LiveTable, type TableView } from "./live-table.ts";

const WIDE = { width: 200, height: 100 };

function endpoint(name: string, more: Partial<EndpointView> = {}): EndpointView {
  return {
    name,
    address: `10.0.0.1:${name.length}`,
    ready: true,
    draining: false,
    state: "fresh",
    queuedRequests: 0,
    runningRequests: 1,
    kvUsedRatio: 0.5,
    inFlight: 0,
    picks: 0,
    ...more,
  };
}

function view(endpoints: readonly EndpointView[], pool: object = {}, envoys = 1): TableView {
  return {
    pools: [{ name: "default/p", profile: "epp", endpoints, ...pool }],
    envoys: Array.from({ length: envoys }),
  };
}

function many(count: number, picks: (i: number) => number): readonly EndpointView[] {
  return Array.from({ length: count }, (_, i) => endpoint(`e${i}`, { picks: picks(i) }));
}

function shown(view: TableView | undefined, room = WIDE): readonly string[] {
  const table = new LiveTable();
  table.update(view, [], 0);
  return table.lines(room);
}

describe("the live table", () => {
  it("takes picks per second from the growth of the picks, and latencies from the access log", () => {
    const table = new LiveTable();
    const served = { status: 200, cluster: "c", picked: "10.0.0.1:1", served: "10.0.0.1:1", attempts: 1 };
    table.update(view([endpoint("a", { picks: 100 })]), [{ ...served, duration_ms: 40 }], 0);
    assert.match(table.lines(WIDE)[3]!, / - +40 ms +40 ms$/, "one sample is no rate");
    table.update(view([endpoint("a", { picks: 110 })]), [{ ...served, duration_ms: 1250 }], 4000);
    assert.match(table.lines(WIDE)[3]!, / 2\.5 +1\.25 s +1\.25 s$/);
    assert.equal(table.lines(WIDE).at(-1), "2 requests, 0 not picked by the filter, 0 failed");
  });

  it("says what keeps an edit of the pools file out of force", () => {
    const table = new LiveTable();
    table.update({ ...view([endpoint("a")]), problem: "pools[0].x: is not a known key (line 3)" }, [], 0);
    const lines = table.lines(WIDE);
    assert.match(lines[1]!, /not in force: pools\[0\]\.x: is not a known key/);
    assert.ok(lines.some((line) => line.startsWith("pool ")));
  });

  it("says what the pool's profile lacks, and how many Envoys report", () => {
    const lines = shown(view([endpoint("a")], { missingTerms: ["prefix-affinity"] }, 3));
    assert.equal(lines[0], "3 Envoys report");
    assert.equal(lines[1], "pool default/p, profile epp (no prefix term)");
    assert.equal(shown(view([endpoint("a")], { missingTerms: [] }))[1], "pool default/p, profile epp");
    assert.equal(shown(view([endpoint("a")], {}, 0))[0], "no Envoys report");
  });

  it("shows what is not known as -, not as zero", () => {
    const unknown = {
      queuedRequests: null,
      runningRequests: null,
      kvUsedRatio: null,
      state: "never scraped",
    };
    assert.match(shown(view([endpoint("a", unknown)]))[3]!, /never scraped +- +- +- +0 +- +- +-$/);
  });

  it("names endpoints that are not to be picked as such", () => {
    assert.match(shown(view([endpoint("a", { draining: true })]))[3]!, / draining /);
    assert.match(shown(view([endpoint("a", { ready: false })]))[3]!, / not ready /);
  });

  it("keeps the last table while the controller does not answer", () => {
    const table = new LiveTable();
    table.update(undefined, [], 0);
    assert.deepEqual(table.lines(WIDE), ["waiting for the controller's table"]);
    table.update(view([endpoint("a")]), [], 1);
    table.update(undefined, [], 2);
    assert.equal(table.lines(WIDE).length, 5);
  });

  it("shows the busiest endpoints where not all fit, and how many more there are", () => {
    const table = new LiveTable();
    table.update(view(many(100, () => 0)), [], 0);
    table.update(view(many(100, (i) => (i === 42 ? 90 : i === 77 ? 50 : 1))), [], 1000);
    const lines = table.lines({ width: 120, height: 10 });
    assert.equal(lines.length, 10);
    assert.match(lines[3]!, /^e42 /);
    assert.match(lines[4]!, /^e77 /);
    assert.equal(lines.at(-2), "… and 95 more");
  });

  it("never exceeds the terminal, whatever the numbers of pools and endpoints", () => {
    for (const pools of [1, 2, 5, 40]) {
      for (const endpoints of [0, 1, 3, 1000]) {
        const one = view(many(endpoints, (i) => i)).pools[0]!;
        const table: TableView = {
          pools: Array.from({ length: pools }, (_, i) => ({ ...one, name: `default/p${i}` })),
          envoys: [1],
        };
        for (const width of [20, 40, 80, 200]) {
          for (const height of [6, 12, 24, 50]) {
            const lines = shown(table, { width, height });
            assert.ok(lines.length <= height, `${lines.length} lines in ${height}`);
            for (const line of lines) assert.ok(line.length <= width, `${line.length} in ${width}: ${line}`);
          }
        }
      }
    }
  });

  it("gives a large pool the lines that small ones do not need", () => {
    const table: TableView = {
      pools: [
        { name: "large", profile: "epp", endpoints: many(100, () => 0) },
        { name: "small", profile: "epp", endpoints: many(2, () => 0) },
      ],
      envoys: [1],
    };
    const lines = shown(table, { width: 120, height: 30 });
    assert.equal(lines.length, 30);
    assert.ok(lines.includes("… and 79 more"), lines.join("\n"));
  });

  it("leaves columns out where the width does not suffice, picks and latencies last", () => {
    const heads = (width: number) => shown(view([endpoint("server-0")]), { width, height: 24 })[2]!;
    assert.match(heads(120), /endpoint +address +state +queue +running +KV +in flight +picks\/s +p50 +p99$/);
    assert.match(heads(80), /^endpoint +state +queue +running +KV +in flight +picks\/s +p50 +p99$/);
    assert.match(heads(40), /^endpoint +picks\/s +p50 +p99$/);
  });

  it("lets no name steer the terminal", () => {
    assert.doesNotMatch(shown(view([endpoint("\u001b[2Jx\n")])).join(""), /\p{Cc}/u);
  });
});
