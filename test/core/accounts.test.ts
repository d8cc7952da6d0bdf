import assert from "node:assert/strict";
import { test } from "node:test";
import { HISTOGRAM_BOUNDS } from "../../assembly/wire/accounts.ts";
import * as L from "../../assembly/wire/layout.ts";
import { countKey } from "../../controller/src/table/accounts.ts";
import { SeededRandom } from "../emulator/random.ts";
import { type CAUSES, CoreAccounts, type Ending, type ReadableRow, readable } from "./accounts.ts";
import { Core } from "./core.ts";
import { endpoint, pool, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
const MODELS = ["llama", "tuned", "qwen"];

function setUp(models: readonly string[] = MODELS, pools: readonly string[] = ["ns/a", "ns/b"]) {
  const core = new Core();
  const rows = pools.map((name, at) =>
    pool(name, [endpoint(`10.0.${at}.1:80`)], {
      clusters: [`cluster-${at}`],
      models: models.map((model) => ({ name: model, adapter: false })),
    }),
  );
  assert.equal(core.decode(tableBytes(rows)), L.ACCEPTED);
  return { core, accounts: new CoreAccounts(core) };
}

function rowNamed(accounts: CoreAccounts, model: string, poolName = "ns/a"): ReadableRow {
  const found = readable(accounts.message()).find((row) => row.model === model && row.pool === poolName);
  assert.ok(found, `${poolName} ${model}`);
  return found;
}

/** Counts of one request that ended so. */
function countsOf(ending: Ending): Readonly<Record<string, number>> {
  const { accounts } = setUp();
  accounts.request(accounts.row("ns/a", "llama"), ending);
  return rowNamed(accounts, "llama").counts;
}

test("a streamed answer with usage counts in every histogram that it has a figure for", () => {
  assert.deepEqual(
    countsOf({
      requestBytes: 1000,
      responseBytes: 30_000,
      durationMs: 2100,
      stream: { firstTokenMs: 90, lastTokenMs: 2080, gapMs: 130 },
      promptTokens: 250,
      completionTokens: 200,
      cachedTokens: 0,
      estimatedCompletionTokens: 190,
    }),
    {
      REQUESTS: 1,
      PICKED: 1,
      "DURATION sum": 2_100_000,
      "FIRST_TOKEN sum": 90_000,
      "PER_TOKEN sum": 10_000,
      "NORMALIZED sum": 10_500,
      "GAP sum": 130_000,
      "REQUEST_SIZE sum": 1000,
      "RESPONSE_SIZE sum": 30_000,
      "INPUT sum": 250,
      "OUTPUT sum": 200,
      "ESTIMATE_ERROR sum": 50,
      "DURATION le 3000000": 1,
      "FIRST_TOKEN le 100000": 1,
      "PER_TOKEN le 10000": 1,
      "NORMALIZED le 20000": 1,
      "GAP le 200000": 1,
      "REQUEST_SIZE le 1024": 1,
      "RESPONSE_SIZE le 32778": 1,
      "INPUT le 256": 1,
      "OUTPUT le 256": 1,
      "CACHED le 1": 1,
      "ESTIMATE_ERROR le 50": 1,
    },
  );
});

test("what is not known counts in no histogram", () => {
  assert.deepEqual(countsOf({ durationMs: Number.NaN, requestBytes: 0, attempt: "none" }), {
    REQUESTS: 1,
    "REQUEST_SIZE le 64": 1,
    "RESPONSE_SIZE le 1": 1,
  });
});

test("times per token are of answers that came whole, the first token's of all", () => {
  const ending = { durationMs: 400, stream: { firstTokenMs: 100, lastTokenMs: 400 }, completionTokens: 4 };
  for (const cause of ["client-gone", "upstream-reset"] as const) {
    const counts = countsOf({ ...ending, cause });
    assert.deepEqual([counts["PER_TOKEN sum"], counts["NORMALIZED sum"]], [undefined, undefined], cause);
    assert.equal(counts["FIRST_TOKEN sum"], 100_000, cause);
  }
});

test("an estimate counts as one, and the times of its tokens go by it", () => {
  const ending = { durationMs: 400, stream: { firstTokenMs: 100, lastTokenMs: 400 } };
  const wanted = {
    "OUTPUT_ESTIMATED le 8": 1,
    "OUTPUT_ESTIMATED sum": 4,
    "PER_TOKEN sum": 100_000,
    "NORMALIZED sum": 100_000,
    "OUTPUT sum": undefined,
    "ESTIMATE_ERROR le 10": undefined,
  };
  for (const tokens of [
    { estimatedCompletionTokens: 4, estimated: true },
    { completionTokens: 4, estimated: true },
  ]) {
    const counts = countsOf({ ...ending, ...tokens });
    for (const [name, value] of Object.entries(wanted)) assert.equal(counts[name], value, name);
  }
});

test("an answer that broke off has neither duration nor size, its tokens count", () => {
  for (const [cause, error] of [
    ["client-gone", "CLIENT_GONE"],
    ["upstream-reset", "UPSTREAM_RESET"],
  ] as const) {
    const counts = countsOf({ cause, durationMs: 50, responseBytes: 10, completionTokens: 3 });
    assert.equal(counts[error], 1);
    assert.equal(counts["OUTPUT sum"], 3);
    assert.equal(counts["DURATION sum"], undefined);
    assert.equal(counts["RESPONSE_SIZE sum"], undefined);
  }
});

test("each way to fail has its own count, and success has none", () => {
  const errors = (cause: (typeof CAUSES)[number], status: number) =>
    Object.keys(countsOf({ cause, status, attempt: "none" })).filter(
      (name) => !/REQUESTS|SIZE|DURATION/.test(name),
    );
  assert.deepEqual(errors("complete", 200), []);
  assert.deepEqual(errors("complete", 302), []);
  assert.deepEqual(errors("complete", 404), ["MODEL_SERVER_REFUSED"]);
  assert.deepEqual(errors("complete", 429), ["MODEL_SERVER_REFUSED"]);
  assert.deepEqual(errors("complete", 500), ["MODEL_SERVER"]);
  assert.deepEqual(errors("answered-here", 400), ["BAD_REQUEST"]);
  assert.deepEqual(errors("answered-here", 413), ["BAD_REQUEST"]);
  assert.deepEqual(errors("answered-here", 429), ["EXHAUSTED"]);
  assert.deepEqual(errors("answered-here", 503), ["UNAVAILABLE"]);
  assert.deepEqual(errors("answered-here", 500), ["INTERNAL"]);
  assert.deepEqual(errors("answered-here", 200), []);
  assert.deepEqual(errors("unknown", 0), ["UNKNOWN"]);
  assert.deepEqual(errors("unknown", 200), []);
  assert.deepEqual(errors("unknown", 502), ["MODEL_SERVER"]);
});

test("a value on a bound counts below it, and one above all bounds in the last bucket", () => {
  for (const [promptTokens, bucket] of [
    [0, "INPUT le 1"],
    [1, "INPUT le 1"],
    [2, "INPUT le 8"],
    [1_048_576, "INPUT le 1048576"],
    [1_048_577, "INPUT le inf"],
    [Number.MAX_SAFE_INTEGER, "INPUT le inf"],
  ] as const) {
    assert.equal(countsOf({ promptTokens })[bucket], 1, `${promptTokens}`);
  }
});

test("the bucket of a random value is the one that a search from below finds", () => {
  const random = new SeededRandom(SEED);
  console.log(`seed ${SEED}`);
  const { accounts } = setUp();
  const row = accounts.row("ns/a", "llama");
  const bounds = HISTOGRAM_BOUNDS[0]!;
  const wanted = new Array<number>(bounds.length + 1).fill(0);
  for (let round = 0; round < 5000; round++) {
    const ms = 10 ** (random.below(8000) / 1000);
    const us = Math.floor(ms * 1000);
    const at = bounds.findIndex((bound) => us <= bound);
    wanted[at < 0 ? bounds.length : at]! += 1;
    accounts.request(row, { durationMs: ms });
  }
  const [, counted] = accounts.message().rows;
  assert.deepEqual(
    wanted,
    wanted.map((_, index) => counted!.counts.get(countKey(L.GROUP_BUCKETS, index)) ?? 0),
  );
});

test("a request runs from its start to its end, and an end too many takes nothing away", () => {
  const { accounts } = setUp();
  const row = accounts.row("ns/a", "llama");
  accounts.start(row);
  accounts.start(row);
  assert.equal(rowNamed(accounts, "llama").running, 2);
  accounts.end(row);
  assert.equal(rowNamed(accounts, "llama").running, 1);
  accounts.end(row);
  accounts.end(row);
  assert.equal(rowNamed(accounts, "llama").running, 0);
  assert.equal(rowNamed(accounts, "llama").counts.REQUESTS, 2);
});

test("a row stands for pool, model and target, whatever table came since", () => {
  const { core, accounts } = setUp();
  const a = accounts.row("ns/a", "llama");
  const b = accounts.row("ns/b", "llama");
  const rewritten = accounts.row("ns/a", "llama", "tuned");
  assert.equal(new Set([a, b, rewritten]).size, 3);
  const more = pool("ns/0", [endpoint("10.1.0.1:80")]);
  const models = ["first", ...MODELS].map((name) => ({ name, adapter: false }));
  const same = ["ns/b", "ns/a"].map((name, at) => pool(name, [endpoint(`10.0.${at}.1:80`)], { models }));
  assert.equal(core.decode(tableBytes([more, ...same], 2n)), L.ACCEPTED);
  assert.equal(accounts.row("ns/a", "llama"), a);
  assert.equal(accounts.row("ns/b", "llama"), b);
  assert.equal(accounts.row("ns/a", "llama", "tuned"), rewritten);
});

test("names that the pool does not list count as other, no name at all as none", () => {
  const { accounts } = setUp();
  for (let index = 0; index < 1000; index++) accounts.row("ns/a", `made-up-${index}`);
  accounts.row("ns/a", "", "");
  accounts.row("ns/a", "llama", "made-up");
  accounts.row("ns/a", "made-up", "llama");
  assert.deepEqual(
    readable(accounts.message()).map(({ pool: name, model, target }) => [name, model, target]),
    [
      ["", "other", "other"],
      ["ns/a", "other", "other"],
      ["ns/a", "", ""],
      ["ns/a", "llama", "other"],
      ["ns/a", "other", "llama"],
    ],
  );
});

test("what a pool rewrites, and to what, are names that it knows", () => {
  const { core, accounts } = setUp([]);
  const rewrites = [
    { model: "chat", targets: [{ model: "chat-v2", weight: 1 }] },
    { model: "", targets: [{ model: "base", weight: 1 }] },
  ];
  const rows = [pool("ns/a", [endpoint("10.0.0.1:80")], { rewrites })];
  assert.equal(core.decode(tableBytes(rows, 2n)), L.ACCEPTED);
  accounts.row("ns/a", "chat", "chat-v2");
  accounts.row("ns/a", "made-up", "base");
  accounts.row("ns/a", "", "base");
  assert.deepEqual(
    readable(accounts.message()).map(({ model, target }) => [model, target]),
    [
      ["other", "other"],
      ["chat", "chat-v2"],
      ["other", "base"],
      ["", "base"],
    ],
  );
});

test("rows are bounded: the rest of a pool shares one row, the rest of all pools another", () => {
  const models = Array.from({ length: 700 }, (_, index) => `model-${index}`);
  const { core, accounts } = setUp(models, ["ns/a"]);
  const rows = models.map((model) => accounts.row("ns/a", model));
  assert.equal(new Set(rows).size, L.MAX_ACCOUNT_ROWS - 64);
  assert.equal(rows.at(-1), accounts.row("ns/a", "made-up"));
  const pools = Array.from({ length: 100 }, (_, index) => pool(`ns/p${index}`, []));
  assert.equal(core.decode(tableBytes(pools, 2n)), L.ACCEPTED);
  for (const { name } of pools) accounts.request(accounts.row(name, "made-up"));
  assert.equal(accounts.exports.accountRows(), L.MAX_ACCOUNT_ROWS);
  const message = accounts.message();
  const requests = message.rows.map(({ counts }) => counts.get(0) ?? 0);
  assert.equal(message.rows.length, L.MAX_ACCOUNT_ROWS);
  assert.equal(requests[0], 100 - 63, "rows that the pools could not have");
  assert.equal(
    requests.reduce((sum, count) => sum + count, 0),
    100,
  );
});

test("a full message of the longest names stays within the bound of messages", () => {
  const name = (index: number) => `${index}-`.padEnd(L.MAX_NAME_BYTES, "x");
  const models = Array.from({ length: 447 }, (_, index) => name(index));
  const longest = "ns/".padEnd(L.MAX_POOL_NAME_BYTES, "p");
  const { accounts } = setUp(models, [longest]);
  const random = new SeededRandom(SEED);
  for (const model of models) {
    const row = accounts.row(longest, model);
    for (let round = 0; round < 40; round++) {
      const scale = 10 ** (random.below(700) / 100);
      accounts.request(row, {
        durationMs: scale,
        stream: { firstTokenMs: scale / 2, lastTokenMs: scale, gapMs: scale / 3 },
        requestBytes: Math.floor(scale * 100),
        responseBytes: Math.floor(scale),
        promptTokens: Math.floor(scale),
        completionTokens: 1 + Math.floor(scale / 3),
        cachedTokens: Math.floor(scale / 7),
        estimatedCompletionTokens: Math.floor(scale / 2),
      });
    }
  }
  const { length } = accounts.bytes();
  assert.ok(length > 1_000_000 && length < L.MAX_MESSAGE_BYTES, `${length} bytes`);
  assert.equal(accounts.message().rows.length, 448);
});

test("counting allocates nothing once the rows are there", () => {
  const { core, accounts } = setUp();
  const names = Buffer.from("llama");
  const ptr = core.exports.allocate(names.length);
  new Uint8Array(core.exports.memory.buffer).set(names, ptr);
  const { exports } = accounts;
  const poolIndex = core.poolOfName("ns/a");
  const work = () => {
    for (let round = 0; round < 2000; round++) {
      const row = exports.accountRow(poolIndex, ptr, names.length, ptr, names.length);
      accounts.request(row, { durationMs: round, promptTokens: round, completionTokens: round });
    }
  };
  const probe = () => {
    const block = core.exports.allocate(24);
    core.exports.release(block);
    return block;
  };
  work();
  core.exports.collect();
  probe();
  const before = probe();
  const memoryBytes = core.exports.memory.buffer.byteLength;
  work();
  assert.equal(probe(), before);
  assert.equal(core.exports.memory.buffer.byteLength, memoryBytes);
});
