import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import { parsePools } from "../sources/pools-parse.ts";
import { checkPools } from "./pool-checks.ts";

const VLLM = "vllm:num_requests_waiting 1\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 0.5\n";
const servers: Server[] = [];

const clocks = {
  nowMs: () => performance.now(),
  setTimer: (callback: () => void, delayMs: number) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** A model server whose metrics page is this; a number is a status, undefined no answer at all. Gives `ip:port`. */
async function metrics(page: string | number | undefined): Promise<string> {
  const server = createServer((_, response) => {
    if (page === undefined) return;
    if (typeof page === "number") response.writeHead(page).end();
    else response.end(page);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function closedPort(): Promise<string> {
  const address = await metrics(200);
  const server = servers.pop()!;
  await new Promise((resolve) => server.close(resolve));
  return address;
}

function pools(source: string) {
  return parsePools(source, { path: "/pools.yaml", env: {}, readText: () => assert.fail("reads a file") });
}

async function look(endpoints: readonly string[], more = "") {
  return checkPools(pools(`pools:\n- name: chat\n  endpoints: [${endpoints}]\n${more}`), 300, clocks);
}

async function words(endpoints: readonly string[], more = ""): Promise<readonly string[]> {
  return (await look(endpoints, more)).map(({ status, seen, remedy }) =>
    [status, seen, ...(remedy === undefined ? [] : [`→ ${remedy}`])].join(" "),
  );
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe("a pool's endpoints", () => {
  it("whose metrics answer are counted", async () => {
    const found = await words([await metrics(VLLM), await metrics(VLLM)]);
    assert.deepEqual(found, ["ok metrics of 2 of 2 endpoints answer"]);
  });

  it("that do not answer are named with their addresses, their fault and what to do", async () => {
    const [good, closed, silent] = [await metrics(VLLM), await closedPort(), await metrics(undefined)];
    const [ok, first, second, ...more] = await words([good, closed, silent]);
    assert.deepEqual(more, []);
    assert.equal(ok, "ok metrics of 1 of 3 endpoints answer");
    const faults = [first, second].sort().join("\n");
    assert.match(faults, new RegExp(`warning metrics of [^ ]+ \\(${closed}\\): .*→ start the server`));
    assert.match(faults, new RegExp(`warning metrics of [^ ]+ \\(${silent}\\): .*→ .*scrape.timeout`));
  });

  it("that answer too late once are asked once more", async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked++;
      if (asked > 1) response.end(VLLM);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    assert.deepEqual(await words([address]), ["ok metrics of 1 of 1 endpoint answer"]);
    assert.equal(asked, 2);
  });

  it("none of which answers are a failure, told once for a fault that they share", async () => {
    const [found, ...more] = await look([await metrics(404), await metrics(404)]);
    assert.deepEqual(more, []);
    assert.equal(found?.status, "failure");
    assert.match(found?.seen ?? "", /status 404$/);
    assert.match(found?.remedy ?? "", /scrape\.path/);
  });

  it("of another engine than the pool's are told which one", async () => {
    const page = "sglang:num_queue_reqs 0\nsglang:num_running_reqs 0\nsglang:token_usage 0\n";
    const [found] = await look([await metrics(page)]);
    assert.equal(found?.status, "failure");
    assert.equal(found?.remedy, "set engine: sglang");
    const [unknown] = await look([await metrics("process_cpu_seconds_total 1\n")]);
    assert.match(unknown?.remedy ?? "", /engine/);
  });

  it("whose page lacks a metric have it named", async () => {
    const [ok, missing, ...more] = await words([
      await metrics("vllm:num_requests_waiting 1\nvllm:num_requests_running 0\n"),
    ]);
    assert.deepEqual(more, []);
    assert.match(ok ?? "", /^ok/);
    assert.match(missing ?? "", /^warning vllm:kv_cache_usage_perc not on the page of \S+ →/);
  });

  it("have their adapters' metric asked for only where the pool has adapters", async () => {
    const address = await metrics(VLLM);
    const adapters = "  models: [{ name: sql, adapter: true }]\n";
    const [, missing] = await words([address], adapters);
    assert.match(missing ?? "", /^warning vllm:lora_requests_info not on the page/);
    assert.equal((await words([address], "  models: [base]\n")).length, 1);
  });

  it("without metrics by configuration are left alone", async () => {
    const found = await words([await closedPort()], "  scrape: false\n");
    assert.deepEqual(found, ["ok 1 endpoint without metrics, as configured"]);
  });

  it("of a name that does not resolve are a failure that names it", async () => {
    const found = await words(["nowhere.invalid:8000"]);
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /^failure names that do not resolve here: nowhere\.invalid: /);
  });

  it("that stand in two pools are told about in both", async () => {
    const address = await metrics(VLLM);
    const two = ["a", "b"].map((name) => `- name: ${name}\n  endpoints: [${address}]\n`);
    const routes = "routes:\n- { pathPrefix: /a, pools: [a] }\n- { pathPrefix: /b, pools: [b] }\n";
    const found = await checkPools(pools(`pools:\n${two.join("")}${routes}`), 300, clocks);
    assert.deepEqual(
      found.map(({ name, status }) => `${name} ${status}`),
      ["pool default/a ok", "pool default/b ok"],
    );
  });
});

describe("a pool's classes", () => {
  const found = async (more: string, labels: string) => {
    const source = `pools:
- name: chat
  scrape: false
  endpoints: [{address: 127.0.0.1:1, name: a, labels: [${labels}]}, {address: 127.0.0.1:2, name: b}]
${more}`;
    return (await checkPools(pools(source), 300, clocks))
      .filter(({ status }) => status === "warning")
      .map(({ seen }) => seen);
  };

  it("that no endpoint is in are named", async () => {
    const classes =
      "  classes: {header: x, values: [{value: gold, labels: [tier=gold, gpu=h100]}, {labels: [tier=any]}]}\n";
    assert.deepEqual(await found(classes, "tier=gold"), [
      "no endpoint has the labels of class gold: tier=gold, gpu=h100",
      "no endpoint has the labels of the class for any other value: tier=any",
    ]);
    assert.deepEqual(await found(classes, "tier=gold, gpu=h100"), [
      "no endpoint has the labels of the class for any other value: tier=any",
    ]);
  });

  it("by length name the endpoints whose label is no range; a missing one is fine", async () => {
    const length = "  contextLengthLabel: context\n";
    assert.deepEqual(await found(length, "context=0-10"), []);
    assert.deepEqual(await found(length, "context=long"), ["label context is no range of tokens on a"]);
  });
});
