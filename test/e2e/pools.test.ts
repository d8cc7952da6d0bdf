import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { Traffic } from "./client.ts";
import { Gateway, pool, until } from "./harness.ts";

const PER_SECOND = 100;
/** Requests without one for the server that is gone: by chance alone one in 10^30. */
const ENOUGH = 200;

describe("an edit of the pools file under traffic", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;
  let traffic: Traffic;

  before(async () => {
    backends = await Promise.all([1, 2, 3, 4].map(() => Backend.start()));
    gateway = await Gateway.start({ name: "pools", pools: pool(backends.slice(0, 3)) });
    traffic = new Traffic(gateway.port, PER_SECOND);
  });

  after(async () => {
    await traffic?.stop();
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("brings a new server into use without a failed request", async () => {
    const [, , , fresh] = backends;
    assert.equal(fresh!.received.length, 0);
    gateway.writePools(pool(backends));
    await until("the new server is used", () => fresh!.received.length >= 20);
    assert.deepEqual(traffic.failed, []);
  });

  it("takes a server that vanishes from the file out of use without a failed request", async () => {
    const [gone, ...others] = backends;
    await until("the server is used", () => gone!.received.length > 0);
    gateway.writePools(pool(others));
    // The change has arrived when the filter's table and Envoy's cluster are without the server.
    await until("the cluster is without the server", async () => {
      const clusters = (await gateway.admin("/clusters")) ?? "";
      return clusters.includes(others[0]!.address) && !clusters.includes(gone!.address);
    });
    await until("the filter has a table without it", async () => {
      const table = await gateway.table();
      const present = table?.pools[0]?.endpoints.some(({ address }) => address === gone!.address);
      const envoy = table?.envoys[0];
      return (
        present === false && envoy !== undefined && Number(envoy.sequence) >= Number(table!.sequence) - 1
      );
    });
    await underWay();
    const before = gone!.received.length;
    const sent = traffic.outcomes.length;
    await until("more requests are answered", () => traffic.outcomes.length >= sent + ENOUGH);
    assert.equal(gone!.received.length, before);
    assert.deepEqual(traffic.failed, []);
  });

  it("that is broken changes nothing and is reported", async () => {
    const good = readFileSync(gateway.poolsFile, "utf8");
    const tableBefore = await gateway.table();
    const errors = /^inference_picker_config_errors_total\{code="POOLS_FILE_[A-Z]+"\} ([1-9])/m;
    assert.doesNotMatch((await gateway.metrics()) ?? "", errors);
    gateway.writePools(good.replace("127.0.0.1:", "127.0.0.1:not-a-port-"));
    await until("the controller counts it", async () => errors.test((await gateway.metrics()) ?? ""));
    await until("the controller's log names it", () => /not-a-port/.test(gateway.printed("controller")));
    const sent = traffic.outcomes.length;
    await until("more requests are answered", () => traffic.outcomes.length >= sent + ENOUGH);
    const table = await gateway.table();
    assert.deepEqual(
      table?.pools[0]?.endpoints.map(({ address }) => address),
      tableBefore?.pools[0]?.endpoints.map(({ address }) => address),
    );
    assert.deepEqual(
      new Set(traffic.outcomes.slice(sent).map(({ served }) => served)),
      new Set(backends.slice(1).map(({ address }) => address)),
    );
    assert.deepEqual(traffic.failed, []);
    gateway.writePools(good);
  });

  /** Waits until every request that was sent before now is answered. */
  async function underWay(): Promise<void> {
    const nowMs = performance.now();
    await until("later requests are answered", () => traffic.outcomes.some(({ startMs }) => startMs > nowMs));
  }
});
