/**
 * What one whole scrape costs the controller: connection, HTTP, page, sample. Purpose: 300 endpoints asked twice a
 * second must stay a small part of a core. The model servers are another process, whose CPU does not count.
 * Run: `node --import tsx test/bench/scrape-cpu.ts [folder]`
 * `folder`: another state of this repository, with dependencies, to be measured in turn with this one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Endpoint } from "../../controller/src/model.ts";
import type { createScraper } from "../../controller/src/scrape/scraper.ts";
import { processTimer } from "../../controller/src/timer.ts";
import { median, medianInterval } from "./statistics.ts";

const ENDPOINTS = 300;
const INTERVAL_MS = 500;
/** Scrapes before the first that count: connections are made and code is compiled. */
const WARM_UP_SCRAPES = 10 * ENDPOINTS;
const ROUND_SCRAPES = 4 * ENDPOINTS;
const ROUNDS = 6;
const PAGE = new URL("../fixtures/vllm-0.32/metrics-busy.txt", import.meta.url);
const SERVERS = "servers";

/** Answers any bytes with the page: a request is one piece here. Head and page in two writes, as uvicorn does. */
async function serve(): Promise<void> {
  const page = readFileSync(PAGE);
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${page.length}\r\n\r\n`;
  const ports: number[] = [];
  while (ports.length < ENDPOINTS) {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("data", () => {
        socket.write(head);
        socket.write(page);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    ports.push((server.address() as AddressInfo).port);
  }
  process.once("disconnect", () => process.exit());
  process.send?.(ports);
}

/** Microseconds of this process's CPU a scrape, from `scrapes` of them. */
type Measure = (scrapes: number) => Promise<number>;

interface Candidate {
  readonly measure: Measure;
  readonly microseconds: number[];
}

async function candidate(folder: string, ports: readonly number[]): Promise<Candidate> {
  const module = pathToFileURL(resolve(folder, "controller/src/scrape/scraper.ts")).href;
  const { createScraper: create } = (await import(module)) as { createScraper: typeof createScraper };
  const endpoints = ports.map(endpointOf);
  const measure: Measure = async (scrapes) => {
    let [left, finish] = [scrapes, (): void => {}];
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let before = process.cpuUsage();
    // Each endpoint's first scrape connects.
    let connecting = ENDPOINTS;
    const scraper = create({
      onSample: () => {},
      onOutcome: ({ error }) => {
        if (error !== undefined) throw error;
        if (connecting > 0) {
          if (--connecting === 0) before = process.cpuUsage();
        } else if (--left === 0) finish();
      },
      nowMs: () => performance.now(),
      random: Math.random,
      setTimer: processTimer,
    });
    scraper.setTargets(endpoints);
    await finished;
    const { user, system } = process.cpuUsage(before);
    await scraper.close();
    return (user + system) / scrapes;
  };
  return { measure, microseconds: [] };
}

function endpointOf(port: number): Endpoint {
  const scrape = { intervalMs: INTERVAL_MS, timeoutMs: 2000, path: "/metrics" };
  return {
    pool: "default/llama",
    spec: { name: `e${port}`, host: "127.0.0.1", port, engine: "vllm", scrape },
    ip: "127.0.0.1",
    address: `127.0.0.1:${port}`,
    ready: true,
    draining: false,
  };
}

async function compare(servers: ChildProcess): Promise<void> {
  const [ports] = (await once(servers, "message")) as [readonly number[]];
  const folders = [".", ...process.argv.slice(2)];
  const candidates = await Promise.all(folders.map((folder) => candidate(folder, ports)));
  for (const { measure } of candidates) await measure(WARM_UP_SCRAPES);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { measure, microseconds } of candidates) microseconds.push(await measure(ROUND_SCRAPES));
  }
  for (const [index, { microseconds }] of candidates.entries()) {
    const [low, high] = medianInterval(microseconds);
    const cost = median(microseconds);
    const share = (cost * ENDPOINTS) / (INTERVAL_MS * 1000);
    process.stdout.write(
      `${folders[index]}: ${cost.toFixed(0)} µs a scrape (${low.toFixed(0)} – ${high.toFixed(0)}, ` +
        `${ROUNDS} rounds of ${ROUND_SCRAPES}), ${share.toFixed(2)} cores for ${ENDPOINTS} endpoints every ` +
        `${INTERVAL_MS} ms, ${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}\n`,
    );
  }
}

if (process.argv[2] === SERVERS) await serve();
else {
  const servers = fork(fileURLToPath(import.meta.url), [SERVERS]);
  try {
    await compare(servers);
  } finally {
    servers.disconnect();
  }
}
