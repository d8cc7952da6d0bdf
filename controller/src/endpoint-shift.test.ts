import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Handover } from "./handover.ts";
import type { Target } from "./handover-steps.ts";
import type { RouteSpec } from "./model.ts";
import { testEndpoint, testPool } from "./xds/fixtures.ts";

const SEED = Number(process.env.SEED ?? 20_261_126);

/** One pool with the endpoints 10.0.0.`last`; `settings` is what else there is of it. */
function target(lasts: readonly number[], settings = 0, routes: readonly RouteSpec[] = []): Target {
  return {
    inventory: { pools: [{ ...testPool("chat"), staleAfterMs: 1000 + settings }], routes },
    endpoints: lasts.map((last) => testEndpoint("chat", `10.0.0.${last}`, 80)),
    withheld: new Set(),
  };
}

function lastsOf({ endpoints }: Target): readonly string[] {
  return endpoints.map(({ ip }) => ip.split(".")[3]!);
}

/** An Envoy by the number of the hosts and of the table that it has. */
interface Envoy {
  hosts: number;
  table: number;
}

/** Hosts and tables as they were served, and Envoys that take the newest when they are told to. */
class Rig {
  readonly seen: string[] = [];
  readonly hosts: (readonly string[])[] = [];
  readonly tables: (readonly string[])[] = [];
  readonly envoys: Envoy[] = [];
  nowMs = 0;
  #timer: (() => void) | undefined;
  readonly handover = new Handover({
    serveHosts: (served) => {
      this.seen.push(`hosts ${lastsOf(served).join("+")}`);
      this.hosts.push(lastsOf(served));
    },
    serveRoutes: () => void this.seen.push("routes"),
    servedPeers: () =>
      this.envoys.map(({ hosts }, index) => ({
        id: `d ${index}`,
        node: `${index}`,
        settled: hosts === this.hosts.length,
      })),
    serveTable: (rows) => {
      this.seen.push(`table ${lastsOf(rows).join("+")}`);
      this.tables.push(lastsOf(rows));
      return BigInt(this.tables.length);
    },
    tableSent: () => true,
    tablePeers: (ticket) =>
      this.envoys.map(({ table }, index) => ({
        id: `t ${index}`,
        node: `${index}`,
        settled: table >= ticket,
      })),
    nowMs: () => this.nowMs,
    setTimer: (callback) => {
      this.#timer = callback;
      return () => {
        this.#timer = undefined;
      };
    },
  });

  /** With so many Envoys, which have all of the first target. */
  constructor(envoys: number, first: Target) {
    this.handover.move(first);
    for (let index = 0; index < envoys; index++) this.envoys.push({ hosts: 0, table: 0 });
    this.envoys.forEach((_, index) => {
      this.takeHosts(index);
      this.takeTable(index);
    });
    this.seen.length = 0;
  }

  takeHosts(index: number): void {
    this.envoys[index]!.hosts = this.hosts.length;
  }

  takeTable(index: number): void {
    this.envoys[index]!.table = this.tables.length;
  }

  /** Lets the handover look around once. */
  poll(): void {
    const due = this.#timer;
    this.#timer = undefined;
    due?.();
  }

  drain(): readonly string[] {
    return this.seen.splice(0);
  }

  /** Of each Envoy, what its table names and its clusters lack. */
  lacking(): readonly string[] {
    return this.envoys.flatMap(({ hosts, table }) => {
      const there = new Set(this.hosts[hosts - 1] ?? []);
      return (this.tables[table - 1] ?? []).filter((row) => !there.has(row));
    });
  }
}

describe("a change of endpoints alone", () => {
  it("takes what goes from the table at once, and its host when every Envoy has such a table", () => {
    const rig = new Rig(2, target([1, 2]));
    rig.handover.move(target([1]));
    assert.deepEqual(rig.drain(), ["table 1"]);
    rig.takeTable(0);
    rig.poll();
    assert.deepEqual(rig.drain(), []);
    rig.takeTable(1);
    rig.poll();
    assert.deepEqual(rig.drain(), ["hosts 1"]);
  });

  it("makes what comes a host first, and puts it into the table when every Envoy has it", () => {
    const rig = new Rig(2, target([1]));
    rig.handover.move(target([1, 2]));
    assert.deepEqual(rig.drain(), ["table 1", "hosts 1+2"]);
    rig.takeHosts(0);
    rig.poll();
    assert.deepEqual(rig.drain(), []);
    rig.takeHosts(1);
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 1+2"]);
  });

  it("keeps none that comes after it waiting: neither what goes nor, once hosts are there, what comes", () => {
    const rig = new Rig(1, target([1, 2, 3]));
    rig.handover.move(target([2, 3]));
    assert.deepEqual(rig.drain(), ["table 2+3"]);
    rig.handover.move(target([2, 3, 4]));
    assert.deepEqual(rig.drain(), ["table 2+3", "hosts 2+3+4+1"]);
    rig.handover.move(target([3, 4]));
    assert.deepEqual(rig.drain(), ["table 3"]);
    rig.takeHosts(0);
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 3+4"]);
    rig.takeTable(0);
    rig.poll();
    assert.deepEqual(rig.drain(), ["hosts 3+4"]);
  });

  it("forgets what came and went before every Envoy had its host", () => {
    const rig = new Rig(1, target([1]));
    rig.handover.move(target([1, 2]));
    rig.handover.move(target([1]));
    rig.drain();
    rig.takeHosts(0);
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 1", "hosts 1"]);
    rig.handover.move(target([1, 2]));
    assert.deepEqual(rig.drain(), ["table 1", "hosts 1+2"], "it is made a host anew");
  });

  it("waits for no Envoy longer than a step's time", () => {
    const rig = new Rig(1, target([1]));
    rig.handover.move(target([2]));
    assert.deepEqual(rig.drain(), ["table ", "hosts 2+1"]);
    rig.nowMs += 1500;
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 2", "hosts 2"]);
  });

  it("gets to its end before anything else of the pools changes", () => {
    const rig = new Rig(1, target([1]));
    rig.handover.move(target([1, 2]));
    rig.handover.move(target([1, 3], 7));
    assert.deepEqual(rig.drain(), ["table 1", "hosts 1+2"]);
    rig.takeHosts(0);
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 1+2", "hosts 1+3+1+2"]);
    rig.takeHosts(0);
    rig.poll();
    assert.deepEqual(rig.drain(), ["table 1+3"]);
  });

  it(`never lets an Envoy's table name a host that its clusters lack (seed ${SEED})`, () => {
    const lasts = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });
    const move = fc.tuple(fc.constant("move" as const), lasts, fc.integer({ min: 0, max: 9 }));
    const take = fc.tuple(fc.constantFrom("hosts" as const, "table" as const), fc.nat(1));
    const steps = fc.array(fc.oneof(move, take, fc.tuple(fc.constant("poll" as const))), { maxLength: 40 });
    fc.assert(
      fc.property(lasts, steps, (first, list) => {
        const rig = new Rig(2, target(first));
        let last = target(first);
        for (const step of list) {
          if (step[0] === "move") {
            // Now and then something else changes too, and the steps are gone through.
            last = target(step[1], Math.max(0, step[2] - 7));
            rig.handover.move(last);
          } else if (step[0] === "hosts") rig.takeHosts(step[1]);
          else if (step[0] === "table") rig.takeTable(step[1]);
          else rig.poll();
          assert.deepEqual(rig.lacking(), []);
        }
        for (let round = 0; round < 20; round++) {
          for (const index of [0, 1]) {
            rig.takeHosts(index);
            rig.takeTable(index);
          }
          rig.poll();
        }
        assert.deepEqual([...new Set(rig.hosts.at(-1))].sort(), [...lastsOf(last)].sort());
        assert.deepEqual(rig.tables.at(-1), lastsOf(last));
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});
