import { Buffer } from "node:buffer";
import type { AdapterSample, Engine, Sample } from "../model.ts";
import type { LifeSigns } from "./endpoint-lives.ts";
import { type CompiledFamily, compileFamilies, type FamilySpec, scanPage } from "./scanner.ts";

/** Counts above this do not fit the table's u32 columns and are taken as nonsense. */
const MAX_COUNT = 0xffffffff;
/** Longest adapter name that is taken, in bytes: what the table carries; clients send it as a model's name. */
export const MAX_ADAPTER_NAME_BYTES = 256;
/** Most adapters taken of one endpoint, running and waiting together; vLLM's `max_loras` is a few dozen at most. */
export const MAX_ADAPTERS = 256;
/** Names looked at in one list; the rest is left out unread. */
const MAX_LISTED_NAMES = 4096;

/**
 * What a series stands for. `previous` names are read only where the current one is absent: an engine
 * renames a metric and fleets run both versions.
 */
type Column =
  | "queued"
  | "running"
  | "kvUsed"
  | "kvUsedPrevious"
  | "kvBlocks"
  | "kvBlockTokens"
  | "adapters"
  | "startedAt"
  | "served";

interface Rule {
  readonly family: string;
  readonly column: Column;
  /** Only series with this label value count. */
  readonly only?: { readonly label: string; readonly value: string };
  /** The number is in this label, not in the series' value. */
  readonly fromLabel?: string;
}

/** Metric names: vLLM docs "Production Metrics", SGLang docs "Production Metrics", TensorRT-LLM's `trtllm-serve` and its Triton backend. */
const RULES: Readonly<Record<Engine, readonly Rule[]>> = {
  vllm: [
    { family: "vllm:num_requests_waiting", column: "queued" },
    { family: "vllm:num_requests_running", column: "running" },
    { family: "vllm:kv_cache_usage_perc", column: "kvUsed" },
    { family: "vllm:gpu_cache_usage_perc", column: "kvUsedPrevious" },
    { family: "vllm:cache_config_info", column: "kvBlocks", fromLabel: "num_gpu_blocks" },
    { family: "vllm:cache_config_info", column: "kvBlockTokens", fromLabel: "block_size" },
    { family: "vllm:lora_requests_info", column: "adapters" },
    { family: "vllm:prompt_tokens_total", column: "served" },
    { family: "process_start_time_seconds", column: "startedAt" },
  ],
  sglang: [
    { family: "sglang:num_queue_reqs", column: "queued" },
    { family: "sglang:num_running_reqs", column: "running" },
    { family: "sglang:token_usage", column: "kvUsed" },
    { family: "sglang:cache_config_info", column: "kvBlocks", fromLabel: "num_pages" },
    { family: "sglang:cache_config_info", column: "kvBlockTokens", fromLabel: "page_size" },
    { family: "sglang:prompt_tokens_total", column: "served" },
    { family: "process_start_time_seconds", column: "startedAt" },
  ],
  trtllm: [
    { family: "trtllm_num_requests_waiting", column: "queued" },
    { family: "trtllm_num_requests_running", column: "running" },
    { family: "trtllm_kv_cache_utilization", column: "kvUsed" },
    { family: "trtllm_kv_cache_max_blocks", column: "kvBlocks" },
    { family: "trtllm_kv_cache_tokens_per_block", column: "kvBlockTokens" },
    { family: "process_start_time_seconds", column: "startedAt" },
  ],
  triton: [
    {
      family: "nv_trt_llm_request_metrics",
      column: "queued",
      only: { label: "request_type", value: "waiting" },
    },
    {
      family: "nv_trt_llm_request_metrics",
      column: "running",
      only: { label: "request_type", value: "scheduled" },
    },
    {
      family: "nv_trt_llm_kv_cache_block_metrics",
      column: "kvUsed",
      only: { label: "kv_cache_block_type", value: "fraction" },
    },
    {
      family: "nv_trt_llm_kv_cache_block_metrics",
      column: "kvBlocks",
      only: { label: "kv_cache_block_type", value: "max" },
    },
    {
      family: "nv_trt_llm_kv_cache_block_metrics",
      column: "kvBlockTokens",
      only: { label: "kv_cache_block_type", value: "tokens_per" },
    },
    { family: "nv_inference_request_success", column: "served" },
  ],
};

/** What an engine calls each measurement that picking goes by, labels in braces; absent: it has no such metric. */
export function metricNames(engine: Engine): {
  readonly queuedRequests: string;
  readonly runningRequests: string;
  readonly kvUsedRatio: string;
  readonly adapters: string | undefined;
} {
  const named = (column: Column): string | undefined => {
    const rule = RULES[engine].find((candidate) => candidate.column === column);
    if (rule?.only === undefined) return rule?.family;
    return `${rule.family}{${rule.only.label}="${rule.only.value}"}`;
  };
  return {
    queuedRequests: named("queued")!,
    runningRequests: named("running")!,
    kvUsedRatio: named("kvUsed")!,
    adapters: named("adapters"),
  };
}

const ADAPTER_LABELS = ["max_lora", "running_lora_adapters", "waiting_lora_adapters"] as const;

interface CompiledRule {
  readonly column: Column;
  readonly onlyLabel: number;
  readonly onlyValue: string;
  /** −1: the series' value. */
  readonly fromLabel: number;
}

interface CompiledEngine {
  readonly families: readonly CompiledFamily[];
  /** By family. */
  readonly rules: readonly (readonly CompiledRule[])[];
}

function compileEngine(rules: readonly Rule[]): CompiledEngine {
  const names = [...new Set(rules.map((rule) => rule.family))];
  const specs: FamilySpec[] = names.map((name) => {
    const labels = rules
      .filter((rule) => rule.family === name)
      .flatMap((rule) => {
        if (rule.column === "adapters") return [...ADAPTER_LABELS];
        return [rule.only?.label, rule.fromLabel].filter((label) => label !== undefined);
      });
    return { name, labels: [...new Set(labels)] };
  });
  return {
    families: compileFamilies(specs),
    rules: specs.map((spec) =>
      rules
        .filter((rule) => rule.family === spec.name)
        .map((rule) => ({
          column: rule.column,
          onlyLabel: rule.only === undefined ? -1 : spec.labels.indexOf(rule.only.label),
          onlyValue: rule.only?.value ?? "",
          fromLabel: rule.fromLabel === undefined ? -1 : spec.labels.indexOf(rule.fromLabel),
        })),
    ),
  };
}

const ENGINES: Readonly<Record<Engine, CompiledEngine>> = {
  vllm: compileEngine(RULES.vllm),
  sglang: compileEngine(RULES.sglang),
  trtllm: compileEngine(RULES.trtllm),
  triton: compileEngine(RULES.triton),
};

/** Adds up the series of one column; one series out of range makes the whole column absent. */
class Total {
  #sum = 0;
  #series = 0;
  #good = true;
  readonly #high: number;

  constructor(high: number) {
    this.#high = high;
  }

  get seen(): boolean {
    return this.#series > 0;
  }

  add(value: number): void {
    this.#series++;
    // False for NaN too.
    if (value >= 0 && value <= this.#high) this.#sum += value;
    else this.#good = false;
  }

  sum(): number | undefined {
    return this.seen && this.#good && this.#sum <= this.#high ? Math.round(this.#sum) : undefined;
  }

  mean(): number | undefined {
    return this.seen && this.#good ? this.#sum / this.#series : undefined;
  }
}

interface AdapterNames {
  readonly names: readonly string[];
  /** Names left out: too long, or the unread rest of an endless list, which counts as one. */
  readonly dropped: number;
}

/** `a,b` and `a, b` alike; empty names and repetitions are left out. */
export function splitAdapters(list: string): AdapterNames {
  const names = new Set<string>();
  let dropped = 0;
  let start = 0;
  for (let listed = 0; start < list.length; listed++) {
    if (listed === MAX_LISTED_NAMES) return { names: [...names], dropped: dropped + 1 };
    const comma = list.indexOf(",", start);
    const end = comma < 0 ? list.length : comma;
    const name = list.slice(start, end).trim();
    start = end + 1;
    if (name.length > MAX_ADAPTER_NAME_BYTES || Buffer.byteLength(name) > MAX_ADAPTER_NAME_BYTES) dropped++;
    else if (name !== "") names.add(name);
  }
  return { names: [...names], dropped };
}

/** At most `count` of the names; of too many the first by name, so that each scrape keeps the same ones. */
function firstNames(names: readonly string[], count: number): readonly string[] {
  return names.length <= count ? names : [...names].sort().slice(0, count);
}

/** The series' lists within MAX_ADAPTERS rows, running adapters before waiting ones. */
function readAdapters(series: AdapterSeries): { readonly adapters: AdapterSample; readonly dropped: number } {
  const listedRunning = splitAdapters(series.running);
  const listedWaiting = splitAdapters(series.waiting);
  const running = firstNames(listedRunning.names, MAX_ADAPTERS);
  const all = new Set(listedRunning.names);
  const onlyWaiting = listedWaiting.names.filter((name) => !all.has(name));
  const kept = new Set([...running, ...firstNames(onlyWaiting, MAX_ADAPTERS - running.length)]);
  return {
    // vLLM lists an active adapter as running and as waiting; it takes one row.
    adapters: { max: series.max, running, waiting: listedWaiting.names.filter((name) => kept.has(name)) },
    dropped: listedRunning.dropped + listedWaiting.dropped + all.size + onlyWaiting.length - kept.size,
  };
}

/** The adapters' series as it stands on the page. */
interface AdapterSeries {
  readonly max: number;
  readonly running: string;
  readonly waiting: string;
}

export interface PageReading {
  readonly sample: Sample;
  /** Not among the measurements: any program's page may have them. */
  readonly signs: LifeSigns;
  /** Adapter names of the page that the sample leaves out for MAX_ADAPTERS and MAX_ADAPTER_NAME_BYTES. */
  readonly adaptersDropped: number;
}

/**
 * The sample of `readPage`.
 * @throws TooManySeries as `scanPage` does.
 */
export function sampleFromPage(engine: Engine, page: Buffer, atMs: number): Sample {
  return readPage(engine, page, atMs).sample;
}

/**
 * One engine's metrics page, read into a sample. With data parallelism an endpoint exposes one series
 * per engine: queued, running and blocks are summed, KV use is averaged, the block size is the first.
 * What the page does not hold, or holds as NaN, infinite or out of range, is absent, never zero.
 *
 * @param atMs monotonic ms at which the page arrived
 * @throws TooManySeries as `scanPage` does.
 */
export function readPage(engine: Engine, page: Buffer, atMs: number): PageReading {
  const { families, rules } = ENGINES[engine];
  const queued = new Total(MAX_COUNT);
  const running = new Total(MAX_COUNT);
  const kvUsed = new Total(1);
  const kvUsedPrevious = new Total(1);
  const kvBlocks = new Total(MAX_COUNT);
  const startedAt = new Total(MAX_COUNT);
  const served = new Total(Number.MAX_SAFE_INTEGER);
  let kvBlockTokens: number | undefined;
  let newest: AdapterSeries | undefined;
  // The adapters' series carry the time of their last change; old label sets stay exported.
  let adaptersStamp = Number.NEGATIVE_INFINITY;

  scanPage(page, families, (family, labels, value) => {
    for (const rule of rules[family]!) {
      if (rule.onlyLabel >= 0 && labels[rule.onlyLabel] !== rule.onlyValue) continue;
      const number = rule.fromLabel < 0 ? value : wholeNumber(labels[rule.fromLabel]);
      switch (rule.column) {
        case "queued":
          queued.add(number);
          break;
        case "running":
          running.add(number);
          break;
        case "kvUsed":
          kvUsed.add(number);
          break;
        case "kvUsedPrevious":
          kvUsedPrevious.add(number);
          break;
        case "kvBlocks":
          kvBlocks.add(number);
          break;
        case "startedAt":
          startedAt.add(number);
          break;
        case "served":
          served.add(number);
          break;
        case "kvBlockTokens":
          if (number >= 1 && number <= MAX_COUNT) kvBlockTokens ??= Math.round(number);
          break;
        case "adapters": {
          const max = wholeNumber(labels[0]);
          if (!(max >= 0 && max <= MAX_COUNT) || !Number.isFinite(value) || value <= adaptersStamp) break;
          adaptersStamp = value;
          newest = { max, running: labels[1] ?? "", waiting: labels[2] ?? "" };
        }
      }
    }
  });

  const queuedRequests = queued.sum();
  const runningRequests = running.sum();
  const kvUsedRatio = kvUsed.seen ? kvUsed.mean() : kvUsedPrevious.mean();
  const blocks = kvBlocks.sum();
  const read = newest === undefined ? undefined : readAdapters(newest);
  const sample: Sample = {
    atMs,
    ...(queuedRequests === undefined ? {} : { queuedRequests }),
    ...(runningRequests === undefined ? {} : { runningRequests }),
    ...(kvUsedRatio === undefined ? {} : { kvUsedRatio }),
    ...(blocks === undefined || blocks === 0 ? {} : { kvBlocks: blocks }),
    ...(kvBlockTokens === undefined ? {} : { kvBlockTokens }),
    ...(read === undefined ? {} : { adapters: read.adapters }),
  };
  const startedAtS = startedAt.mean();
  const servedTotal = served.sum();
  const signs: LifeSigns = {
    ...(startedAtS === undefined ? {} : { startedAtS }),
    ...(servedTotal === undefined ? {} : { servedTotal }),
  };
  return { sample, signs, adaptersDropped: read?.dropped ?? 0 };
}

/** A label's whole number; NaN for anything else, such as vLLM's `None`. */
function wholeNumber(label: string | undefined): number {
  return label !== undefined && /^\d{1,15}$/.test(label) ? Number(label) : Number.NaN;
}
