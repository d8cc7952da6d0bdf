/** The built program simulates in threads, and goes on after it was killed. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { until } from "../e2e/harness.ts";
import { ROOT } from "./command.ts";

const PROGRAM = join(ROOT, "build/js/inference-picker.js");
/** Runs enough that it is killed between the first and the last. */
const LINE =
  "--requests 400 --endpoints 4 --speeds 2,3,4,5,6,7 --policies round-robin,least-request,random --jobs 2 --json";

const folder = mkdtempSync(join(tmpdir(), "simulate-"));
after(() => rmSync(folder, { recursive: true }));

function start(line: string): { readonly child: ChildProcess; readonly out: Promise<string> } {
  const child = spawn(process.execPath, [PROGRAM, "simulate", ...line.split(" ")], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, out: new Promise((resolve) => child.once("close", () => resolve(text))) };
}

describe("the built simulator", () => {
  it("goes on after it was killed, with what it had, and comes to the same figures", async () => {
    const state = join(folder, "state");
    const finished = (): readonly string[] =>
      existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".json")) : [];
    const first = start(`${LINE} --state ${state}`);
    await until("a run has ended", () => finished().length >= 2);
    first.child.kill("SIGKILL");
    assert.equal(await first.out, "");
    const kept = finished();
    assert.ok(kept.length < 18, "it was killed before its end");
    const times = kept.map((name) => statSync(join(state, name)).mtimeMs);
    const resumed = await start(`${LINE} --state ${state}`).out;
    assert.equal(finished().length, 18);
    assert.deepEqual(
      kept.map((name) => statSync(join(state, name)).mtimeMs),
      times,
    );
    assert.equal((JSON.parse(resumed) as unknown[]).length, 18);
    assert.equal(await start(LINE).out, resumed);
  });
});
