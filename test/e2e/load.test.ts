import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { burst, Traffic } from "./client.ts";
import { Gateway, pool, until } from "./harness.ts";

const SCRAPE_MS = 200;
/** The scraper spreads its rounds by up to a tenth. */
const LONGEST_SCRAPE_MS = SCRAPE_MS * 1.1;
const IDLE = { queue: 0, running: 0, kv: 0 };
const BUSY = { queue: 50, running: 0, kv: 0 };
const ROUNDS = 20;
/** Beyond this a push is late even on a machine that has other things to do: five push intervals. */
const PUSH_P99_BOUND_MS = 500;

describe("a queue that grows on one server's metrics page, under epp", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;

  before(async () => {
    backends = await Promise.all([1, 2, 3, 4].map(() => Backend.start()));
    gateway = await Gateway.start({ name: "load", pools: pool(backends, { profile: "epp" }) });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("keeps all of 200 requests away after one scrape interval and the push's p99", async (t) => {
    const p99Ms = await pushP99();
    t.diagnostic(`push p99 ${p99Ms.toFixed(0)} ms over ${ROUNDS} rounds`);
    assert.ok(p99Ms < PUSH_P99_BOUND_MS, `a push took ${p99Ms} ms`);
    const busy = backends[0]!;
    busy.load = BUSY;
    // The time itself is what is claimed, hence a wait for time and not for a condition.
    await new Promise((resolve) => setTimeout(resolve, LONGEST_SCRAPE_MS + p99Ms));
    const seenBefore = busy.received.length;
    const { byServer, problems } = await burst(gateway.port, 200);
    assert.deepEqual(problems, []);
    assert.equal(busy.received.length - seenBefore, 0);
    assert.equal(
      [...byServer.values()].reduce((sum, count) => sum + count, 0),
      200,
    );
    assert.equal(byServer.size, 3, "the other three share the requests");
  });

  it("does not move a pool whose profile is round-robin", async () => {
    gateway.writePools(pool(backends, { profile: "round-robin" }));
    await until(
      "the profile is in the table",
      async () => (await gateway.table())?.pools[0]?.profile === "round-robin",
    );
    backends[0]!.load = BUSY;
    await until("the controller sees the queue", async () => (await queueOf(backends[0]!)) === BUSY.queue);
    await applied();
    const { byServer, problems } = await burst(gateway.port, 200);
    assert.deepEqual(problems, []);
    assert.ok((byServer.get(backends[0]!.address) ?? 0) >= 40, JSON.stringify([...byServer]));
  });

  /**
   * From the moment at which a busy server's page was read until the last request reached it, over rounds
   * in which one server after another is the busy one.
   */
  async function pushP99(): Promise<number> {
    const traffic = new Traffic(gateway.port, 100);
    const takenMs: number[] = [];
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const busy = backends[round % backends.length]!;
        const before = busy.received.length;
        await until("the server is picked", () => busy.received.length > before);
        const scrapesBefore = busy.scrapes.length;
        busy.load = BUSY;
        const readMs = await until(
          "the page is read",
          () => busy.scrapes.slice(scrapesBefore).find(({ load }) => load === BUSY)?.atMs,
        );
        const acceptedBefore = await gateway.stat("tables_accepted");
        await until("the controller sees the queue", async () => (await queueOf(busy)) === BUSY.queue);
        await until("tables come", async () => (await gateway.stat("tables_accepted")) >= acceptedBefore + 2);
        const lastMs = busy.received.at(-1)?.atMs ?? readMs;
        takenMs.push(Math.max(0, lastMs - readMs));
        busy.load = IDLE;
      }
    } finally {
      await traffic.stop();
    }
    assert.deepEqual(traffic.failed, []);
    takenMs.sort((a, b) => a - b);
    return takenMs.at(Math.ceil(takenMs.length * 0.99) - 1)!;
  }

  async function queueOf(backend: Backend): Promise<number | null | undefined> {
    const table = await gateway.table();
    return table?.pools[0]?.endpoints.find(({ address }) => address === backend.address)?.queuedRequests;
  }

  /** Waits until the filter has reported the table that the controller shows now, or a later one. */
  async function applied(): Promise<void> {
    const sequence = BigInt((await gateway.table())?.sequence ?? 0);
    await until("the filter has the table", async () => {
      const envoy = (await gateway.table())?.envoys[0];
      return envoy !== undefined && BigInt(envoy.sequence) >= sequence;
    });
  }
});
