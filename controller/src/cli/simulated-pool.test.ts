import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { parsePools } from "../sources/pools-parse.ts";
import { type FleetServer, simulatedPool } from "./simulated-pool.ts";

const servers: readonly FleetServer[] = [1, 2].map((i) => ({
  name: `server-${i}`,
  address: `127.0.0.1:900${i}`,
  models: ["llama"],
  adapters: ["sql"],
}));

describe("the pools file of the simulated servers", () => {
  it("is one that the controller takes, with every server, model and adapter", () => {
    const { pools } = parsePools(stringify(simulatedPool(servers)), {
      path: "pools.yaml",
      env: {},
      readText: (path) => assert.fail(`reads ${path}`),
    });
    assert.equal(pools.length, 1);
    const [pool] = pools;
    assert.deepEqual(
      pool!.endpoints.map(({ name, host, port }) => [name, `${host}:${port}`]),
      servers.map(({ name, address }) => [name, address]),
    );
    assert.deepEqual(
      pool!.models.map(({ name, adapter }) => [name, adapter]),
      [
        ["llama", false],
        ["sql", true],
      ],
    );
  });
});
