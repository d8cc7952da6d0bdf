import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { freePorts } from "../../controller/src/cli/processes.ts";
import { FEED_CLUSTER } from "../../controller/src/xds/names.ts";
import { Backend } from "./backend.ts";
import { Traffic } from "./client.ts";
import { withCluster } from "./fake-controller.ts";
import { Gateway, pool, type Replica, until } from "./harness.ts";

const SECOND_FEED = "inference-picker-feed-2";
const ADS_CLUSTER = "inference-picker-ads";
const PER_SECOND = 50;
/** Requests in a row without one for a busy server: by chance alone one in 10^17 where three share them. */
const ENOUGH = 100;
const IDLE = { queue: 0, running: 0, kv: 0 };
const BUSY = { queue: 50, running: 8, kv: 0.5 };

describe("of two controllers", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;
  let replicaPorts: readonly number[];
  let replica: Replica;
  let traffic: Traffic;

  before(async () => {
    backends = await Promise.all([1, 2, 3].map(() => Backend.start()));
    replicaPorts = await freePorts(2);
    gateway = await Gateway.prepare({
      name: "two-controllers",
      pools: pool(backends, { profile: "epp" }),
      controllerFlags: ["--feed-clusters", `${FEED_CLUSTER},${SECOND_FEED}`],
      editBootstrap: (text) =>
        withCluster(
          withCluster(text, SECOND_FEED, [replicaPorts[0]!]),
          // Discovery goes to whichever lives.
          ADS_CLUSTER,
          [gateway.rpcPort, replicaPorts[0]!],
        ),
    });
    await gateway.startController();
    replica = await startReplica();
    await gateway.startEnvoy();
    await gateway.picking();
    traffic = new Traffic(gateway.port, PER_SECOND);
  });

  after(async () => {
    await traffic?.stop();
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("both have the feed, and both hear what is in flight", async () => {
    const heard = /^inference_picker_feed_reports_total\{outcome="accepted"\} [1-9]/m;
    for (const metrics of [() => gateway.metrics(), replica.metrics]) {
      await until("the stream is open", async () =>
        /^inference_picker_feed_streams 1$/m.test((await metrics()) ?? ""),
      );
      await until("reports come", async () => heard.test((await metrics()) ?? ""));
    }
    await steers(backends[0]!);
  });

  it("the later one may be killed: the other's tables are applied, and no request fails", async () => {
    await gateway.end(replica.child);
    await steers(backends[1]!);
    await steers(backends[2]!);
    assert.deepEqual(traffic.failed, []);
  });

  it("the one that comes back is heard again", async () => {
    replica = await startReplica();
    await until("it has the feed", async () =>
      /^inference_picker_feed_streams 1$/m.test((await replica.metrics()) ?? ""),
    );
    await steers(backends[0]!);
    assert.deepEqual(traffic.failed, []);
  });

  it("the earlier one may be killed: the other's tables are applied, and no request fails", async () => {
    await gateway.end(gateway.controller!);
    await steers(backends[1]!);
    await until("discovery has moved", async () =>
      /^inference_picker_ads_streams 1$/m.test((await replica.metrics()) ?? ""),
    );
    await steers(backends[2]!);
    assert.deepEqual(traffic.failed, []);
  });

  it("an edit of the pools file reaches Envoy through the one that lives", async () => {
    const [gone, ...others] = backends;
    await until("the server is used", () => traffic.outcomes.at(-1)?.served === gone!.address);
    gateway.writePools(pool(others));
    await until("the cluster is without the server", async () => {
      const clusters = (await gateway.admin("/clusters")) ?? "";
      return clusters.includes(others[0]!.address) && !clusters.includes(gone!.address);
    });
    const outcomes = await traffic.stop();
    assert.ok(outcomes.length > ENOUGH);
    assert.deepEqual(traffic.failed, []);
  });

  /** Holds if a queue on the server's page, and nothing else, takes it out of use, and its end brings it back. */
  async function steers(busy: Backend): Promise<void> {
    await until("the server is used", () =>
      traffic.outcomes.slice(-ENOUGH).some(({ served }) => served === busy.address),
    );
    busy.load = BUSY;
    const from = traffic.outcomes.length;
    await until("the queue steers", () => {
      const last = traffic.outcomes.slice(from).slice(-ENOUGH);
      return last.length === ENOUGH && last.every(({ served }) => served !== busy.address);
    });
    busy.load = IDLE;
    const since = traffic.outcomes.length;
    await until("the server is used again", () =>
      traffic.outcomes.slice(since).some(({ served }) => served === busy.address),
    );
  }

  function startReplica(): Promise<Replica> {
    return gateway.startReplica(replicaPorts[0]!, replicaPorts[1]!);
  }
});
