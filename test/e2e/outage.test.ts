import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { Traffic } from "./client.ts";
import { Gateway, pool, until } from "./harness.ts";

const PER_SECOND = 50;
const OUTAGE_MS = 30_000;
/** From the start of the process, Node's own start included. */
const LIVE_WITHIN_MS = 2000;

describe("a controller that is killed", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;

  before(async () => {
    backends = await Promise.all([1, 2, 3].map(() => Backend.start()));
    gateway = await Gateway.start({ name: "outage", pools: pool(backends, { profile: "epp" }) });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("costs no request in 30 s, and its successor's table is live within 2 s of its start", async (t) => {
    const traffic = new Traffic(gateway.port, PER_SECOND);
    try {
      await until("requests are answered", () => traffic.outcomes.length > PER_SECOND);
      await gateway.end(gateway.controller!);
      const killedMs = performance.now();
      // A queue that the dead controller could not tell of: only a new table steers away from it.
      const busy = backends[0]!;
      await until("the outage is over", () => performance.now() - killedMs >= OUTAGE_MS, OUTAGE_MS + 5000);
      assert.deepEqual(traffic.failed, []);
      const during = traffic.outcomes.filter(({ startMs }) => startMs >= killedMs);
      assert.ok(during.length >= (PER_SECOND * OUTAGE_MS) / 1000 / 2, `${during.length} requests`);
      assert.equal(new Set(during.map(({ served }) => served)).size, backends.length);
      const late = during.slice(-PER_SECOND * 5);
      assert.ok(
        late.some(({ served }) => served === busy.address),
        "without load columns every server is used",
      );

      busy.load = { queue: 50, running: 8, kv: 0.5 };
      const acceptedBefore = await gateway.stat("tables_accepted");
      const startMs = performance.now();
      gateway.spawnController();
      await until(
        "the new controller's table is accepted",
        async () => (await gateway.stat("tables_accepted")) > acceptedBefore,
      );
      const liveMs = performance.now() - startMs;
      t.diagnostic(`table live ${liveMs.toFixed(0)} ms after the process was started`);
      assert.ok(liveMs <= LIVE_WITHIN_MS, `${liveMs} ms`);
      const count = await until("the queue steers", () => {
        const last = traffic.outcomes.slice(-2 * PER_SECOND);
        return last.every(({ served }) => served !== busy.address) && last.length;
      });
      assert.equal(count, 2 * PER_SECOND);
    } finally {
      await traffic.stop();
    }
    assert.deepEqual(traffic.failed, []);
    const entries = await until("the log is whole", () => {
      const served = gateway.logged().filter(({ status }) => status === 200);
      return served.length >= traffic.outcomes.length && served;
    });
    assert.ok(
      entries.every(({ picked, served }) => picked?.split(",")[0] === served),
      "every request was served by the first pick",
    );
  });
});
