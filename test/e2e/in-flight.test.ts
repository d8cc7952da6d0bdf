/** What the controller knows to be in flight is what is in flight, through one Envoy and through several. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { generateRequests } from "../../controller/src/simulation/traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../../controller/src/simulation/traces/profiles.ts";
import { Traffic } from "../../controller/src/simulation/traffic.ts";
import { Gateway, until } from "./harness.ts";
import { post, RawConnection } from "./raw-connection.ts";
import { ScriptedEndpoint } from "./scripted-endpoint.ts";

const BODY = '{"prompt":"hello","model":"m"}';

/** In flight by address, as the controller tells. */
async function counted(gateway: Gateway): Promise<ReadonlyMap<string, number>> {
  const rows = (await gateway.table())?.pools.flatMap((pool) => pool.endpoints) ?? [];
  return new Map(rows.map(({ address, inFlight }) => [address, inFlight]));
}

describe("under a mix of conversations", () => {
  const SEED = 7;
  /** Of the trace; played this many times as fast, on servers as much faster. */
  const TRACE_MS = 100_000;
  const SPEED = 10;
  const SAMPLE_MS = 5;
  const POLL_MS = 20;
  /** Tick and report of the filter, and the page's way here: what is shown was true within this time. */
  const DELAY_MS = 250;
  let fleet: Fleet;
  let gateway: Gateway;

  before(async () => {
    fleet = await startFleet({ count: 3, speed: SPEED, models: ["m"] });
    gateway = await Gateway.start({
      name: "in-flight",
      pools: {
        pools: [
          {
            name: "test",
            profile: "least-request",
            body: { read: "always" },
            models: ["m"],
            scrape: { interval: "200ms" },
            endpoints: [...fleet.addresses],
          },
        ],
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await fleet?.close();
  });

  it("the controller's counts follow the servers' own, and end at zero", async () => {
    /** Per server, what was in flight at the last moments. */
    const truth = fleet.servers.map((): { readonly atMs: number; readonly count: number }[] => []);
    const sampler = setInterval(() => {
      const atMs = performance.now();
      fleet.servers.forEach((server, index) => {
        truth[index]!.push({ atMs, count: server.inFlight });
      });
    }, SAMPLE_MS);
    const traffic = new Traffic({
      url: gateway.url,
      requests: generateRequests({ profile: MOONCAKE_CONVERSATION, seed: SEED, durationMs: TRACE_MS }),
      speed: SPEED,
      body: { api: "chat", stream: true, model: "m" },
    });
    let compared = 0;
    let outside = 0;
    let shownSum = 0;
    let trueSum = 0;
    let most = 0;
    let isPlaying = true;
    const played = traffic.finished.finally(() => {
      isPlaying = false;
    });
    try {
      while (isPlaying) {
        const shown = await counted(gateway);
        const nowMs = performance.now();
        fleet.addresses.forEach((address, index) => {
          const recent = truth[index]!.filter(({ atMs }) => atMs >= nowMs - DELAY_MS).map(
            ({ count }) => count,
          );
          const value = shown.get(address);
          if (value === undefined || recent.length === 0) return;
          compared++;
          shownSum += value;
          trueSum += recent.reduce((sum, count) => sum + count, 0) / recent.length;
          most = Math.max(most, value);
          // One more or less is on its way between gateway and server.
          if (value < Math.min(...recent) - 1 || value > Math.max(...recent) + 1) outside++;
        });
        // The page itself costs the controller something.
        await delay(POLL_MS);
      }
      await played;
    } finally {
      clearInterval(sampler);
      await traffic.close();
    }
    await until("the counts end at zero", async () => {
      const shown = await counted(gateway);
      return shown.size === fleet.addresses.length && [...shown.values()].every((count) => count === 0);
    });
    const { sent, failed, dropped } = traffic.summary();
    console.log(
      `seed ${SEED}: ${sent} requests, ${failed} failed, at most ${most} in flight to a server; ${compared} counts compared, ` +
        `${outside} outside what was true within ${DELAY_MS} ms; mean ${(shownSum / compared).toFixed(2)}, true ${(trueSum / compared).toFixed(2)}`,
    );
    assert.equal(failed + dropped, 0);
    assert.ok(most >= 3, "the load is worth counting");
    assert.ok(outside <= compared * 0.05, `${outside} of ${compared}`);
    assert.ok(Math.abs(shownSum - trueSum) <= 0.1 * trueSum, `${shownSum / compared}, ${trueSum / compared}`);
  });
});

describe("through two Envoys of one controller", () => {
  const HELD = 20;
  let endpoints: readonly ScriptedEndpoint[];
  let first: Gateway;
  let second: Gateway;
  const connections: RawConnection[] = [];

  function pools(count: number) {
    return {
      pools: [
        {
          name: "test",
          profile: "least-request",
          body: { read: "always" },
          scrape: { interval: "200ms" },
          endpoints: endpoints.slice(0, count).map(({ address }) => address),
        },
      ],
    };
  }

  before(async () => {
    endpoints = await Promise.all([1, 2, 3].map(() => ScriptedEndpoint.start()));
    first = await Gateway.start({ name: "two-envoys-1", pools: pools(1) });
    second = await Gateway.startBeside(first, { name: "two-envoys-2", pools: pools(1) });
  });

  after(async () => {
    for (const connection of connections) connection.close();
    await second?.stop();
    await first?.stop();
    await Promise.all((endpoints ?? []).map((endpoint) => endpoint.close()));
  });

  async function hold(gateway: Gateway, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const connection = await RawConnection.open(gateway.port);
      connections.push(connection);
      connection.answer().catch(() => undefined);
      connection.send(post("/v1/completions", BODY, ["x-test-answer: held"]));
    }
  }

  /** One request on a connection of its own, to its end. */
  async function whole(gateway: Gateway): Promise<void> {
    const connection = await RawConnection.open(gateway.port);
    const answer = connection.answer();
    connection.send(post("/v1/completions", BODY));
    await answer;
    connection.close();
  }

  it("what one has in flight is in the picks of the other", async () => {
    const [a, ...others] = endpoints as [ScriptedEndpoint, ...ScriptedEndpoint[]];
    await hold(first, HELD);
    await until("all are held", () => a.inFlight === HELD);
    first.writePools(pools(3));
    // The other's table has all three, and what the first one has in flight, when the first picks avoid `a`.
    await until("the controller knows", async () => (await counted(first)).get(a.address) === HELD);
    await until("both have applied a table with all three", async () => {
      const table = await first.table();
      return (
        table?.envoys.length === 2 &&
        table.pools[0]?.endpoints.length === 3 &&
        table.envoys.every(({ sequence }) => sequence === table.sequence)
      );
    });
    // The VM that holds the feed reports; the other workers take the table over a moment later.
    await until("every worker of the other avoids the first endpoint", async () => {
      const before = a.served;
      for (let i = 0; i < 12; i++) await whole(second);
      return a.served === before;
    });
    const before = a.served;
    await hold(second, HELD);
    await until("the other's are held", () => {
      const held = endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0);
      return held === 2 * HELD;
    });
    console.log(
      `${HELD} through the second Envoy: ${endpoints.map(({ inFlight }, i) => inFlight - (i === 0 ? HELD : 0))}`,
    );
    assert.equal(a.served, before);
    assert.ok(others.every(({ inFlight }) => inFlight >= HELD / 4));
    await until("the controller adds up both", async () => {
      const shown = await counted(first);
      return endpoints.every(({ address, inFlight }) => shown.get(address) === inFlight);
    });
    for (const endpoint of endpoints) endpoint.release();
    await until("nothing is in flight", async () => {
      const shown = await counted(first);
      return shown.size === 3 && [...shown.values()].every((count) => count === 0);
    });
  });
});
