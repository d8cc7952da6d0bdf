import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SERVE = fileURLToPath(new URL("./serve.ts", import.meta.url));

test("the command prints one line when its servers listen, and ends on SIGTERM", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", SERVE, "--count", "2", "--adapters", "a,b"]);
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const { ready, servers } = JSON.parse(line);
    assert.equal(ready, true);
    assert.equal(servers.length, 2);
    assert.deepEqual(servers[1].adapters, ["a", "b"]);
    const health = await fetch(`http://${servers[1].address}/health`);
    assert.equal(health.status, 200);
  } finally {
    child.kill("SIGTERM");
  }
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
});

test("the command refuses what it does not know, with its usage", async () => {
  for (const args of [["--hardware", "abacus"], ["--count", "none"], ["--what"]]) {
    const child = spawn(process.execPath, ["--import", "tsx", SERVE, ...args]);
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    const [code] = await once(child, "close");
    assert.equal(code, 2);
    assert.match(text, /usage: serve/);
  }
});
