import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
    assert.equal(err, "");
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
    const line = "--requests 100 --endpoints 3 --speed 8 --policies random,epp --json --seed 5 --jobs 1";
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

  it("lets several Envoys of several workers pick, each with what the others told it", async () => {
    const line = "--requests 150 --endpoints 3 --speed 5 --policies net-goodput,random --jobs 1 --json";
    const rows = async (more: string) => JSON.parse((await run(`${line}${more}`)).out) as unknown[];
    const one = await rows("");
    assert.deepEqual(await rows(" --envoys 1 --workers 1"), one);
    const several = await rows(" --envoys 2 --workers 2");
    assert.deepEqual(await rows(" --envoys 2 --workers 2"), several);
    assert.notDeepEqual(several, one);
    const explained = await run(`${line} --envoys 2 --explain 7`);
    assert.match(explained.err, /^net-goodput: request 7 at /);
  });

  it("shows its progress on a terminal, and nowhere else", async () => {
    const line = "--requests 200 --policies random";
    assert.match((await run(line, true)).err, /random: 64 of 200 requests, 32 %/);
    assert.equal((await run(line, false)).err, "");
  });

  it("has a bar for each of several runs at once, and takes them away before the figures", async () => {
    const { err } = await run("--requests 600 --speeds 2,4 --policies random --jobs 2", true);
    assert.match(err, /[█░]{20} random, speed [24]: \d+ of 600 requests, \d+ %/);
    assert.ok(err.endsWith("\x1b[J"), JSON.stringify(err.slice(-20)));
  });

  it("gives the same in several threads as in one", async () => {
    const line =
      "--requests 120 --endpoints 3 --speeds 4,2 --windows 2 --policies random,least-request --json --seed 3";
    const alone = await run(`${line} --jobs 1`);
    const threads = await run(`${line} --jobs 3`);
    assert.deepEqual(threads, alone);
    const rows = JSON.parse(alone.out) as Record<string, unknown>[];
    assert.deepEqual(Object.keys(rows[0]!), [...FIELDS, "speed", "skip"]);
    assert.deepEqual(
      rows.map(({ policy, speed, skip }) => [speed, skip, policy]),
      [2, 4].flatMap((speed) =>
        [0, 120].flatMap((skip) => [
          [speed, skip, "random"],
          [speed, skip, "least-request"],
        ]),
      ),
    );
    const one = JSON.parse((await run(line.replace("4,2", "4").replace("--windows 2", "--skip 120"))).out);
    const { speed: _, skip: __, ...last } = rows.at(-1)!;
    assert.deepEqual(one[1], last);
  });

  it("tells of means over the windows and of what is gained over round robin", async () => {
    const line =
      "--requests 150 --endpoints 2 --speeds 3,5 --windows 2 --policies round-robin,least-request --jobs 1";
    const { out } = await run(line);
    assert.match(out, /^policy +speed +least goodput +TTFT mean/);
    assert.match(out, /^round-robin +3 +[\d.]+ % /m);
    assert.match(
      out,
      /\n\nspeed 5\nagainst round-robin +goodput +TTFT mean .*\nleast-request +[+-]?[\d.]+ points +[+-][\d.]+ %/,
    );
    assert.equal(out.match(/^least-request /gm)!.length, 4);
  });

  it("goes on where it was interrupted, and only there", async () => {
    const state = join(folder, "state");
    const line = `--trace ${MOONCAKE} --requests 4 --policies random,epp --state ${state} --jobs 1 --json`;
    const first = await run(line);
    const files = () => readdirSync(state).sort();
    assert.equal(files().length, 2);
    // Kept figures are told apart from computed ones by a mark that no run would give.
    const kept = files().find((name) => name.startsWith("random-"))!;
    const path = join(state, kept);
    writeFileSync(path, readFileSync(path, "utf8").replace(/"goodputRatio":[\d.]+/, '"goodputRatio":0.123'));
    const marked = (out: string) =>
      (JSON.parse(out) as { goodputRatio: number }[]).map((row) => row.goodputRatio === 0.123);
    assert.deepEqual(marked((await run(line)).out), [true, false]);
    assert.deepEqual(marked((await run(line.replace("--requests 4", "--requests 3"))).out), [false, false]);
    assert.equal(files().length, 4);
    // Half a file, as of a full disk, is none.
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 100));
    assert.equal((await run(line)).out, first.out);
    // A recording of the same name is another one when it holds something else.
    const text = readFileSync(MOONCAKE, "utf8");
    writeFileSync(MOONCAKE, text.replace("600", "601"));
    await run(line);
    assert.equal(files().length, 6);
    writeFileSync(MOONCAKE, text);
  });

  it("keeps figures that no request gave as such", async () => {
    const long = { timestamp: 0, input_length: 4000, output_length: 97, hash_ids: [0, 1, 2, 3, 4, 5, 6, 7] };
    const path = file("longer.jsonl", [JSON.stringify(long)]);
    const line = `--trace ${path} --server llama-2-7b-h100 --policies random --state ${join(folder, "nothing")}`;
    assert.deepEqual(await run(line), await run(line));
    assert.deepEqual(await run(`${line} --json`), await run(`${line} --json`));
  });

  it("finds the fewest servers and the highest speed for a share of good requests", async () => {
    const line = "--requests 80 --endpoints 2 --speed 4 --policies round-robin,least-request --jobs 1";
    const text = await run(`${line} --find-replicas 95%`);
    assert.match(
      text.out,
      /^fewest servers that keep 95\.0 % of the requests within the objectives, at speed 4\n/,
    );
    assert.match(text.out, /^round-robin +\d+ +9[5-9]\.\d %|^round-robin +\d+ +100\.0 %/m);
    const replicas = JSON.parse((await run(`${line} --find-replicas 95% --json`)).out) as Record<
      string,
      number
    >[];
    for (const { policy, endpoints, speed, goodputRatio } of replicas) {
      assert.ok(goodputRatio! >= 0.95 && endpoints! > 1 && speed === 4, `${policy}`);
      const fewer = await run(`${line.replace("2 --speed", `${endpoints! - 1} --speed`)} --json`);
      const [at] = (JSON.parse(fewer.out) as Record<string, unknown>[]).filter(
        (row) => row.policy === policy,
      );
      assert.ok((at!.goodputRatio as number) < 0.95, `${policy}: ${endpoints! - 1} are enough`);
    }
    const rates = JSON.parse((await run(`${line} --find-max-rate 0.9 --json`)).out) as Record<
      string,
      number
    >[];
    assert.deepEqual(Object.keys(rates[0]!), [...FIELDS, "endpoints", "speed"]);
    for (const { endpoints, speed, goodputRatio } of rates) {
      assert.ok(endpoints === 2 && speed! > 0 && goodputRatio! >= 0.9);
    }
  });

  it("says where no pool is large enough", async () => {
    const line = "--requests 3 --policies round-robin --ttft-objective 1ms --find-max-rate 50% --jobs 1";
    assert.match((await run(line)).out, /^round-robin +none +- /m);
    const [answer] = JSON.parse((await run(`${line} --json`)).out) as Record<string, unknown>[];
    assert.deepEqual([answer!.policy, answer!.speed, answer!.goodputRatio], ["round-robin", null, null]);
  });

  it("reads the gateway's access log, and says what it leaves out of it", async () => {
    const entry = (second: number, tokens: string | null) =>
      JSON.stringify({
        time: `2026-11-26T17:36:0${second}.000Z`,
        prompt_tokens: tokens,
        completion_tokens: tokens,
      });
    const path = file("access.log", [entry(2, "20"), entry(1, null), entry(0, "10")]);
    const { code, out, err } = await run(`--trace ${path} --requests 2 --policies random --json`);
    assert.deepEqual([code, err], [0, "1 of 3 lines of the log have no usage\n"]);
    assert.equal((JSON.parse(out) as unknown[]).length, 1);
    const none = await run(`--trace ${file("none.log", [entry(1, null)])} --policies random`);
    assert.equal(none.code, 2);
    assert.match(none.err, /--trace: none of 1 lines has prompt_tokens and completion_tokens/);
  });

  it("writes a page, and inference-perf's summary of each run", async () => {
    const page = join(folder, "report.html");
    const perf = join(folder, "perf");
    const line = `--requests 50 --speeds 1,2 --policies random --jobs 1 --report ${page} --inference-perf ${perf}`;
    assert.equal((await run(line)).code, 0);
    assert.match(readFileSync(page, "utf8"), /^<!doctype html>[\s\S]*<\/html>\n$/);
    assert.deepEqual(readdirSync(perf).sort(), ["random-speed-1", "random-speed-2"]);
    const summary = JSON.parse(
      readFileSync(join(perf, "random-speed-2", "summary_lifecycle_metrics.json"), "utf8"),
    );
    assert.equal(summary.successes.count, 50);
    const searched = join(folder, "searched.html");
    await run(`--requests 50 --policies random --find-replicas 50% --jobs 1 --report ${searched}`);
    assert.match(
      readFileSync(searched, "utf8"),
      /class="lead">50\.0 % of the requests are within their objectives by random with \d+ servers\.</,
    );
  });

  it("answers what is wrong with 2, the value and what there is", async () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["--policies best", /--policies: "best" is none of epp, /],
      ["--trace /nowhere/t.jsonl", /--trace: "\/nowhere\/t\.jsonl" cannot be read/],
      [`--trace ${folder}`, /--trace: ".*" cannot be read/],
      [`--trace ${MOONCAKE} --skip 5`, /--skip: 5 leaves nothing of 5 requests/],
      [`--trace ${AZURE} --format mooncake`, /few\.csv:1: line is "TIMESTAMP/],
      [`--core ${AZURE}`, /--core: .*few\.csv is no core that can be loaded/],
      [`--policies random,epp --jobs 2 --trace ${AZURE} --format mooncake`, /few\.csv:1: line is "TIMESTAMP/],
      [`--requests 1 --state ${AZURE}/x`, /--state: ".*few\.csv\/x" takes no files: ENOTDIR/],
      [`--requests 1 --state ${folder}/s --trace /nowhere/t.jsonl`, /--trace: ".*" cannot be read/],
      ["--what", /--what: is not a flag/],
    ];
    for (const [line, message] of wrong) {
      const { code, out, err } = await run(line);
      assert.deepEqual([code, out], [2, ""], line);
      assert.match(err, message);
    }
  });

  it("says which file cannot be written, after the figures", async () => {
    const { code, out, err } = await run(`--requests 1 --policies random --report ${folder}`);
    assert.equal(code, 2);
    assert.match(out, /^random /m);
    assert.match(err, /--report: ".*" cannot be written: EISDIR/);
  });

  it("lists its flags for --help", async () => {
    const { code, out } = await run("--help");
    assert.equal(code, 0);
    assert.match(out, /^inference-picker simulate\n/);
    assert.match(out, /--ttft-objective .*\(default 1s\+62\.5ms\/1k\)/);
  });
});
