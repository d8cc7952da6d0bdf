import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startFleet, type Fleet } from "../../controller/src/simulation/fleet.ts";
import { until } from "../e2e/harness.ts";
import { Command, RUN, variables } from "./command.ts";

const SCRAPE_MS = 100;

interface Table {
  readonly pools: readonly {
    readonly name: string;
    readonly endpoints: readonly {
      readonly address: string;
      readonly state: string;
      readonly picks: number;
    }[];
  }[];
}

describe("make run POOLS=mine.yaml", () => {
  let fleet: Fleet;
  let command: Command;

  before(async () => {
    fleet = await startFleet({ count: 2, models: ["my-model"], namePrefix: "mine" });
    const own = await variables();
    const poolsFile = join(own.RUN_DIR!, "mine.yaml");
    const pool = {
      name: "mine",
      models: ["my-model"],
      scrape: { interval: `${SCRAPE_MS}ms` },
      endpoints: fleet.addresses,
    };
    // JSON is YAML.
    writeFileSync(poolsFile, JSON.stringify({ pools: [pool] }));
    command = new Command(RUN, { ...own, POOLS: poolsFile });
    await command.running();
  });

  after(async () => {
    await command?.clean();
    await fleet?.close();
  });

  const table = async () => (await (await fetch(`${command.statusUrl}/table`)).json()) as Table;
  const picks = async () => {
    const { pools } = await table();
    return pools.flatMap(({ endpoints }) => endpoints).reduce((sum, endpoint) => sum + endpoint.picks, 0);
  };

  it("starts no servers, shows the user's pool and sends nothing by itself", async () => {
    assert.equal(command.children().length, 2, "controller and Envoy");
    assert.match(command.stdout, /^traffic {5}only what you send$/m);
    assert.match(command.stdout, /^pool default\/mine, profile net-goodput/m);
    for (const address of fleet.addresses) assert.ok(command.stdout.includes(address));
    await until("both servers have been scraped", async () => {
      const [pool] = (await table()).pools;
      return pool?.endpoints.every(({ state }) => state === "fresh");
    });
    assert.equal(await picks(), 0);
    assert.match(command.stdout, /^0 requests,/m);
  });

  it("answers the very request that it prints", async () => {
    const [, url, body] = /^ {2}curl (\S+) -H 'content-type: application\/json' -d '(.+)'$/m.exec(
      command.stdout,
    )!;
    const response = await fetch(url!, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: body!,
    });
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(((await response.json()) as { model: string }).model, "my-model");
    await until("the pick is in the table", async () => (await picks()) === 1);
    await command.until("the table shows the request", () => /^1 requests, 0 not/m.test(command.stdout));
  });

  it("leaves the user's servers alone when it ends", async () => {
    command.signalGroup("SIGINT");
    assert.equal(await command.ended, 0, command.stderr);
    for (const address of fleet.addresses) {
      assert.equal((await fetch(`http://${address}/v1/models`)).status, 200);
    }
  });
});
