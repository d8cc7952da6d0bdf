import assert from "node:assert/strict";
import { test } from "node:test";
import { Handover } from "./handover.ts";
import type { Endpoint, Inventory } from "./model.ts";
import { testEndpoint, testPool } from "./xds/fixtures.ts";

const INVENTORY: Inventory = { pools: [testPool("chat")], routes: [] };

function rig() {
  const seen: string[] = [];
  const names = (endpoints: readonly Endpoint[]) => endpoints.map(({ address }) => address).join(" ");
  const state = { hosts: false, table: false, nowMs: 0, timer: undefined as (() => void) | undefined };
  const handover = new Handover({
    serveHosts: (_, endpoints) => seen.push(`hosts ${names(endpoints)}`),
    hostsSettled: () => state.hosts,
    tableEndpoints: (_, endpoints) => seen.push(`table ${names(endpoints)}`),
    tableSettled: () => state.table,
    nowMs: () => state.nowMs,
    setTimer: (callback) => {
      state.timer = callback;
      return () => {
        state.timer = undefined;
      };
    },
  });
  const tick = () => state.timer?.();
  return { handover, seen, state, tick };
}

const A = testEndpoint("chat", "10.0.0.1", 8000);
const B = testEndpoint("chat", "10.0.0.2", 8000);

test("a new endpoint is in the cluster before the table names it", () => {
  const { handover, seen, state, tick } = rig();
  handover.move(INVENTORY, [A]);
  tick();
  assert.deepEqual(seen, [`hosts ${A.address}`]);
  state.hosts = true;
  tick();
  assert.deepEqual(seen, [`hosts ${A.address}`, `table ${A.address}`]);
});

test("an endpoint that goes stays in the cluster until no table names it", () => {
  const { handover, seen, state, tick } = rig();
  state.hosts = true;
  handover.move(INVENTORY, [A]);
  seen.length = 0;
  handover.move(INVENTORY, [B]);
  assert.deepEqual(seen, [`hosts ${B.address} ${A.address}`, `table ${B.address}`]);
  tick();
  assert.equal(seen.length, 2);
  state.table = true;
  tick();
  assert.equal(seen[2], `hosts ${B.address}`);
});

test("an endpoint that drains stays in the cluster until no table offers it", () => {
  const { handover, seen, state, tick } = rig();
  state.hosts = true;
  handover.move(INVENTORY, [A]);
  seen.length = 0;
  const draining = { ...A, draining: true };
  handover.move(INVENTORY, [draining]);
  assert.equal(seen[0], `hosts ${A.address} ${A.address}`);
  state.table = true;
  tick();
  assert.equal(seen.at(-1), `hosts ${A.address}`);
});

test("an Envoy that does not answer holds a step for a second at most", () => {
  const { handover, seen, state, tick } = rig();
  handover.move(INVENTORY, [A]);
  state.nowMs = 999;
  tick();
  assert.equal(seen.length, 1);
  state.nowMs = 1000;
  tick();
  assert.equal(seen.length, 2);
});

test("a change in the middle of one starts from what the clusters hold", () => {
  const { handover, seen, state } = rig();
  handover.move(INVENTORY, [A]);
  handover.move(INVENTORY, [B]);
  assert.equal(seen.at(-1), `hosts ${B.address} ${A.address}`);
  state.hosts = true;
});

test("the hosts of a pool that is gone are not kept", () => {
  const { handover, seen, state } = rig();
  state.hosts = true;
  handover.move(INVENTORY, [A]);
  handover.move({ pools: [], routes: [] }, []);
  assert.equal(seen.at(-2), "hosts ");
});
