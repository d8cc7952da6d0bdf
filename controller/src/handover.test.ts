import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Handover } from "./handover.ts";
import type { Peer } from "./handover-peers.ts";
import type { Target } from "./handover-steps.ts";
import { testEndpoint, testPool } from "./xds/fixtures.ts";

/** A target whose one pool has the endpoint 10.0.0.`last`, and settings that no other has. */
function target(last: number): Target {
  return {
    inventory: { pools: [{ ...testPool("chat"), staleAfterMs: 1000 + last }], routes: [] },
    endpoints: [testEndpoint("chat", `10.0.0.${last}`, 80)],
    withheld: new Set(),
  };
}

interface Envoy {
  node: string;
  served: boolean;
  /** Up to the table of this ticket, all, or none. */
  tables: boolean | bigint;
  elsewhere: boolean;
}

function rig() {
  const seen: string[] = [];
  const envoys: Envoy[] = [];
  const state = { nowMs: 0, sent: true, ticket: 0n, timer: undefined as (() => void) | undefined };
  const lasts = ({ endpoints }: Target) => endpoints.map(({ ip }) => ip.split(".")[3]).join("+");
  const handover = new Handover({
    serveHosts: (served) => void seen.push(`hosts ${lasts(served)}`),
    serveRoutes: () => void seen.push("routes"),
    servedPeers: () =>
      envoys.map(
        ({ node, served, elsewhere }): Peer => ({ id: `d ${node}`, node, settled: served, elsewhere }),
      ),
    serveTable: (rows) => {
      seen.push(`table ${lasts(rows)}`);
      state.ticket += 1n;
      return state.ticket;
    },
    tableSent: () => state.sent,
    tablePeers: (ticket) =>
      envoys.map(({ node, tables }) => ({
        id: `t ${node}`,
        node,
        settled: tables === true || (tables !== false && tables >= ticket),
      })),
    nowMs: () => state.nowMs,
    setTimer: (callback) => {
      state.timer = callback;
      return () => {
        state.timer = undefined;
      };
    },
  });
  return {
    handover,
    state,
    envoy(over: Partial<Envoy> = {}): Envoy {
      const envoy = { node: `envoy-${envoys.length}`, served: true, tables: true, elsewhere: false, ...over };
      envoys.push(envoy);
      return envoy;
    },
    gone(envoy: Envoy): void {
      envoys.splice(envoys.indexOf(envoy), 1);
    },
    /** What was served since the last call. */
    drain: () => seen.splice(0),
    /** Lets time pass in steps of 10 ms, as far as the handover waits. */
    pass(forMs: number): void {
      for (const untilMs = state.nowMs + forMs; state.nowMs < untilMs; ) {
        state.nowMs += 10;
        const due = state.timer;
        state.timer = undefined;
        due?.();
      }
    },
  };
}

const START = ["hosts 1", "table 1", "routes"];

describe("a handover", () => {
  it("goes through all steps at once where nobody has to be waited for", () => {
    const { handover, drain } = rig();
    handover.move(target(1));
    assert.deepEqual(drain(), START);
    handover.move(target(2));
    assert.deepEqual(drain(), ["hosts 2+1", "table 2", "routes", "hosts 2"]);
  });

  it("takes each step when every Envoy has taken the one before", () => {
    const { handover, envoy, drain, pass } = rig();
    const one = envoy();
    const two = envoy();
    handover.move(target(1));
    drain();
    for (const each of [one, two]) each.served = each.tables = false;
    handover.move(target(2));
    assert.deepEqual(drain(), ["hosts 2+1"]);
    one.served = true;
    pass(20);
    assert.deepEqual(drain(), []);
    two.served = true;
    pass(20);
    assert.deepEqual(drain(), ["table 2"]);
    one.served = two.served = false;
    one.tables = two.tables = true;
    pass(20);
    assert.deepEqual(drain(), ["routes"]);
    one.served = two.served = true;
    pass(20);
    assert.deepEqual(drain(), ["hosts 2"]);
  });

  it("waits for its own table to be sent, where nobody reports", () => {
    const { handover, state, drain, pass } = rig();
    state.sent = false;
    handover.move(target(1));
    assert.deepEqual(drain(), ["hosts 1", "table 1"]);
    state.sent = true;
    pass(10);
    assert.deepEqual(drain(), ["routes"]);
  });

  it("finishes a change before the newest of those that came meanwhile, however fast they come", () => {
    const { handover, envoy, drain, pass } = rig();
    const hung = envoy();
    handover.move(target(1));
    drain();
    hung.served = hung.tables = false;
    for (let last = 2; last <= 12; last++) {
      handover.move(target(last));
      pass(200);
    }
    assert.deepEqual(drain(), [
      ...["hosts 2+1", "table 2", "routes", "hosts 2"],
      ...["hosts 9+2", "table 9", "routes", "hosts 9"],
      ...["hosts 10+9", "table 10", "routes", "hosts 10"],
      ...["hosts 11+10", "table 11", "routes", "hosts 11"],
      ...["hosts 12+11", "table 12", "routes", "hosts 12"],
    ]);
  });

  it("does not wait again for an Envoy that let a step's time pass, until it has answered", () => {
    const { handover, envoy, drain, pass } = rig();
    const hung = envoy();
    handover.move(target(1));
    drain();
    hung.served = hung.tables = false;
    handover.move(target(2));
    pass(1490);
    assert.deepEqual(drain(), ["hosts 2+1"]);
    pass(10);
    assert.deepEqual(drain(), ["table 2", "routes", "hosts 2"]);
    const healthy = envoy({ served: false });
    handover.move(target(3));
    assert.deepEqual(drain(), ["hosts 3+2"], "others are waited for as before");
    healthy.served = true;
    pass(10);
    assert.deepEqual(drain(), ["table 3", "routes", "hosts 3"]);
    hung.served = hung.tables = true;
    handover.move(target(4));
    drain();
    hung.served = false;
    handover.move(target(5));
    assert.deepEqual(drain(), ["hosts 5+4"]);
  });

  it("waits anew for an Envoy that comes back on another stream", () => {
    const { handover, envoy, gone, drain, pass } = rig();
    const hung = envoy({ node: "a", served: false });
    handover.move(target(1));
    pass(1500);
    gone(hung);
    handover.move(target(2));
    drain();
    envoy({ node: "a", served: false });
    handover.move(target(3));
    assert.deepEqual(drain(), ["hosts 3+2"]);
  });

  it("gives an Envoy whose hosts come from elsewhere the whole time, at each change", () => {
    const { handover, envoy, drain, pass } = rig();
    envoy({ served: false, elsewhere: true });
    for (const last of [1, 2]) {
      handover.move(target(last));
      pass(1490);
      assert.equal(drain().length, 1);
      pass(1600);
      assert.equal(drain().at(-1), last === 1 ? "routes" : "hosts 2");
    }
  });

  it("waits for no Envoy's table longer than its time", () => {
    const { handover, envoy, drain, pass } = rig();
    envoy({ tables: false });
    handover.move(target(1));
    assert.deepEqual(drain(), ["hosts 1", "table 1"]);
    pass(1500);
    assert.deepEqual(drain(), ["routes"]);
  });

  it("does nothing more when closed", () => {
    const { handover, envoy, drain, pass } = rig();
    envoy({ served: false });
    handover.move(target(1));
    drain();
    handover.close();
    handover.move(target(2));
    pass(5000);
    assert.deepEqual(drain(), []);
  });
});
