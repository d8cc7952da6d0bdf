import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { after, describe, it } from "node:test";
import type { Endpoint, Sample, ScrapeSpec } from "../model.ts";
import { EPOCH_WATCHED } from "./endpoint-lives.ts";
import { createScraper, type ScrapeOutcome, type Scraper, type ScraperOptions } from "./scraper.ts";

const PAGE = "vllm:num_requests_waiting 2\nvllm:num_requests_running 6\n";
const servers: (Server | TcpServer)[] = [];
const scrapers: Scraper[] = [];

after(async () => {
  await Promise.all(scrapers.map((scraper) => scraper.close()));
  for (const server of servers) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function endpoint(port: number, scrape: Partial<ScrapeSpec> = {}): Endpoint {
  return {
    pool: "default/llama",
    spec: {
      name: `e${port}`,
      host: "127.0.0.1",
      port,
      engine: "vllm",
      scrape: { intervalMs: 50, timeoutMs: 1000, path: "/metrics", ...scrape },
    },
    ip: "127.0.0.1",
    address: `127.0.0.1:${port}`,
    ready: true,
    draining: false,
  };
}

interface Recorder {
  readonly scraper: Scraper;
  readonly samples: (readonly [string, Sample])[];
  readonly outcomes: ScrapeOutcome[];
  /** Resolves when `condition` holds after an outcome. */
  until(condition: () => boolean): Promise<void>;
}

function record(options: Partial<ScraperOptions> = {}): Recorder {
  const samples: (readonly [string, Sample])[] = [];
  const outcomes: ScrapeOutcome[] = [];
  const waiting = new Set<() => void>();
  const scraper = createScraper({
    onSample: (address, sample) => samples.push([address, sample]),
    onOutcome: (outcome) => {
      outcomes.push(outcome);
      for (const check of waiting) check();
    },
    nowMs: () => performance.now(),
    wallMs: () => 1_800_000_000_000,
    random: () => 0.5,
    setTimer: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    ...options,
  });
  scrapers.push(scraper);
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { scraper, samples, outcomes, until };
}

describe("the scraper", () => {
  it("delivers samples again and again over one connection, with its bearer token", async () => {
    const tokens = new Set<string | undefined>();
    const sockets = new Set<unknown>();
    const port = await serve((request, response) => {
      tokens.add(request.headers.authorization);
      sockets.add(request.socket);
      assert.equal(request.url, "/custom");
      response.end(PAGE);
    });
    const { scraper, samples, until } = record();
    scraper.setTargets([endpoint(port, { bearerToken: "t0ken", path: "/custom" })]);
    await until(() => samples.length >= 3);
    const [address, { atMs, ...sample }] = samples[0]!;
    assert.equal(address, `127.0.0.1:${port}`);
    assert.ok(atMs > 0);
    assert.deepEqual(sample, { queuedRequests: 2, runningRequests: 6, epoch: EPOCH_WATCHED });
    assert.deepEqual([...tokens], ["Bearer t0ken"]);
    assert.equal(sockets.size, 1);
    assert.ok(scraper.stats().succeeded >= 3);
    await scraper.close();
  });

  it("tells a restarted server's samples by a later epoch", async () => {
    let startedAtS = 1_700_000_000;
    const port = await serve((_, response) => {
      response.end(`${PAGE}process_start_time_seconds ${startedAtS}\n`);
    });
    const { scraper, samples, until } = record();
    scraper.setTargets([endpoint(port)]);
    const last = () => samples.at(-1)?.[1].epoch;
    await until(() => last() === 1_700_000_000);
    startedAtS = 1_700_000_900;
    await until(() => last() === 1_700_000_900);
    await scraper.close();
  });

  it("names what went wrong: status, garbage, refusal, silence and a cut answer", async () => {
    const refused = await serve(() => {});
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const expected = new Map([
      [await serve((_, response) => response.writeHead(401).end("no")), "status"],
      [await serve((_, response) => response.writeHead(302, { location: "/" }).end()), "status"],
      [await serve((_, response) => response.end("<html>hello</html>\n")), "empty"],
      [await serve((_, response) => response.end("process_start_time_seconds 1.7e9\n")), "empty"],
      [refused, "connect"],
      [await serve(() => {}), "timeout"],
      [
        await serve((_, response) => void response.writeHead(200).write("vllm:num_requests_waiting ")),
        "timeout",
      ],
      [
        await serve((_, response) => {
          response.writeHead(200, { "content-length": "100" }).write("vllm:num_requests_waiting 1\n");
          setImmediate(() => response.destroy());
        }),
        "reset",
      ],
    ]);
    const { scraper, samples, outcomes, until } = record();
    scraper.setTargets([...expected.keys()].map((port) => endpoint(port, { timeoutMs: 150 })));
    const seen = (): Map<number, string | undefined> =>
      new Map(outcomes.map((outcome) => [outcome.endpoint.spec.port, outcome.failure]));
    await until(() => seen().size === expected.size);
    await scraper.close();
    assert.deepEqual(new Map([...seen()].sort()), new Map([...expected].sort()));
    assert.deepEqual(samples, []);
    for (const { error } of outcomes) {
      assert.equal(error?.code, "SCRAPE_FAILED");
      assert.match(error?.message ?? "", /^default\/llama\/e\d+: /);
    }
  });

  it("cuts a page off that grows beyond its bound", async () => {
    const port = await serve((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(16384)));
      };
      response.on("drain", more);
      more();
    });
    const { scraper, outcomes, until } = record({ maxPageBytes: 100_000 });
    scraper.setTargets([endpoint(port)]);
    await until(() => outcomes.length > 0);
    assert.equal(outcomes[0]?.failure, "too-large");
    assert.equal(scraper.stats().failed["too-large"] >= 1, true);
    await scraper.close();
  });

  it("fails a page with too many series as too large, and takes a target's own bound of its page", async () => {
    const series = await serve((_, response) => response.end("vllm:num_requests_waiting 1\n".repeat(5000)));
    const page = await serve((_, response) => response.end(`${PAGE}#${"x".repeat(20_000)}\n`));
    const { scraper, outcomes, until } = record();
    scraper.setTargets([endpoint(series), endpoint(page, { maxPageBytes: 16_384 })]);
    await until(() => new Set(outcomes.map(({ endpoint: { address } }) => address)).size === 2);
    assert.deepEqual(new Set(outcomes.map(({ failure }) => failure)), new Set(["too-large"]));
    await scraper.close();
  });

  it("counts the adapters that it leaves out", async () => {
    const names = Array.from({ length: 257 }, (_, index) => `a${index}`).join();
    const port = await serve((_, response) =>
      response.end(`vllm:lora_requests_info{max_lora="1",running_lora_adapters="${names}"} 1\n`),
    );
    const { scraper, outcomes, until } = record();
    scraper.setTargets([endpoint(port)]);
    await until(() => outcomes.length > 0);
    assert.equal(scraper.stats().adaptersDropped, scraper.stats().succeeded);
    await scraper.close();
  });

  it("answers a peer that does not speak HTTP with a failure", async () => {
    const server = createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.0\r\n"));
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { scraper, outcomes, until } = record();
    scraper.setTargets([endpoint((server.address() as AddressInfo).port)]);
    await until(() => outcomes.length > 0);
    assert.notEqual(outcomes[0]?.failure, undefined);
    await scraper.close();
  });

  it("keeps scraping good endpoints at their pace while more than all slots' worth of others hang", async () => {
    const good = await serve((_, response) => response.end(PAGE));
    const { scraper, samples, outcomes, until } = record({ concurrency: 4 });
    const hung: Endpoint[] = [];
    while (hung.length < 12) hung.push(endpoint(await serve(() => {}), { timeoutMs: 400 }));
    scraper.setTargets([...hung, endpoint(good)]);
    await until(() => new Set(outcomes.map((outcome) => outcome.endpoint.address)).size === 13);
    const before = samples.length;
    const failures = outcomes.length;
    await until(() => outcomes.filter((outcome) => outcome.failure !== undefined).length >= failures + 4);
    // Four failures of 400 ms through the one slot for suspects leave time for many scrapes of 50 ms.
    assert.ok(samples.length - before >= 4, `${samples.length - before} samples`);
    await scraper.close();
  });

  it("never has two scrapes of one endpoint under way", async () => {
    let open = 0;
    let most = 0;
    const port = await serve((_, response) => {
      open++;
      most = Math.max(most, open);
      setTimeout(() => {
        open--;
        response.end(PAGE);
      }, 120);
    });
    const { scraper, samples, until } = record();
    scraper.setTargets([endpoint(port, { intervalMs: 50 })]);
    await until(() => samples.length >= 3);
    assert.equal(most, 1);
    await scraper.close();
  });

  it("stops what is no longer a target, starts what is new and leaves the rest alone", async () => {
    const first = await serve((_, response) => response.end(PAGE));
    const second = await serve((_, response) => response.end(PAGE));
    const { scraper, samples, until } = record();
    scraper.setTargets([
      endpoint(first),
      endpoint(first),
      { ...endpoint(second), spec: bare(endpoint(second)) },
    ]);
    assert.equal(scraper.stats().targets, 1);
    await until(() => samples.length >= 2);
    scraper.setTargets([endpoint(second)]);
    samples.length = 0;
    await until(() => samples.length >= 3);
    assert.deepEqual([...new Set(samples.map(([address]) => address))], [`127.0.0.1:${second}`]);
    await scraper.close();
  });

  it("spreads first scrapes over the interval and jitters the later ones", () => {
    const delays: number[] = [];
    let draw = 0;
    const scraper = createScraper({
      onSample: () => {},
      nowMs: () => 0,
      random: () => [0, 0.25, 0.75][draw++ % 3]!,
      setTimer: (_, delayMs) => {
        delays.push(delayMs);
        return () => {};
      },
    });
    scraper.setTargets([1, 2, 3].map((port) => endpoint(port, { intervalMs: 400 })));
    assert.deepEqual(delays, [0, 100, 300]);
  });

  it("ends running scrapes when closed and reports nothing afterwards", async () => {
    let requested: () => void = () => {};
    const request = new Promise<void>((resolve) => {
      requested = resolve;
    });
    const port = await serve(() => requested());
    const { scraper, samples, outcomes } = record();
    scraper.setTargets([endpoint(port, { timeoutMs: 60_000 })]);
    await request;
    await scraper.close();
    assert.deepEqual([samples, outcomes], [[], []]);
    assert.equal(scraper.stats().targets, 0);
  });
});

function bare(measured: Endpoint): Endpoint["spec"] {
  const { scrape: _, ...spec } = measured.spec;
  return spec;
}
