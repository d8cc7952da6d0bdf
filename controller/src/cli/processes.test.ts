import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { identityOf, isAlive } from "./process-identity.ts";
import { freePorts, Processes, portState } from "./processes.ts";
import { claimFolder, releaseFolder, writeChildren } from "./run-folder.ts";

let folder: string;
const strangers: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inference-picker-processes-"));
});

afterEach(() => {
  for (const stranger of strangers.splice(0)) stranger.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A process that is none of the run's. */
async function stranger(): Promise<number> {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  strangers.push(child);
  await once(child, "spawn");
  return child.pid!;
}

/** A process that has ended, as it was. */
async function dead(): Promise<{ readonly pid: number; readonly startTicks: string }> {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  await once(child, "spawn");
  const identity = identityOf(child.pid!)!;
  child.kill("SIGKILL");
  await once(child, "exit");
  return identity;
}

/** Starts `script` in a shell and waits for the line that says why it ended. */
function whyEnded(script: string): Promise<string> {
  return new Promise((resolve) => {
    new Processes(folder).start("child", "/bin/sh", ["-c", script], resolve);
  });
}

describe("the processes of a run", () => {
  it("are listed while they run, log to files, and are all gone after stop", async () => {
    const processes = new Processes(folder);
    const unasked = (why: string) => assert.fail(why);
    const child = processes.start(
      "child",
      "/bin/sh",
      ["-c", "echo out; echo err >&2; exec sleep 600"],
      unasked,
    );
    const listed = JSON.parse(readFileSync(join(folder, "pids.json"), "utf8"));
    assert.deepEqual(listed, [identityOf(child.pid!)]);
    while (!readFileSync(processes.logFile("child"), "utf8").includes("err")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await processes.stop();
    assert.equal(child.signalCode, "SIGTERM");
    assert.equal(readFileSync(processes.logFile("child"), "utf8"), "out\nerr\n");
    assert.equal(readFileSync(join(folder, "pids.json"), "utf8"), "[]");
    assert.throws(() => processes.start("late", "true", [], unasked), /the run ends/);
  });

  it("that end unasked say so in one line, with what they printed last", async () => {
    const log = join(folder, "child.log");
    assert.equal(
      await whyEnded("echo first; echo 'bad\tflag' >&2; exit 3"),
      `child ended (exit code 3): bad flag; see ${log}`,
    );
    assert.equal(await whyEnded("kill -9 $$"), `child ended (SIGKILL); see ${log}`);
    assert.equal(
      await whyEnded(`echo '{"level":50,"msg":"no port"}'; exit 1`),
      `child ended (exit code 1): no port; see ${log}`,
    );
    assert.equal(
      await whyEnded("printf 'x.js:1\\n\\nTypeError: x is 1\\n    at y\\n\\nNode.js v20.1.0\\n'; exit 1"),
      `child ended (exit code 1): TypeError: x is 1; see ${log}`,
    );
  });

  it("that ignore SIGTERM are killed after four seconds", async (t) => {
    const processes = new Processes(folder);
    const script = "trap '' TERM; echo deaf; exec sleep 600";
    const child = processes.start("child", "/bin/sh", ["-c", script], (why) => assert.fail(why));
    while (!readFileSync(processes.logFile("child"), "utf8").includes("deaf")) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const stopped = processes.stop();
    t.mock.timers.tick(3999);
    assert.equal(child.killed, true, "asked to end");
    assert.notEqual(identityOf(child.pid!), undefined);
    t.mock.timers.tick(1);
    await stopped;
    assert.equal(child.signalCode, "SIGKILL");
  });

  it("that cannot be started say so, and do not hold up the end", async () => {
    const processes = new Processes(folder);
    const why = await new Promise<string>((resolve) => {
      processes.start("envoy", join(folder, "missing"), [], resolve);
    });
    assert.match(why, /^envoy could not be started: .*ENOENT/);
    await processes.stop();
  });
});

describe("the folder of a run", () => {
  const ownerFile = () => join(folder, "owner.json");

  it("is given up after what a killed run left there has ended, and nothing else", async () => {
    const [left, other] = [await stranger(), await stranger()];
    writeChildren(folder, [left]);
    // Pids that were reused: the same numbers, other processes.
    const listed = JSON.parse(readFileSync(join(folder, "pids.json"), "utf8"));
    writeFileSync(join(folder, "pids.json"), JSON.stringify([...listed, { pid: other, startTicks: "1" }]));
    writeFileSync(ownerFile(), JSON.stringify({ run: await dead() }));
    assert.equal(await claimFolder(folder, process.pid, undefined), 1);
    assert.equal(identityOf(left), undefined);
    assert.notEqual(identityOf(other), undefined);
    releaseFolder(folder);
    assert.equal(existsSync(ownerFile()), false);
  });

  it("is refused while its run goes on", async () => {
    const run = await stranger();
    writeFileSync(ownerFile(), JSON.stringify({ run: identityOf(run), launcher: identityOf(process.pid) }));
    await assert.rejects(claimFolder(folder, process.pid, undefined), {
      message: `another run goes on in ${folder} (process ${run}): end it, or set RUN_DIR to another folder`,
    });
    assert.notEqual(identityOf(run), undefined);
  });

  it("is taken from a run whose make is gone", async () => {
    const run = identityOf(await stranger())!;
    writeFileSync(ownerFile(), JSON.stringify({ run, launcher: await dead() }));
    assert.equal(await claimFolder(folder, process.pid, undefined), 1);
    assert.equal(isAlive(run), false);
  });

  it("is taken where its files were cut short", async () => {
    writeFileSync(ownerFile(), '{"run"');
    writeFileSync(join(folder, "pids.json"), "");
    assert.equal(await claimFolder(folder, process.pid, undefined), 0);
  });
});

describe("ports", () => {
  it("that are free are free and different, and one that is listened on is in use", async () => {
    const ports = await freePorts(20);
    assert.equal(new Set(ports).size, 20);
    assert.equal(await portState(ports[0]!), "free");
    // Every address, not only the loopback's.
    const server = createServer().listen(ports[0], "0.0.0.0");
    await once(server, "listening");
    assert.equal(await portState(ports[0]!), "in use");
    server.close();
  });
});
