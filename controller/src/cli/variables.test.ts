import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { freePorts } from "./processes.ts";
import { checkPorts, portsOf, runVariables } from "./variables.ts";

const folder = mkdtempSync(join(tmpdir(), "inference-picker-variables-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  return path;
}

/** Any program does for Envoy here. */
const ENVOY = process.execPath;
const variables = (env: Readonly<Record<string, string>> = {}) => runVariables({ ENVOY, ...env });

describe("the variables of make run", () => {
  it("have defaults; empty is as if absent", () => {
    const expected = {
      folder: undefined,
      ports: { gateway: 8080, admin: 9901, controller: 18000, status: 18001 },
      serversPort: 9001,
      envoy: ENVOY,
      poolsFile: undefined,
      trace: undefined,
      speed: 1,
      traffic: true,
    };
    assert.deepEqual(variables(), expected);
    assert.deepEqual(
      variables({ GATEWAY_PORT: "", POOLS: "", TRACE: "", SPEED: "", TRAFFIC: "", RUN_DIR: "" }),
      expected,
    );
  });

  it("send nothing to the user's own servers unless a trace is given", () => {
    const POOLS = file("pools.yaml");
    const TRACE = file("trace.jsonl");
    assert.equal(variables({ POOLS }).traffic, false);
    assert.equal(variables({ POOLS, TRAFFIC: "on" }).traffic, false);
    assert.equal(variables({ POOLS, TRACE }).traffic, true);
    assert.equal(variables({ POOLS, TRACE, TRAFFIC: "off" }).traffic, false);
    assert.equal(variables({ TRAFFIC: "off" }).traffic, false);
  });

  for (const [name, value, bound] of [
    ["GATEWAY_PORT", "0", "is not a port from 1 to 65535"],
    ["ADMIN_PORT", "65536", "is not a port from 1 to 65535"],
    ["STATUS_PORT", "80.5", "is not a port from 1 to 65535"],
    ["SERVERS_PORT", "65533", "is not a port from 1 to 65532"],
    ["SPEED", "-1", "is not a number above 0 and up to 1000"],
    ["SPEED", "fast", "is not a number above 0 and up to 1000"],
    ["TRAFFIC", "no", "is neither on nor off"],
    ["POOLS", "missing.yaml", "does not exist"],
    ["POOLS", folder, "is not a file"],
    ["TRACE", file("trace.txt"), "ends neither with .jsonl (Mooncake) nor with .csv (Azure)"],
    ["ENVOY", file("envoy"), "is not an executable file; make setup fetches Envoy"],
    ["ENVOY", folder, "is not an executable file; make setup fetches Envoy"],
  ] as const) {
    it(`refuse ${name}=${value.replace(folder, "…")} with its bound`, () => {
      assert.throws(() => variables({ [name]: value }), { message: `${name}=${value} ${bound}` });
    });
  }
});

describe("the ports of a run", () => {
  it("are eight with simulated servers and four with the user's", () => {
    assert.deepEqual(
      portsOf(variables()).map(({ port }) => port),
      [8080, 9901, 18000, 18001, 9001, 9002, 9003, 9004],
    );
    assert.equal(portsOf(variables({ POOLS: file("mine.yaml") })).length, 4);
  });

  it("that are in use are refused by name, with another on offer", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    try {
      await assert.rejects(checkPorts([{ variable: "ADMIN_PORT", port, base: port }]), (error: Error) => {
        const [, named, offer] = /^port (\d+) is in use: choose another, such as ADMIN_PORT=(\d+)$/.exec(
          error.message,
        )!;
        return Number(named) === port && Number(offer) !== port && Number(offer) <= 65_535;
      });
    } finally {
      taken.close();
    }
  });

  it("may not be the same for two", async () => {
    const [port] = await freePorts(1);
    const named = ["GATEWAY_PORT", "STATUS_PORT"].map((variable) => ({ variable, port: port!, base: port! }));
    await assert.rejects(checkPorts(named), {
      message: `STATUS_PORT and GATEWAY_PORT both want port ${port}`,
    });
  });
});
