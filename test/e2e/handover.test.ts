import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { Traffic } from "./client.ts";
import { Gateway, type PoolsFile, until } from "./harness.ts";

const PER_SECOND = 200;
const ENOUGH = 100;

/** Pools by name with their servers' addresses, and one route to the last of them. */
function pools(of: Readonly<Record<string, readonly string[]>>): PoolsFile {
  const names = Object.keys(of);
  return {
    pools: names.map((name) => ({
      name,
      scrape: { interval: "200ms" },
      endpoints: of[name],
    })),
    routes: [{ name: "all", pools: [{ pool: names.at(-1) }] }],
  };
}

describe("a change of pools and routes under traffic", () => {
  let backends: readonly Backend[];
  let addresses: readonly string[];
  let gateway: Gateway;
  let traffic: Traffic;

  before(async () => {
    backends = await Promise.all([1, 2, 3, 4].map(() => Backend.start()));
    addresses = backends.map(({ address }) => address);
    gateway = await Gateway.start({ name: "handover", pools: pools({ "pool-0": addresses.slice(0, 2) }) });
    traffic = new Traffic(gateway.port, PER_SECOND);
    await until("requests are answered", () => traffic.outcomes.length >= ENOUGH);
  });

  after(async () => {
    await traffic?.stop();
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("renames the pool again and again without a failed request", async () => {
    for (let round = 1; round <= 5; round++) {
      // Every other time its servers change with its name.
      const servers = round % 2 === 1 ? addresses.slice(2) : addresses.slice(0, 2);
      await change({ [`pool-${round}`]: servers }, [`pool-${round}`]);
      await servedOnlyBy(servers);
    }
    assert.deepEqual(failures(), []);
  });

  it("moves the route to a pool that the same edit adds, then takes the old one away", async () => {
    const older = addresses.slice(2);
    const newer = addresses.slice(0, 1);
    await change({ "pool-5": older, added: newer }, ["pool-5", "added"]);
    await servedOnlyBy(newer);
    await change({ added: newer }, ["added"]);
    await servedOnlyBy(newer);
    assert.deepEqual(failures(), []);
  });

  /** Writes the file and waits until Envoy has exactly the clusters of these pools. */
  async function change(of: Readonly<Record<string, readonly string[]>>, names: readonly string[]) {
    gateway.writePools(pools(of));
    const wanted = names.map((name) => `default/${name}`).sort();
    await until(`the clusters are ${wanted.join(" ")}`, async () => {
      const text = (await gateway.admin("/clusters")) ?? "";
      const found = new Set([...text.matchAll(/^(default\/[^:]+)::/gm)].map(([, name]) => name!));
      return [...found].sort().join(" ") === wanted.join(" ");
    });
  }

  /** Waits until these servers, and no others, serve. */
  async function servedOnlyBy(servers: readonly string[]): Promise<void> {
    const from = traffic.outcomes.length;
    await until(`only ${servers.join(" ")} serve`, () => {
      const later = traffic.outcomes.slice(from).slice(-ENOUGH);
      const served = [...new Set(later.map((outcome) => outcome.served))].sort();
      return later.length === ENOUGH && served.join(" ") === [...servers].sort().join(" ");
    });
  }

  /** Why requests failed, each failure's reason; empty if none did. */
  function failures(): readonly string[] {
    return traffic.failed.map(({ status, reason, error }) => `${status} ${reason ?? error ?? "by Envoy"}`);
  }
});
