import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runDoctor } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "inference-picker-doctor-"));
after(() => rmSync(folder, { recursive: true }));

/** Looks at nothing that is not named. */
const NOTHING = ["--controller", "none", "--envoy-admin", "none"];
const ESCAPE = String.fromCharCode(27);

async function run(args: readonly string[], more: { env?: Record<string, string>; isTTY?: boolean } = {}) {
  let out = "";
  let err = "";
  const code = await runDoctor({
    args,
    env: more.env ?? {},
    stdout: { write: (text) => (out += text), isTTY: more.isTTY },
    stderr: { write: (text) => (err += text) },
    onSignal: () => {},
  });
  return { code, out, err };
}

describe("the doctor's command", () => {
  it("explains its flags", async () => {
    const { code, out } = await run(["--help"]);
    assert.equal(code, 0);
    assert.match(out, /^inference-picker doctor\n[\s\S]*--envoy-admin/);
  });

  it("refuses wrong flags with 2 and one line", async () => {
    const { code, out, err } = await run(["--timeout-ms", "1"]);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.equal(err, '--timeout-ms: "1" is not an integer from 100 to 60000\n');
  });

  it("with nothing to look at looks at itself, and says how to name more", async () => {
    const { code, out } = await run(NOTHING);
    assert.equal(code, 0);
    assert.match(out, /^program\n {2}ok {7}version {2}\d/);
    assert.match(out, /^ {2}skipped {2}pools {4}name them with --pools-file/m);
    assert.match(out, /\n2 ok, 0 warnings, 0 failures, 1 not looked at\n$/);
  });

  it("has colours on a terminal, unless NO_COLOR is set or it is asked for JSON", async () => {
    const isTTY = true;
    assert.ok((await run(NOTHING, { isTTY })).out.includes(ESCAPE));
    assert.ok(!(await run(NOTHING, { isTTY, env: { NO_COLOR: "1" } })).out.includes(ESCAPE));
    assert.ok(!(await run([...NOTHING, "--json"], { isTTY })).out.includes(ESCAPE));
  });

  it("says every mistake of a pools file", async () => {
    const file = join(folder, "bad.yaml");
    writeFileSync(file, "pools:\n- name: chat\n  endpoints: [nowhere]\n  profile: fastest\n");
    const { code, out } = await run([...NOTHING, "--pools-file", file]);
    assert.equal(code, 1);
    assert.match(out, /^ {2}failure {2}valid .*profile: fastest .*; .*endpoints\[0\]: nowhere /m);
    assert.match(out, /→ mend the file/);
  });

  it("needs the keys that a pools file names, as the controller does", async () => {
    const file = join(folder, "key.yaml");
    writeFileSync(file, "pools:\n- name: chat\n  endpoints: []\n  apiKeyEnv: CHAT_KEY\n");
    const flags = [...NOTHING, "--pools-file", file];
    assert.match((await run(flags)).out, /^ {2}failure {2}valid .*apiKeyEnv/m);
    const { out } = await run(flags, { env: { CHAT_KEY: "sk-not-to-be-shown" } });
    assert.match(out, /^ {2}ok {7}valid .*1 pool, 0 endpoints, 1 route$/m);
    assert.match(out, /^ {2}failure {2}pool default\/chat {2}no endpoint$/m);
    assert.ok(!out.includes("sk-not-to-be-shown"));
  });

  it("says why there is no access to a cluster", async () => {
    const flags = [...NOTHING, "--kubeconfig", join(folder, "none")];
    const { code, out } = await run(flags);
    assert.equal(code, 1);
    assert.match(out, /^ {2}failure {2}API server {2}.*none/m);
    assert.match(out, /→ name a kubeconfig/);
  });
});
