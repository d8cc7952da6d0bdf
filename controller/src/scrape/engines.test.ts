import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Engine } from "../model.ts";
import {
  MAX_ADAPTER_NAME_BYTES,
  MAX_ADAPTERS,
  metricNames,
  readPage,
  sampleFromPage,
  splitAdapters,
} from "./engines.ts";
import { MAX_WANTED_LINES, TooManySeries } from "./scanner.ts";

function sample(engine: Engine, page: string) {
  const { atMs: _, ...found } = sampleFromPage(engine, Buffer.from(page), 5);
  return found;
}

function fixture(state: string) {
  const url = new URL(`../../../test/fixtures/vllm-0.32/metrics-${state}.txt`, import.meta.url);
  return sample("vllm", readFileSync(url, "utf8"));
}

describe("a vLLM 0.32 page", () => {
  it("gives load, cache configuration and adapters when busy", () => {
    assert.deepEqual(fixture("busy"), {
      queuedRequests: 2,
      runningRequests: 6,
      kvUsedRatio: 0.5016722408026756,
      kvBlocks: 300,
      kvBlockTokens: 32,
      adapters: { max: 2, running: ["lora-a", "lora-b"], waiting: ["lora-a", "lora-b"] },
    });
  });

  it("gives the newest adapter series when old ones stay exported", () => {
    assert.deepEqual(fixture("after-busy").adapters, { max: 2, running: [], waiting: [] });
    assert.deepEqual(fixture("idle").adapters, { max: 2, running: [], waiting: [] });
  });

  it("says nothing of adapters when fresh, and zero where the page says zero", () => {
    assert.deepEqual(fixture("fresh"), {
      queuedRequests: 0,
      runningRequests: 0,
      kvUsedRatio: 0,
      kvBlocks: 300,
      kvBlockTokens: 32,
    });
  });
});

describe("signs of a server's life", () => {
  const signs = (engine: Engine, page: string) => readPage(engine, Buffer.from(page), 5).signs;

  it("are the start of vLLM's process and its prompt tokens, summed over its engines", () => {
    const url = new URL("../../../test/fixtures/vllm-0.32/metrics-busy.txt", import.meta.url);
    const busy = readFileSync(url, "utf8");
    assert.deepEqual(signs("vllm", busy), { startedAtS: 1_795_542_218.03, servedTotal: 3991 });
    const two = 'vllm:prompt_tokens_total{engine="0"} 5\nvllm:prompt_tokens_total{engine="1"} 7\n';
    assert.deepEqual(signs("vllm", two), { servedTotal: 12 });
  });

  it("are each engine's own", () => {
    assert.deepEqual(signs("sglang", "sglang:prompt_tokens_total 8.128902e+06\n"), {
      servedTotal: 8_128_902,
    });
    assert.deepEqual(signs("trtllm", "process_start_time_seconds 1.5e9\n"), { startedAtS: 1.5e9 });
    assert.deepEqual(signs("triton", 'nv_inference_request_success{model="m",version="1"} 3\n'), {
      servedTotal: 3,
    });
  });

  it("are absent where the page has none, or nonsense", () => {
    assert.deepEqual(signs("vllm", "vllm:num_requests_waiting 1\n"), {});
    assert.deepEqual(signs("vllm", "process_start_time_seconds NaN\nvllm:prompt_tokens_total -1\n"), {});
    assert.deepEqual(signs("vllm", "process_start_time_seconds 1e300\n"), {});
  });
});

describe("engine mappings", () => {
  it("take vLLM's older KV metric where the current one is absent, and only there", () => {
    assert.deepEqual(sample("vllm", "vllm:gpu_cache_usage_perc 0.25\n"), { kvUsedRatio: 0.25 });
    const both = "vllm:gpu_cache_usage_perc 0.25\nvllm:kv_cache_usage_perc 0.75\n";
    assert.deepEqual(sample("vllm", both), { kvUsedRatio: 0.75 });
  });

  it("read SGLang's page", () => {
    const page = [
      'sglang:num_queue_reqs{model_name="m"} 3.0',
      'sglang:num_running_reqs{model_name="m"} 5.0',
      'sglang:token_usage{model_name="m"} 0.28',
      'sglang:cache_config_info{num_pages="4096",page_size="64"} 1.0',
      "",
    ].join("\n");
    assert.deepEqual(sample("sglang", page), {
      queuedRequests: 3,
      runningRequests: 5,
      kvUsedRatio: 0.28,
      kvBlocks: 4096,
      kvBlockTokens: 64,
    });
  });

  it("read trtllm-serve's page", () => {
    const page = [
      "trtllm_num_requests_waiting 1",
      "trtllm_num_requests_running 2",
      "trtllm_kv_cache_utilization 0.5",
      "trtllm_kv_cache_max_blocks 1000",
      "trtllm_kv_cache_tokens_per_block 32",
      "",
    ].join("\n");
    assert.deepEqual(sample("trtllm", page), {
      queuedRequests: 1,
      runningRequests: 2,
      kvUsedRatio: 0.5,
      kvBlocks: 1000,
      kvBlockTokens: 32,
    });
  });

  it("read Triton's page, where one family holds several columns by label", () => {
    const request = (type: string, value: number) =>
      `nv_trt_llm_request_metrics{model="m",request_type="${type}",version="1"} ${value}`;
    const blocks = (type: string, value: number) =>
      `nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="${type}",model="m",version="1"} ${value}`;
    const page = [
      request("context", 9),
      request("scheduled", 4),
      request("max", 512),
      request("active", 7),
      request("waiting", 3),
      blocks("fraction", 0.4),
      blocks("tokens_per", 64),
      blocks("used", 400),
      blocks("free", 600),
      blocks("max", 1000),
      "",
    ].join("\n");
    assert.deepEqual(sample("triton", page), {
      queuedRequests: 3,
      runningRequests: 4,
      kvUsedRatio: 0.4,
      kvBlocks: 1000,
      kvBlockTokens: 64,
    });
  });

  it("add up queued, running and blocks and average KV use over data-parallel series", () => {
    const page = [0, 1]
      .flatMap((rank) => [
        `vllm:num_requests_waiting{engine="${rank}"} ${1 + rank}`,
        `vllm:num_requests_running{engine="${rank}"} ${4 + rank}`,
        `vllm:kv_cache_usage_perc{engine="${rank}"} ${0.25 + 0.5 * rank}`,
        `vllm:cache_config_info{block_size="16",engine="${rank}",num_gpu_blocks="100"} 1`,
        "",
      ])
      .join("\n");
    assert.deepEqual(sample("vllm", page), {
      queuedRequests: 3,
      runningRequests: 9,
      kvUsedRatio: 0.5,
      kvBlocks: 200,
      kvBlockTokens: 16,
    });
  });

  for (const bad of ["NaN", "+Inf", "-1", "4294967296", "garbage"]) {
    it(`leave a count out that reads ${bad}, and do not make it zero`, () => {
      assert.deepEqual(sample("vllm", `vllm:num_requests_waiting ${bad}\n`), {});
      // One rank that cannot be read makes the sum unknown, not smaller.
      const page = `vllm:num_requests_running{engine="0"} 2\nvllm:num_requests_running{engine="1"} ${bad}\n`;
      const expected = bad === "garbage" ? { runningRequests: 2 } : {};
      assert.deepEqual(sample("vllm", page), expected);
    });
  }

  for (const bad of ["NaN", "-0.1", "1.01", "Inf"]) {
    it(`leave a KV use out that reads ${bad}`, () => {
      assert.deepEqual(sample("vllm", `vllm:kv_cache_usage_perc ${bad}\n`), {});
    });
  }

  it("leave the cache configuration out where vLLM says None", () => {
    assert.deepEqual(
      sample("vllm", 'vllm:cache_config_info{block_size="None",num_gpu_blocks="None"} 1\n'),
      {},
    );
  });

  it("take a page of another program as empty", () => {
    assert.deepEqual(sample("vllm", "<html>\n<body>404</body>\n</html>\n"), {});
    assert.deepEqual(sample("sglang", "vllm:num_requests_waiting 1\n"), {});
  });

  it("split adapter lists with and without spaces", () => {
    assert.deepEqual(splitAdapters("a1, a2").names, ["a1", "a2"]);
    assert.deepEqual(splitAdapters("a1,a2,,a1 ").names, ["a1", "a2"]);
    assert.deepEqual(splitAdapters("").names, []);
  });
});

function adapterPage(running: readonly string[], waiting: readonly string[] = [], stamp = 1): string {
  const lists = `running_lora_adapters="${running.join()}",waiting_lora_adapters="${waiting.join()}"`;
  return `vllm:lora_requests_info{max_lora="4",${lists}} ${stamp}\n`;
}

function read(page: string) {
  const { sample: found, adaptersDropped } = readPage("vllm", Buffer.from(page), 5);
  return { adapters: found.adapters, adaptersDropped };
}

describe("a hostile page", () => {
  const many = Array.from({ length: 300 }, (_, index) => `n${String(index).padStart(3, "0")}`);

  it("loses the adapter names that are too long, and they are counted", () => {
    const fits = "é".repeat(MAX_ADAPTER_NAME_BYTES / 2);
    assert.deepEqual(read(adapterPage([fits, `${fits}x`, "a"], ["y".repeat(5000)])), {
      adapters: { max: 4, running: [fits, "a"], waiting: [] },
      adaptersDropped: 2,
    });
  });

  it("keeps at most 256 adapters, running before waiting, the same ones whatever their order", () => {
    const { adapters, adaptersDropped } = read(adapterPage(many.slice(0, 200), many));
    assert.deepEqual(adapters?.running, many.slice(0, 200));
    assert.deepEqual(adapters?.waiting, many.slice(0, MAX_ADAPTERS));
    assert.equal(adaptersDropped, 300 - MAX_ADAPTERS);
    const turned = read(adapterPage([...many].reverse(), many));
    assert.deepEqual(turned.adapters?.running, many.slice(0, MAX_ADAPTERS));
    assert.deepEqual(turned.adapters?.waiting, many.slice(0, MAX_ADAPTERS));
    assert.equal(turned.adaptersDropped, 300 - MAX_ADAPTERS);
  });

  it("has an endless list read to a bound", () => {
    const endless = Array.from({ length: 100_000 }, (_, index) => `n${index}`);
    const { adapters, adaptersDropped } = read(adapterPage(endless));
    assert.equal(adapters?.running.length, MAX_ADAPTERS);
    assert.equal(adaptersDropped, 4096 - MAX_ADAPTERS + 1);
  });

  it("has the lists of its newest adapter series counted alone", () => {
    const page =
      adapterPage(["x".repeat(300)], [], 1) + adapterPage(["a"], [], 3) + adapterPage(["b"], [], 2);
    assert.deepEqual(read(page), {
      adapters: { max: 4, running: ["a"], waiting: [] },
      adaptersDropped: 0,
    });
  });

  for (const line of ["vllm:num_requests_waiting 1\n", "vllm:num_requests_waiting{ garbage\n"]) {
    it(`is given up after too many lines such as ${JSON.stringify(line)}`, () => {
      assert.doesNotThrow(() => readPage("vllm", Buffer.from(line.repeat(MAX_WANTED_LINES)), 0));
      assert.throws(() => readPage("vllm", Buffer.from(line.repeat(MAX_WANTED_LINES + 1)), 0), TooManySeries);
    });
  }
});

describe("the names of an engine's metrics", () => {
  it("are those by which a page is read", () => {
    for (const engine of ["vllm", "sglang", "trtllm", "triton"] as const) {
      const { queuedRequests, runningRequests, kvUsedRatio } = metricNames(engine);
      const page = `${queuedRequests} 3\n${runningRequests} 5\n${kvUsedRatio} 0.5\n`;
      assert.deepEqual(sample(engine, page), { queuedRequests: 3, runningRequests: 5, kvUsedRatio: 0.5 });
    }
  });

  it("say where an engine tells of no adapters", () => {
    assert.equal(metricNames("vllm").adapters, "vllm:lora_requests_info");
    assert.equal(metricNames("sglang").adapters, undefined);
  });
});
