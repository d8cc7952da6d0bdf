import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { crdFiles, PROGRAMS_FOLDER, programPath } from "./programs.ts";

const SOURCE = "crds-inference-pool";

const run = promisify(execFile);
const cache = mkdtempSync(join(tmpdir(), "inference-picker-cache-"));
const previous = process.env.XDG_CACHE_HOME;

before(() => {
  process.env.XDG_CACHE_HOME = cache;
});

after(() => {
  if (previous === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = previous;
  rmSync(cache, { recursive: true });
});

function build(...names: readonly string[]): Promise<{ readonly stdout: string }> {
  return run(process.execPath, ["--import", "tsx", join(PROGRAMS_FOLDER, "build.ts"), ...names]);
}

test("what is not built is named, with the command that builds it", () => {
  assert.throws(() => programPath("helm"), /^Error: helm is not built \(.*\): make kube-programs$/);
});

test("two that fill the cache at the same time leave one whole entry, and a third finds it", async () => {
  await Promise.all([build(SOURCE), build(SOURCE)]);
  assert.match((await build(SOURCE)).stdout, /^crds-inference-pool +cached +\//);
  assert.equal(readdirSync(join(cache, "inference-picker")).length, 1);
  assert.equal(crdFiles("inference-pool").length, 1);
});

test("a name that is none is refused with those that are", async () => {
  await assert.rejects(build("kubelet"), (error) => {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    assert.equal(code, 2);
    assert.match(stderr, /^unknown: kubelet; known are .*kube-apiserver/);
    return true;
  });
});
