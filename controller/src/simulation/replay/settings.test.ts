import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSimulateSettings, simulateHelp } from "./settings.ts";

function refuses(args: readonly string[], code: string, path: string, message: RegExp): void {
  assert.throws(() => parseSimulateSettings(args), { code, path, message });
}

describe("the flags of simulate", () => {
  it("have defaults", () => {
    assert.deepEqual(parseSimulateSettings([]), {
      window: { file: undefined, format: "mooncake", skip: 0, requests: 3000, seed: 1 },
      windows: 1,
      servers: [{ name: "llama-3.1-8b-h100", speed: 1, count: 8 }],
      engine: "linear",
      speeds: [1],
      policies: ["net-goodput", "lmetric", "sticky", "epp", "round-robin"],
      scorers: [],
      envoys: 1,
      workers: 1,
      scrapeIntervalMs: 50,
      objectives: { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 },
      seed: 1,
      explain: undefined,
      search: undefined,
      jobs: undefined,
      state: undefined,
      report: undefined,
      inferencePerf: undefined,
      core: undefined,
      json: false,
    });
  });

  it("are read in the form that scripts use", () => {
    const line =
      "--trace t.jsonl --format mooncake --skip 6000 --requests 300 --endpoints 4 --server qwen3-14b-h100 " +
      "--speed 5.5 --policies round-robin,weighted --scorers in-flight=1,queue-depth=0.5 --seed 7 --json " +
      "--ttft-objective 2s --tpot-objective 20ms --scrape-interval 500 --explain 3 --core c.wasm";
    assert.deepEqual(parseSimulateSettings(line.split(" ")), {
      window: { file: "t.jsonl", format: "mooncake", skip: 6000, requests: 300, seed: 7 },
      windows: 1,
      servers: [{ name: "qwen3-14b-h100", speed: 1, count: 4 }],
      speeds: [5.5],
      policies: ["round-robin", "weighted"],
      scorers: [
        { name: "in-flight", weight: 1 },
        { name: "queue-depth", weight: 0.5 },
      ],
      engine: "linear",
      envoys: 1,
      workers: 1,
      scrapeIntervalMs: 500,
      objectives: { ttft: { baseMs: 2000, perThousandMs: 0 }, tpotMs: 20 },
      seed: 7,
      explain: 3,
      search: undefined,
      jobs: undefined,
      state: undefined,
      report: undefined,
      inferencePerf: undefined,
      core: "c.wasm",
      json: true,
    });
  });

  it("name several rates, windows and kinds of servers", () => {
    const line =
      "--format synthetic --qps 100 --windows 3 --speeds 5,3,4 --jobs 2 --state s --report r.html " +
      "--inference-perf p --server llama-2-7b-h100:2,llama-2-7b-h100@0.4:1";
    const settings = parseSimulateSettings(line.split(" "));
    assert.deepEqual(settings.window, {
      file: undefined,
      format: "synthetic",
      skip: 0,
      requests: 3000,
      seed: 1,
      qps: 100,
    });
    assert.deepEqual([settings.windows, settings.speeds, settings.jobs], [3, [3, 4, 5], 2]);
    assert.deepEqual(
      settings.servers.map(({ speed, count }) => [speed, count]),
      [
        [1, 2],
        [0.4, 1],
      ],
    );
    assert.deepEqual([settings.state, settings.report, settings.inferencePerf], ["s", "r.html", "p"]);
  });

  it("ask for a search by the share of requests that is to be good", () => {
    const search = (...args: string[]) => parseSimulateSettings(args).search;
    assert.deepEqual(search("--find-replicas", "95%"), { kind: "replicas", goodputRatio: 0.95 });
    assert.deepEqual(search("--find-max-rate", "0.9"), { kind: "max-rate", goodputRatio: 0.9 });
    for (const share of ["95", "0", "101%", "all", ""]) {
      refuses(["--find-replicas", share], "CONFIG_RANGE", "--find-replicas", /a share above 0 and at most 1/);
    }
  });

  it("refuse what does not go together", () => {
    const conflicts: readonly (readonly [string, string, RegExp])[] = [
      ["--speed 2 --speeds 3,4", "--speeds", /beside --speed/],
      ["--format synthetic --trace t.jsonl", "--trace", /synthetic is generated/],
      ["--trace t.jsonl --qps 5", "--qps", /is for generated traffic/],
      ["--find-replicas 95% --find-max-rate 95%", "--find-max-rate", /beside --find-replicas/],
      ["--find-replicas 95% --speeds 1,2", "--speeds", /not for a search \(--find-replicas\)/],
      ["--find-max-rate 95% --explain 1", "--explain", /not for a search/],
      ["--endpoints 4 --server llama-2-7b-h100:4", "--endpoints", /numbers of its own/],
    ];
    for (const [line, path, message] of conflicts) refuses(line.split(" "), "CONFIG_CONFLICT", path, message);
    refuses(["--format", "access-log"], "CONFIG_MISSING", "--trace", /no access log can be generated/);
  });

  it("take the format from the file's name where none is given", () => {
    const format = (...args: string[]) => parseSimulateSettings(args).window.format;
    assert.equal(format("--trace", "a.csv"), "azure");
    assert.equal(format("--trace", "a.jsonl"), "mooncake");
    assert.equal(format("--trace", "access.log"), "access-log");
    assert.equal(format("--trace", "a.csv", "--format", "mooncake"), "mooncake");
  });

  it("refuse an unknown policy, format, server or scorer with the list", () => {
    refuses(
      ["--policies", "epp,best"],
      "CONFIG_REFERENCE",
      "--policies",
      /"best" is none of epp, least-request, round-robin, random, weighted/,
    );
    refuses(
      ["--format", "csv"],
      "CONFIG_REFERENCE",
      "--format",
      /"csv" is none of mooncake, azure, synthetic, access-log/,
    );
    refuses(
      ["--server", "h100"],
      "CONFIG_REFERENCE",
      "--server",
      /"h100" is none of llama-3\.1-8b-h100, llama-2-7b-h100, qwen3-14b-h100/,
    );
    refuses(
      ["--policies", "weighted", "--scorers", "luck=1"],
      "CONFIG_REFERENCE",
      "--scorers",
      /"luck" is none of queue-depth, /,
    );
  });

  it("refuse what is out of range, twice, missing or of no use", () => {
    refuses(["--requests", "0"], "CONFIG_RANGE", "--requests", /an integer from 1/);
    refuses(["--endpoints", "9000"], "CONFIG_RANGE", "--endpoints", /from 1 to 8192/);
    refuses(["--speed", "0"], "CONFIG_RANGE", "--speed", /a number from/);
    refuses(["--speeds", "1,0"], "CONFIG_RANGE", "--speeds", /"0" is not a number from/);
    refuses(["--speeds", "1,1"], "CONFIG_DUPLICATE", "--speeds", /"1" is given twice/);
    refuses(["--windows", "0"], "CONFIG_RANGE", "--windows", /from 1 to 1000/);
    refuses(["--jobs", "0"], "CONFIG_RANGE", "--jobs", /from 1 to 256/);
    refuses(["--workers", "0"], "CONFIG_RANGE", "--workers", /from 1 to 64/);
    refuses(["--envoys", "65"], "CONFIG_RANGE", "--envoys", /from 1 to 64/);
    refuses(["--qps", "0"], "CONFIG_RANGE", "--qps", /a number from/);
    refuses(["--skip", "-1"], "CONFIG_RANGE", "--skip", /"-1" is not an integer from 0/);
    refuses(["--explain", "0"], "CONFIG_RANGE", "--explain", /from 1/);
    refuses(
      ["--ttft-objective", "0ms"],
      "CONFIG_RANGE",
      "--ttft-objective",
      /"0ms" is not of a fixed part above 0/,
    );
    refuses(["--policies", "epp,epp"], "CONFIG_DUPLICATE", "--policies", /"epp" is given twice/);
    refuses(["--policies", "weighted"], "CONFIG_MISSING", "--scorers", /is needed/);
    refuses(["--scorers", "in-flight=1"], "CONFIG_CONFLICT", "--scorers", /does not name/);
    const weighted = ["--policies", "weighted", "--scorers"];
    refuses([...weighted, "in-flight"], "CONFIG_RANGE", "--scorers", /"" is not a number/);
    refuses([...weighted, "in-flight=1,in-flight=2"], "CONFIG_DUPLICATE", "--scorers", /twice/);
    refuses(["--sped", "1"], "CONFIG_UNKNOWN_KEY", "--sped", /is not a flag/);
  });

  it("are each in the help", () => {
    const flags = [...simulateHelp().matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag);
    assert.equal(flags.length, 28);
    assert.ok(flags.includes("json") && flags.includes("ttft-objective"));
  });
});
