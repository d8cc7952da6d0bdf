/** Holds README.md, CONTRIBUTING.md and docs/ to the code. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { describe, it, test } from "node:test";
import * as STAT_NAMES from "../assembly/filter/telemetry/stat_names.ts";
import { ERROR_CODES } from "../assembly/wire/accounts.ts";
import { portState } from "../controller/src/cli/processes.ts";
import { EXIT_USAGE } from "../controller/src/commands/command.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_WARNING } from "../controller/src/doctor/check.ts";
import { PickerError } from "../controller/src/errors.ts";
import type { Inventory } from "../controller/src/model.ts";
import { FeedServer } from "../controller/src/push/feed-server.ts";
import { ModelDiscovery } from "../controller/src/scrape/model-discovery.ts";
import { createScraper } from "../controller/src/scrape/scraper.ts";
import { parseSettings } from "../controller/src/settings.ts";
import { Outcomes } from "../controller/src/simulation/replay/outcomes.ts";
import { FINDING_REASONS } from "../controller/src/sources/kubernetes/findings.ts";
import { parsePools } from "../controller/src/sources/pools-parse.ts";
import { POOLS_FILE } from "../controller/src/sources/pools-schema.ts";
import { AccountsTotals } from "../controller/src/telemetry/accounts-totals.ts";
import { CONTROLLER_METRICS, ENVOY_METRICS } from "../controller/src/telemetry/metric-catalogue.ts";
import { createMetrics } from "../controller/src/web/metrics.ts";
import { AdsServer } from "../controller/src/xds/ads-server.ts";
import { metricsBlock, writtenBlock } from "./docs/metrics-table.ts";
import { blocks, plain, prose, ROOT, read, spans, table } from "./docs/page.ts";
import { mappings, type Schema } from "./docs/pools-keys.ts";
import { outside, runPorts } from "./docs/run-environment.ts";

const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "docs/decisions/README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

describe("every page", () => {
  it("names only paths that exist", () => {
    const path = /^(?:\.\/)?((?:assembly|controller|docs|envoy|test|\.ci)\/[\w./-]*)$/;
    const named = PAGES.flatMap((page) => {
      const found = spans(prose(read(page))).flatMap((span) => path.exec(span)?.[1] ?? []);
      return found.map((name) => ({ page, name }));
    });
    assert.ok(named.length > 20, `${named.length} paths`);
    assert.deepEqual(
      named.filter(({ name }) => !existsSync(join(ROOT, name))),
      [],
    );
  });

  it("links only to pages and headings that exist", () => {
    const broken = PAGES.flatMap((page) =>
      [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !target.startsWith("https://") && !resolves(page, target))
        .map((target) => `${page}: ${target}`),
    );
    assert.deepEqual(broken, []);
  });

  it("names only make targets and variables that the Makefile has", () => {
    const makefile = read("Makefile");
    const wrong = PAGES.flatMap((page) => {
      const text = read(page);
      const commands = [...spans(prose(text)), ...blocks(text).flatMap((block) => block.text.split("\n"))];
      return commands.flatMap((command) =>
        makeWords(command).filter((word) => !isInMakefile(makefile, word)),
      );
    });
    assert.deepEqual(wrong, []);
  });

  it("has only JSON that parses and pools files that are accepted", () => {
    const files = PAGES.flatMap((page) => blocks(read(page)));
    for (const { language, text } of files) {
      if (language === "json") JSON.parse(text);
      if (language === "yaml") pools(text);
    }
    assert.ok(files.filter(({ language }) => language === "yaml").length >= 2);
  });
});

function resolves(page: string, target: string): boolean {
  const [file, anchor] = target.split("#") as [string, string?];
  const path = file === "" ? page : posix.normalize(posix.join(posix.dirname(page), file));
  if (!existsSync(join(ROOT, path))) return false;
  if (anchor === undefined) return true;
  const headings = [...prose(read(path)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading!));
  return headings.includes(anchor);
}

/** As GitHub makes an anchor of a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}

/** Targets and `VARIABLE=` of a make command, or of a variable's setting alone. */
function makeWords(command: string): readonly string[] {
  if (!/^(?:make [a-z]|[A-Z_]+=)/.test(command)) return [];
  return command
    .replace(/^make /, "")
    .split(" ")
    .map((word) => word.replace(/=.*$/, "="));
}

function isInMakefile(makefile: string, word: string): boolean {
  const line = word.endsWith("=")
    ? new RegExp(`^${word.slice(0, -1)} *\\?=`, "m")
    : new RegExp(`^${word}:`, "m");
  return line.test(makefile);
}

function pools(source: string): Inventory {
  const readText = (path: string) => assert.fail(`reads ${path}`);
  return parsePools(source, { path: "/etc/pools.yaml", env: {}, readText });
}

describe("the README's commands", () => {
  const shell = blocks(read("README.md")).filter(({ language }) => language === "sh");
  const marked = (mark: string) => shell.filter((block) => block.mark === mark).map(({ text }) => text);

  it("are each run by .ci/run or by this test", () => {
    assert.deepEqual(
      shell.map(({ mark }) => mark).filter((mark) => !/^<!-- run: (?:ci|test) -->$/.test(mark)),
      [],
    );
    const ci = read(".ci/run").split("\n");
    const commands = marked("<!-- run: ci -->").flatMap((text) => text.split("\n"));
    assert.ok(commands.length > 0);
    assert.deepEqual(
      commands.filter((command) => !ci.includes(command)),
      [],
    );
  });

  it("bring the stack up and get an answer from it", { timeout: 120_000 }, async () => {
    const [run, curl, ...more] = marked("<!-- run: test -->");
    assert.deepEqual(more, []);
    const [, url, header, body] = /^curl (\S+) -H '([^']+)' -d '([^']+)'$/.exec(curl!) ?? [];
    const folder = mkdtempSync(join(tmpdir(), "readme-"));
    const ports = await runPorts();
    const gateway = ports.GATEWAY_PORT!;
    const [command, ...args] = run!.split(" ");
    const child = spawn(command!, args, {
      cwd: ROOT,
      env: { ...outside(), ...ports, RUN_DIR: folder },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, as from a terminal: Ctrl-C reaches make and what it started.
      detached: true,
    });
    let output = "";
    const ended = new Promise((resolve) => child.on("close", resolve));
    const shown = new Promise<void>((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (/server-3 .* fresh /.test(output)) resolve();
      });
      child.on("close", () => reject(new Error(`ended early: ${output}`)));
    });
    try {
      await shown;
      const here = (text: string) => text.replace("127.0.0.1:8080", `127.0.0.1:${gateway}`);
      assert.ok(output.includes(`  ${here(curl!)}\n`), "the run prints the same command");
      const [name, value] = header!.split(": ") as [string, string];
      const answer = await fetch(here(url!), { method: "POST", headers: { [name]: value }, body: body! });
      const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] };
      assert.equal(answer.status, 200);
      assert.notEqual(choices[0]!.message.content, "");
    } finally {
      process.kill(-child.pid!, "SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
    assert.equal(await portState(Number(gateway)), "free");
  });

  it("show the benchmark's names", () => {
    const bench = read("test/bench/main.ts");
    const names = table(read("README.md"), "request | name").map((row) => plain(row[1]));
    const kinds = /const KINDS = \{([\s\S]*?)\n\}/.exec(bench)![1]!.matchAll(/^ {2}(\w+):/gm);
    assert.deepEqual(names, ["overrideHost", ...[...kinds].map(([, kind]) => kind!)]);
  });
});

describe("docs/pools-file.md", () => {
  const page = read("docs/pools-file.md");
  const schema = mappings(POOLS_FILE as unknown as Schema);
  const documented = new Map(
    [...page.matchAll(/^## .*$/gm)].flatMap(([heading]) => {
      const paths = heading === "## The file" ? [""] : spans(heading);
      return paths.map((path) => [path, heading] as const);
    }),
  );

  it("has every key with its type, default and bounds, and no other", () => {
    assert.deepEqual([...documented.keys()].sort(), [...schema.keys()].sort());
    for (const [path, keys] of schema) {
      const rows = table(page, "key | type | default | bounds", documented.get(path));
      assert.deepEqual(rows.map(([key]) => plain(key)).sort(), [...keys.keys()].sort(), path);
      for (const [cell, type, fallback, bounds] of rows) {
        const key = keys.get(plain(cell))!;
        const at = `${path}.${plain(cell)}`;
        assert.deepEqual([type, bounds], [key.type, key.bounds], at);
        if (key.required) assert.equal(fallback, "required", at);
        else if (key.fallback !== undefined) assert.equal(plain(fallback), text(key.fallback), at);
        else assert.notEqual(fallback, "required", at);
      }
    }
  });

  it("is right about the defaults that do not stand in the schema", () => {
    const source = "pools:\n- {name: p, namespace: n, endpoints: ['127.0.0.1:1'], tls: {}}\n";
    const { pools: found, routes } = pools(source);
    const [pool] = found;
    const { interval, timeout, path, port } = defaults(page, "pools[].scrape");
    const scrape = { intervalMs: ms(interval), timeoutMs: ms(timeout), path: path! };
    assert.deepEqual(pool!.endpoints[0]!.scrape, scrape);
    assert.equal(port, "the endpoint's");
    assert.deepEqual(pool!.clusters, ["n/p"]);
    assert.equal(defaults(page, "pools[]").clusters, "its namespace/name");
    assert.equal(defaults(page, "pools[]").staleAfter, "3 × the longest scrape.interval, at least 1s");
    assert.equal(pool!.staleAfterMs, 1500);
    assert.equal(pools(source.replace("tls: {}", "scrape: {interval: 50ms}")).pools[0]!.staleAfterMs, 1000);
    assert.equal(pool!.endpoints[0]!.name, "127.0.0.1:1");
    assert.equal(pool!.endpoints[0]!.engine, "vllm");
    assert.equal(pool!.upstreamTls!.insecureSkipVerify, false);
    assert.deepEqual(
      routes.map(({ pathPrefix, pools: targets }) => [pathPrefix, targets]),
      [["/", [{ pool: "n/p", weight: 1 }]]],
    );
    assert.match(pools(`${source}routes:\n- {pools: [p]}\n`).routes[0]!.name, /^route-[0-9a-f]{16}$/);
  });

  it("is shown whole by the example", () => {
    const example = read("envoy/examples/pools.yaml");
    const keys = new Set([...schema.values()].flatMap((mapping) => [...mapping.keys()]));
    assert.ok(keys.size > 40, `${keys.size} keys`);
    const isShown = (key: string) => new RegExp(`^[ #-]*${key}:`, "m").test(example);
    assert.deepEqual(
      [...keys].filter((key) => !isShown(key)),
      [],
    );
  });

  it("describes every profile and every scorer", () => {
    const first = (head: string) => table(page, head, "## Profiles").map(([name]) => plain(name));
    const words = (path: string, key: string) => schema.get(path)!.get(key)!.bounds.split(", ");
    assert.deepEqual(first("profile"), words("pools[]", "profile"));
    assert.deepEqual(first("scorer"), words("pools[].scorers[]", "name"));
  });
});

function defaults(page: string, path: string): Readonly<Record<string, string>> {
  const heading = [...page.matchAll(/^## .*$/gm)]
    .map(([line]) => line)
    .find((line) => spans(line).includes(path));
  const rows = table(page, "key | type | default | bounds", heading);
  return Object.fromEntries(rows.map((row) => [plain(row[0]), plain(row[2])]));
}

function ms(written: string | undefined): number {
  return written!.endsWith("ms") ? Number.parseInt(written!, 10) : Number.parseInt(written!, 10) * 1000;
}

function text(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

test("docs/responses.md has every answer of the filter, and no other", () => {
  const source = read("assembly/filter/answers.ts").replaceAll("BAD_REQUEST", '"invalid_request_error"');
  const answers = [...source.matchAll(/= new Answer\(([^)]*)\)/g)].map(([, args]) => {
    const [status, reason, type, code, param, retry] = JSON.parse(`[${args!.trim().replace(/,$/, "")}]`);
    return [`${status}`, reason, type, code, param, retry === 0 ? "" : `${retry}`];
  });
  assert.ok(answers.length >= 8);
  const rows = table(read("docs/responses.md"), "status | reason");
  assert.deepEqual(
    rows.map((row) => row.slice(0, 6).map(plain)),
    answers,
  );
});

describe("docs/metrics.md", () => {
  it("has the catalogue's table: `npx tsx test/docs/metrics-table.ts` writes it", () => {
    assert.equal(writtenBlock(), metricsBlock());
  });

  it("has every word for an error", () => {
    const rows = table(read("docs/metrics.md"), "`error_code`");
    assert.deepEqual(
      rows.map(([word]) => plain(word)),
      ERROR_CODES,
    );
  });
});

describe("the catalogue of metrics", () => {
  it("has every metric of the filter, and no other", () => {
    const sources = readdirSync(join(ROOT, "assembly/filter"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => read(`assembly/filter/${name}`));
    const counters = sources.flatMap((source) => [...source.matchAll(/new Counter\("([^"]+)"\)/g)]);
    const families = Object.entries(STAT_NAMES).filter(([name]) => name.startsWith("STAT_"));
    const inCode = [
      ...counters.map(([, name]) => name!),
      ...families.map(([, name]) => String(name)),
      ...STAT_NAMES.PAGE_HISTOGRAMS,
    ];
    assert.deepEqual(ENVOY_METRICS.map(({ name }) => name).sort(), inCode.sort());
  });

  it("has every metric of the controller with its type, and no other", async () => {
    const setTimer = () => () => undefined;
    const page = createMetrics({
      rows: () => undefined,
      scrapes: () => scraper().stats(),
      modelLists: () => discovery().stats(),
      feed: new FeedServer({
        nowMs: () => 0,
        setTimer,
        onAccounts: () => undefined,
        onTrouble: () => undefined,
      }),
      accounts: new AccountsTotals(() => 0),
      ads: new AdsServer({ setTimer, onNack: () => undefined }),
      tableErrors: () => 0,
      strandedPools: () => 0,
      configErrors: () => new Map(),
      version: "0",
    });
    const types = [...(await page.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    const own = types.filter(([, name]) => !/^(?:process|nodejs)_/.test(name!));
    assert.deepEqual(
      own.map(([, name, type]) => `${name} ${type}`).sort(),
      CONTROLLER_METRICS.map(({ name, type }) => `${name} ${type}`).sort(),
    );
  });
});

function scraper() {
  const setTimer = () => () => undefined;
  return createScraper({ onSample: () => undefined, nowMs: () => 0, random: () => 0, setTimer });
}

function discovery() {
  const setTimer = () => () => undefined;
  const onNothing = () => undefined;
  return new ModelDiscovery({
    onModels: onNothing,
    onOutcome: onNothing,
    nowMs: () => 0,
    random: () => 0,
    setTimer,
  });
}

test("docs/scraping.md has every metric that is read, and every result of a scrape and a list", () => {
  const page = read("docs/scraping.md");
  const source = read("controller/src/scrape/engines.ts");
  const engines = [...source.matchAll(/^ {2}(\w+): \[\n([\s\S]*?)^ {2}\],/gm)];
  assert.deepEqual(
    engines.map(([, engine]) => engine),
    ["vllm", "sglang", "trtllm", "triton"],
  );
  const rows = table(page, "engine | what");
  for (const [, engine, rules] of engines) {
    const words = (pattern: RegExp) => [...rules!.matchAll(pattern)].map(([, word]) => word!);
    const wanted = words(/(?:family|fromLabel|label|value): "([^"]+)"/g);
    const adapters = engine === "vllm" ? ["max_lora", "running_lora_adapters", "waiting_lora_adapters"] : [];
    const cells = rows.filter(([name]) => plain(name) === engine).flatMap((row) => spans(row[2]!));
    assert.deepEqual([...new Set(cells)].sort(), [...new Set([...wanted, ...adapters])].sort(), engine);
  }
  const [, scrape, list] = page.split("by its result:") as [string, string, string];
  const results = (text: string) => [...spans(text.slice(0, text.indexOf("\n\n")))].sort();
  assert.deepEqual(results(`${scrape}\n\n`), Object.keys(scraper().stats().failed).sort());
  assert.deepEqual(results(`${list}\n\n`), Object.keys(discovery().stats().failed).sort());
});

describe("docs/doctor.md", () => {
  const page = read("docs/doctor.md");

  it("shows its --help", () => {
    const command = ["--import", "tsx", "controller/src/main.ts", "doctor", "--help"];
    const help = execFileSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
    assert.equal(blocks(page).find(({ mark }) => mark === "<!-- help -->")?.text, help.trimEnd());
  });

  it("explains every check that there is, and no other", () => {
    const folder = "controller/src/doctor";
    const sources = readdirSync(join(ROOT, folder)).filter((name) => /(?:-checks|examine)\.ts$/.test(name));
    const named = /checks\.(?:ok|warning|failure|skipped)\(\s*"([^"]+)"/g;
    const checks = sources.flatMap((name) =>
      [...read(`${folder}/${name}`).matchAll(named)].map(([, check]) => check!),
    );
    const rows = table(page, "group | check").flatMap(([, check]) => spans(check!));
    // A pool's and an object's checks bear their names.
    const explained = new Set(rows.filter((name) => name !== "pool"));
    assert.ok(checks.length > 50, `${checks.length} checks`);
    assert.deepEqual([...explained].sort(), [...new Set(checks)].sort());
  });

  it("has the exit codes right", () => {
    const rows = table(page, "exit code | means").map(([code]) => Number(code));
    assert.deepEqual(rows, [EXIT_OK, EXIT_FAILURE, EXIT_USAGE, EXIT_WARNING]);
  });
});

describe("docs/simulate.md", () => {
  const page = read("docs/simulate.md");

  it("shows its --help", () => {
    const command = ["--import", "tsx", "controller/src/main.ts", "simulate", "--help"];
    const help = execFileSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
    assert.equal(blocks(page).find(({ mark }) => mark === "<!-- help -->")?.text, help.trimEnd());
  });

  it("explains every figure, in the order in which they are printed", () => {
    const figures = new Outcomes({ ttft: { baseMs: 1, perThousandMs: 0 }, tpotMs: 1 }).figures("p");
    const rows = table(page, "field | meaning").flatMap(([field]) => spans(field!));
    assert.deepEqual(rows, Object.keys(figures));
  });
});

describe("docs/settings.md", () => {
  const page = read("docs/settings.md");

  it("shows the controller's --help", () => {
    const command = ["--import", "tsx", "controller/src/main.ts", "controller", "--help"];
    const help = execFileSync(process.execPath, command, { cwd: ROOT, encoding: "utf8" });
    assert.equal(blocks(page).find(({ mark }) => mark === "<!-- help -->")?.text, help.trimEnd());
  });

  it("is right about the bounds of every number", () => {
    const parse = (...args: string[]) => parseSettings(["--pools-file", "x", ...args], {});
    const numbers = Object.entries(parse()).filter(([, value]) => typeof value === "number");
    const rows = table(page, "flag | bounds");
    assert.equal(rows.length, numbers.length);
    for (const [flag, bounds] of rows) {
      const [, low, high] = /^(\d+) to (\d+)/.exec(bounds!)!;
      const refused = (error: unknown) => {
        assert.ok(error instanceof PickerError);
        assert.deepEqual(error.bound, [Number(low), Number(high)], flag);
        return true;
      };
      for (const value of [Number(low) - 1, Number(high) + 1])
        assert.throws(() => parse(plain(flag), String(value)), refused);
    }
  });

  it("has every key of the filter's configuration", () => {
    const [, known] = /unknown key \(known: (generation[^)]*)\)/.exec(read("assembly/filter/settings.ts"))!;
    const rows = table(page, "key | type", "## The filter");
    assert.deepEqual(
      rows.map(([key]) => plain(key)),
      known!.split(", "),
    );
    const source = read("assembly/filter/settings.ts");
    const number = (pattern: RegExp) => pattern.exec(source)![1]!;
    const tick = rows.find(([key]) => plain(key) === "tickMs")!;
    const low = number(/MIN_TICK_MS: i64 = (\d+)/);
    assert.deepEqual(tick.slice(2, 4).map(plain), [
      number(/tickMs: u32 = (\d+)/),
      `${low} to ${number(/MAX_TICK_MS: i64 = (\d+)/)}`,
    ]);
    assert.equal(rows[1]![3], `${number(/MAX_FEEDS: i32 = (\d+)/)} at most`);
    const example = blocks(page).find(({ language }) => language === "json")!;
    const keys = Object.keys(JSON.parse(example.text) as object);
    assert.deepEqual(
      keys.filter((key) => !known!.includes(key)),
      [],
    );
  });
});

test("docs/kubernetes.md has every reason for which an object's owner is told something", () => {
  const rows = table(read("docs/kubernetes.md"), "reason of an Event");
  assert.deepEqual(
    rows.map(([reason]) => plain(reason)),
    FINDING_REASONS,
  );
});

test("the index of decisions has every record", () => {
  const records = readdirSync(join(ROOT, "docs/decisions")).filter((name) => /^\d{4}-/.test(name));
  const linked = [...read("docs/decisions/README.md").matchAll(/\]\((\d{4}-[^)]+)\)/g)].map(
    ([, name]) => name!,
  );
  assert.deepEqual(linked, records.sort());
});
