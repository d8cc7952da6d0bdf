import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runSimulate } from "./simulate.ts";

const folder = mkdtempSync(join(tmpdir(), "simulate-"));
after(() => rmSync(folder, { recursive: true }));

async function run(line: string, isTTY = false) {
  let out = "";
  let err = "";
  const code = await runSimulate({
    args: line.split(" "),
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text), isTTY },
    onSignal: () => assert.fail("a simulation keeps the default signals"),
  });
  return { code, out, err };
}

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join("\n"));
  return path;
}

const MOONCAKE = file(
  "few.jsonl",
  [0, 1000, 1000, 2000, 3000].map((timestamp) =>
    JSON.stringify({ timestamp, input_length: 600, output_length: 10, hash_ids: [0, timestamp] }),
  ),
);
const AZURE = file("few.csv", [
  "TIMESTAMP,ContextTokens,GeneratedTokens",
  "2023-11-16 18:15:46.6805900,374,44\r",
  "2023-11-16 18:15:50.9951690,396,109",
  "2023-11-16 18:15:51.2224670,879,55",
]);

const FIELDS = [
  "policy",
  "ttftMeanMs",
  "ttftP50Ms",
  "ttftP90Ms",
  "ttftP99Ms",
  "tpotMeanMs",
  "tpotP90Ms",
  "e2eP90Ms",
  "cacheHitRatio",
  "preemptions",
  "goodputRatio",
  "requestsPerSecond",
  "rejectedRatio",
];

describe("simulate", () => {
  it("prints one array with an object of figures for each policy, in the order asked for", async () => {
    const line = "--requests 60 --endpoints 2 --speed 5 --policies round-robin,epp,least-request --json";
    const { code, out, err } = await run(line);
    assert.equal(code, 0);
    const rows = JSON.parse(out) as Record<string, unknown>[];
    assert.deepEqual(
      rows.map(({ policy }) => policy),
      ["round-robin", "epp", "least-request"],
    );
    for (const { policy, ...figures } of rows) {
      assert.deepEqual(["policy", ...Object.keys(figures)], FIELDS, `${policy}`);
      for (const [name, value] of Object.entries(figures)) {
        assert.ok(typeof value === "number" && value >= 0, `${policy}: ${name} is ${value}`);
        if (name.endsWith("Ratio")) assert.ok(value <= 1, `${policy}: ${name} is ${value}`);
      }
    }
    assert.equal(err, "epp: without prefix-affinity, which nothing computes\n");
  });

  it("says null where no request gave a figure", async () => {
    const long = { timestamp: 0, input_length: 4000, output_length: 97, hash_ids: [0, 1, 2, 3, 4, 5, 6, 7] };
    const path = file("long.jsonl", [JSON.stringify(long)]);
    const { out } = await run(`--trace ${path} --server llama-2-7b-h100 --policies random --json`);
    const [figures] = JSON.parse(out) as Record<string, unknown>[];
    assert.deepEqual(
      [figures!.ttftMeanMs, figures!.requestsPerSecond, figures!.rejectedRatio, figures!.goodputRatio],
      [null, null, 1, 0],
    );
  });

  it("prints the same for the same seed", async () => {
    const line = "--requests 100 --endpoints 3 --speed 8 --policies random,epp --json --seed 5";
    assert.equal((await run(line)).out, (await run(line)).out);
    assert.notEqual((await run(line)).out, (await run(line.replace("--seed 5", "--seed 6"))).out);
  });

  it("prints a table for people", async () => {
    const { out } = await run("--requests 20 --policies least-request");
    assert.match(out, /^policy +TTFT mean +p50 .* rejected\nleast-request +\d+\.\d{3} s .* 0\.0 %\n$/);
  });

  it("reads recordings of both formats, and says where one ends early", async () => {
    const mooncake = await run(`--trace ${MOONCAKE} --skip 1 --requests 3 --policies random --json`);
    assert.deepEqual([mooncake.code, mooncake.err], [0, ""]);
    const azure = await run(`--trace ${AZURE} --format azure --policies random --json`);
    assert.deepEqual([azure.code, azure.err], [0, "random: the trace ended after 3 of 3000 requests\n"]);
  });

  it("explains a request, beside the JSON rather than in it", async () => {
    const line = `--trace ${MOONCAKE} --requests 5 --endpoints 2 --policies least-request --explain 2`;
    const text = await run(line);
    assert.match(text.out, /^least-request: request 2 at 1\.000 s, 600 prompt tokens, 10 to answer/);
    const json = await run(`${line} --json`);
    assert.match(json.err, /^least-request: request 2 at /);
    assert.equal(JSON.parse(json.out).length, 1);
    const none = await run(line.replace("--explain 2", "--explain 6"));
    assert.equal(none.err, "least-request: there is no request 6 of 5\n");
  });

  it("shows its progress on a terminal, and nowhere else", async () => {
    const line = "--requests 200 --policies random";
    assert.match((await run(line, true)).err, /random: 64 of 200 requests, 32 %/);
    assert.equal((await run(line, false)).err, "");
  });

  it("answers what is wrong with 2, the value and what there is", async () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["--policies best", /--policies: "best" is none of epp, /],
      ["--trace /nowhere/t.jsonl", /--trace: "\/nowhere\/t\.jsonl" cannot be read/],
      [`--trace ${folder}`, /--trace: ".*" cannot be read/],
      [`--trace ${MOONCAKE} --skip 5`, /--skip: 5 leaves nothing of 5 requests/],
      [`--trace ${AZURE} --format mooncake`, /few\.csv:1: line is "TIMESTAMP/],
      [`--core ${AZURE}`, /--core: .*few\.csv is no core that can be loaded/],
      ["--what", /--what: is not a flag/],
    ];
    for (const [line, message] of wrong) {
      const { code, out, err } = await run(line);
      assert.deepEqual([code, out], [2, ""], line);
      assert.match(err, message);
    }
  });

  it("lists its flags for --help", async () => {
    const { code, out } = await run("--help");
    assert.equal(code, 0);
    assert.match(out, /^inference-picker simulate\n/);
    assert.match(out, /--ttft-objective .*\(default 1s\+62\.5ms\/1k\)/);
  });
});
