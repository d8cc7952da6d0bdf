import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { isAlive } from "../../controller/src/cli/process-identity.ts";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { Command, ROOT, SMOKE, variables } from "./command.ts";
import { azureTrace, TRACE_REQUESTS } from "./traces.ts";

interface Report {
  readonly requests: number;
  readonly ok: number;
  readonly picksByEndpoint: Readonly<Record<string, number>>;
  readonly pickedInProcess: number;
}

let command: Command | undefined;
let fleet: Fleet | undefined;

afterEach(async () => {
  await command?.clean();
  await fleet?.close();
  command = undefined;
  fleet = undefined;
});

/** @throws unless standard output is exactly one line of JSON */
function reportOf({ stdout }: Command): Report {
  assert.match(stdout, /^\{[^\n]*\}\n$/);
  return JSON.parse(stdout) as Report;
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

describe("make smoke", () => {
  it("prints one line of JSON, with every request picked in process, and exits 0", async () => {
    command = new Command(SMOKE, await variables());
    assert.equal(await command.ended, 0, command.stderr);
    const { requests, ok, picksByEndpoint, pickedInProcess } = reportOf(command);
    assert.deepEqual({ requests, ok, pickedInProcess }, { requests: 400, ok: 400, pickedInProcess: 400 });
    assert.equal(Object.keys(picksByEndpoint).length, 4, "every endpoint has some");
    assert.equal(total(picksByEndpoint), 400);
    assert.equal(command.stderr, "");
    assert.deepEqual(command.children(), []);
  });

  it("replays an Azure trace", async () => {
    const own = await variables();
    const trace = join(own.RUN_DIR!, "trace.csv");
    writeFileSync(trace, azureTrace());
    command = new Command(SMOKE, { ...own, TRACE: trace, SPEED: "2" });
    assert.equal(await command.ended, 0, command.stderr);
    const { requests, ok, pickedInProcess } = reportOf(command);
    assert.deepEqual([requests, ok, pickedInProcess], [TRACE_REQUESTS, TRACE_REQUESTS, TRACE_REQUESTS]);
  });

  it("exits 1 when requests are answered by others than those that the filter picked", async () => {
    fleet = await startFleet({ count: 2, models: ["my-model"] });
    const own = await variables();
    const poolsFile = join(own.RUN_DIR!, "pools.yaml");
    const pool = { name: "mine", models: ["my-model"], failureMode: "FailOpen", endpoints: fleet.addresses };
    writeFileSync(poolsFile, JSON.stringify({ pools: [pool] }));
    // Without the step that hands the pick over, Envoy's own policy spreads over the pool.
    const template = readFileSync(join(ROOT, "envoy/bootstrap.yaml"), "utf8");
    const handOver =
      / +- name: envoy\.filters\.http\.header_mutation\n[\s\S]*?(?= +- name: envoy\.filters\.http\.router\n)/;
    assert.match(template, handOver);
    const templateFile = join(own.RUN_DIR!, "bootstrap.yaml");
    writeFileSync(templateFile, template.replace(handOver, ""));
    command = new Command(SMOKE, {
      ...own,
      POOLS: poolsFile,
      INFERENCE_PICKER_BOOTSTRAP_TEMPLATE: templateFile,
    });
    assert.equal(await command.ended, 1);
    const { requests, ok, picksByEndpoint, pickedInProcess } = reportOf(command);
    assert.deepEqual([requests, ok], [400, 400]);
    // Half of them by chance.
    assert.ok(pickedInProcess > 100 && pickedInProcess < 300, String(pickedInProcess));
    assert.equal(total(picksByEndpoint), pickedInProcess);
    assert.equal(command.stderr, `${pickedInProcess} of 400 requests were picked by the filter\n`);
  });

  it("exits 1 and leaves nothing when it is interrupted", async () => {
    const smoke = new Command(SMOKE, await variables());
    command = smoke;
    await smoke.until("a child has started", () => smoke.children().length > 0);
    const children = smoke.children();
    smoke.signalGroup("SIGINT");
    assert.equal(await smoke.ended, 1);
    assert.equal(reportOf(smoke).requests, 0);
    assert.equal(smoke.stderr, "ended by SIGINT\n");
    assert.deepEqual(children.filter(isAlive), []);
  });
});
