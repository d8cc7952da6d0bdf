/**
 * `make bench`: what picking costs inside Envoy, as ratios to plain Envoy in the same run.
 *
 * Each round measures every kind of request once, with and without the picker right after one another, so
 * that the machine's drift meets both; a ratio is taken within a round, and its median and 95 % interval over
 * the rounds. Many short rounds, since on a shared machine what disturbs comes in bursts; `quiet` is the ratio of the
 * lower quartiles, since it only ever adds. CPU is Envoy's own, of all its threads, per request. Writes
 * build/bench.json.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { chatBody, streamBody } from "./chat-body.ts";
import { measurePickNs } from "./core-pick.ts";
import { type BenchEnvoy, startPicker, startPlain } from "./envoys.ts";
import { runLoad, startBackend } from "./load.ts";
import { median, medianInterval, percentile } from "./statistics.ts";

const QUICK = (process.env.QUICK ?? "") !== "";
const ROUNDS = QUICK ? 12 : 50;
/** Of each cell; answers under way are waited for, so that streamed ones take longer. */
const ROUND_MS = QUICK ? 150 : 250;
const CONNECTIONS = 16;
/** Of streamed answers so many run at once: they last half a second, and what Envoy does between them is shared. */
const STREAMS = 32;
/** Of the medians, 8 endpoints, that a change should stay under. */
const BARS: Readonly<Record<string, number>> = {
  headers: 1.4,
  body1k: 1.8,
  body16k: 1.75,
  body220k: 1.8,
  body220kModelFirst: 1.5,
  stream500: 1.3,
};
const MODEL = "llama-3.1-8b";

interface Cell {
  readonly name: string;
  readonly envoy: BenchEnvoy;
  readonly request: Buffer;
  readonly connections: number;
  readonly cpuUs: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
}

const KINDS = {
  headers: () => request("GET", "/v1/models", undefined),
  body1k: () => chat(1024, "last"),
  body16k: () => chat(16 * 1024, "last"),
  body220k: () => chat(220 * 1024, "last"),
  body220kModelFirst: () => chat(220 * 1024, "first"),
  stream500: () =>
    request("POST", "/v1/chat/completions", streamBody(MODEL), { accept: "text/event-stream" }),
} as const;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];

async function main(): Promise<void> {
  mkdirSync("build/bench", { recursive: true });
  const backend = await startBackend(metricsPage(), MODEL);
  const eight = await phase(backend.port, 8);
  const hundred = QUICK ? undefined : await phase(backend.port, 100);
  backend.close();
  const pickNs = Object.fromEntries(
    [10, 100, 1000].map((count) => [count, Math.round(measurePickNs(count))]),
  );
  const result = {
    machine: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
    rounds: ROUNDS,
    roundMs: ROUND_MS,
    ratios: eight.ratios,
    ratioIntervals: eight.intervals,
    quietRatios: eight.quiet,
    cpuUs: eight.cpuUs,
    latencyMs: eight.latencyMs,
    ...(hundred === undefined ? {} : { endpoints100: hundred }),
    pickNs,
  };
  writeFileSync("build/bench.json", `${JSON.stringify(result, null, 2)}\n`);
  print(8, eight);
  if (hundred !== undefined) print(100, hundred);
  console.log(
    `\ncore pick: ${Object.entries(pickNs)
      .map(([count, ns]) => `${count} endpoints ${ns} ns`)
      .join(", ")}`,
  );
  console.log("build/bench.json written");
}

interface Phase {
  readonly ratios: Readonly<Record<string, number>>;
  readonly intervals: Readonly<Record<string, readonly [number, number]>>;
  readonly quiet: Readonly<Record<string, number>>;
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly latencyMs: Readonly<Record<string, { readonly p50: number; readonly p99: number }>>;
}

async function phase(port: number, endpoints: number): Promise<Phase> {
  const addresses = Array.from({ length: endpoints }, (_, i) => `127.0.0.${i + 1}:${port}`);
  const plain = await startPlain(`plain-${endpoints}`, addresses, "round_robin");
  const overriding = await startPlain(`override-${endpoints}`, addresses, "override_host");
  const picker = await startPicker(`picker-${endpoints}`, {
    pools: [
      {
        name: "bench",
        models: [{ name: MODEL }, { name: "adapter-1", adapter: true }],
        body: { read: "always" },
        endpoints: addresses,
      },
    ],
  });
  const override = request("GET", "/v1/models", undefined, {
    "x-gateway-destination-endpoint": addresses[0]!,
  });
  const groups = KIND_NAMES.map((kind) => [
    cell(`plain.${kind}`, plain, KINDS[kind]()),
    ...(kind === "headers" ? [cell("override.headers", overriding, override)] : []),
    cell(`picker.${kind}`, picker, KINDS[kind]()),
  ]);
  const cells = groups.flat();
  try {
    for (const each of cells) await measure(each, 300, false);
    for (let round = 0; round < ROUNDS; round++) {
      // Each round begins elsewhere, and every other one goes backwards: no cell always comes first, or behind the same.
      for (let i = 0; i < groups.length; i++) {
        const group = groups[(i + round) % groups.length]!;
        for (const each of round % 2 === 0 ? group : group.toReversed()) await measure(each, ROUND_MS, true);
      }
    }
  } finally {
    await Promise.all([plain.stop(), overriding.stop(), picker.stop()]);
  }
  const byName = new Map(cells.map((each) => [each.name, each]));
  const usOf = (name: string) => byName.get(name)!.cpuUs;
  const ratiosOf = ([own, plain]: Pair) => usOf(own).map((us, round) => us / usOf(plain)[round]!);
  const quartile = (name: string) =>
    percentile(
      usOf(name).toSorted((a, b) => a - b),
      0.25,
    );
  const names = ["overrideHost", ...KIND_NAMES];
  const compared = names.map((name) => [name, ratiosOf(pairOf(name))] as const);
  return {
    ratios: Object.fromEntries(compared.map(([name, values]) => [name, rounded(median(values))])),
    intervals: Object.fromEntries(
      compared.map(([name, values]) => {
        const [low, high] = medianInterval(values);
        return [name, [rounded(low), rounded(high)] as const];
      }),
    ),
    quiet: Object.fromEntries(
      names.map((name) => {
        const [own, plain] = pairOf(name);
        return [name, rounded(quartile(own) / quartile(plain))];
      }),
    ),
    cpuUs: Object.fromEntries(cells.map(({ name, cpuUs }) => [name, rounded(median(cpuUs))])),
    latencyMs: Object.fromEntries(
      cells.map(({ name, p50Ms, p99Ms }) => [
        name,
        { p50: rounded(median(p50Ms)), p99: rounded(median(p99Ms)) },
      ]),
    ),
  };
}

type Pair = readonly [own: string, plain: string];

/** The cells that a ratio compares. */
function pairOf(name: string): Pair {
  return name === "overrideHost"
    ? ["override.headers", "plain.headers"]
    : [`picker.${name}`, `plain.${name}`];
}

function cell(name: string, envoy: BenchEnvoy, bytes: Buffer): Cell {
  const connections = name.endsWith(".stream500") ? STREAMS : CONNECTIONS;
  return { name, envoy, request: bytes, connections, cpuUs: [], p50Ms: [], p99Ms: [] };
}

async function measure(each: Cell, durationMs: number, counted: boolean): Promise<void> {
  const before = each.envoy.cpuNs();
  const result = await runLoad(each.envoy.port, each.request, each.connections, durationMs);
  const cpuNs = each.envoy.cpuNs() - before;
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${each.name}: ${result.failed} of ${result.requests + result.failed} requests failed`);
  }
  if (!counted) return;
  each.cpuUs.push(cpuNs / 1000 / result.requests);
  each.p50Ms.push(percentile(result.latenciesMs, 0.5));
  each.p99Ms.push(percentile(result.latenciesMs, 0.99));
}

function request(
  method: string,
  path: string,
  body: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const head = [
    `${method} ${path} HTTP/1.1`,
    "host: gateway",
    "user-agent: bench",
    ...Object.entries({ accept: "application/json", ...headers }).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined
      ? []
      : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`]),
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body ?? ""}`);
}

function chat(bytes: number, place: "first" | "last"): Buffer {
  return request("POST", "/v1/chat/completions", chatBody(bytes, MODEL, place));
}

function metricsPage(): string {
  const labels = `{engine="0",model_name="${MODEL}"}`;
  return [
    `vllm:num_requests_running${labels} 3.0`,
    `vllm:num_requests_waiting${labels} 1.0`,
    `vllm:kv_cache_usage_perc${labels} 0.4`,
    "",
  ].join("\n");
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function print(endpoints: number, { ratios, intervals, quiet, cpuUs, latencyMs }: Phase): void {
  console.log(
    `\n${endpoints} endpoints, ${ROUNDS} rounds of ${ROUND_MS} ms: Envoy's CPU per request as ratio to plain round robin;` +
      "\nlatency with the client sending as fast as it is answered",
  );
  const rows = Object.entries(ratios).map(([name, ratio]) => {
    const [own, plain] = pairOf(name);
    const [low, high] = intervals[name]!;
    const bar = BARS[name];
    const pair = (key: "p50" | "p99") =>
      `${latencyMs[plain]![key].toFixed(2)} / ${latencyMs[own]![key].toFixed(2)}`;
    return [
      name,
      ratio.toFixed(2),
      `${low.toFixed(2)} – ${high.toFixed(2)}`,
      bar === undefined || endpoints !== 8 ? "" : `${bar.toFixed(2)} ${ratio <= bar ? "held" : "MISSED"}`,
      quiet[name]!.toFixed(2),
      `${cpuUs[plain]!.toFixed(1)} / ${cpuUs[own]!.toFixed(1)}`,
      pair("p50"),
      pair("p99"),
    ];
  });
  const head = ["what", "ratio", "95 % interval", "bar", "quiet", "µs plain / here", "p50 ms", "p99 ms"];
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  for (const row of [head, ...rows])
    console.log(`  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
await main();
