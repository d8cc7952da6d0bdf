/**
 * What hashing a prompt, looking it up and recording it cost in the compiled core, in this process (Node's V8, the engine that Envoy
 * embeds), and what the index loses against exact LRUs. Prints one JSON object: µs as the best and the median of many calls, since a busy
 * machine only ever adds.
 *
 *   node --no-liftoff --import tsx test/bench/prefix.ts
 *   TRACES=folder     adds the loss on Mooncake's conversations, `mooncake_conversation_trace.jsonl` there
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PrefixCore } from "../core/prefix.ts";
import { type Chain, conversations, measureLoss } from "../core/prefix-workload.ts";
import { SeededRandom } from "../emulator/random.ts";

const SEED = 20_261_124;
const PROMPT_BYTES = 225_280;
const CHAIN_BLOCKS = 256;
/** Prompts of the full index: 786,432 distinct blocks. */
const PROMPTS = 3072;
const ENDPOINTS = 100;
const CALLS = 2000;
/** Blocks of 512 bytes in a block of the trace, which is 512 tokens. */
const BLOCKS_OF_TRACE_BLOCK = 4;
/** KV cache of Llama-3.1-8B on an H100, 467,000 tokens, in blocks of 512 bytes at 4 bytes a token. */
const H100_BLOCKS = 3650;

interface Speed {
  readonly bestUs: number;
  readonly medianUs: number;
}

function measure(work: (call: number) => void): Speed {
  for (let call = 0; call < 200; call++) work(call);
  const times = Array.from({ length: CALLS }, (_, call) => {
    const start = performance.now();
    work(call);
    return (performance.now() - start) * 1000;
  }).sort((left, right) => left - right);
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { bestUs: round(times[0]!), medianUs: round(times[CALLS >> 1]!) };
}

function measureHashing(): Readonly<Record<string, Speed>> {
  const { core, exports } = new PrefixCore();
  exports.prefixHasher(PROMPT_BYTES / 512);
  const ptr = core.put(new SeededRandom(SEED).bytes(PROMPT_BYTES));
  const speeds = [16_384, 1000, 100].map((piece) => {
    const speed = measure(() => {
      exports.prefixReset();
      for (let at = 0; at < PROMPT_BYTES; at += piece)
        exports.prefixFeed(ptr + at, Math.min(piece, PROMPT_BYTES - at));
    });
    return [`hash ${PROMPT_BYTES} bytes in pieces of ${piece}`, speed] as const;
  });
  return Object.fromEntries(speeds);
}

function measureIndex(): Readonly<Record<string, Speed | number>> {
  const { core, exports } = new PrefixCore().sized(1_000_000, 256, 8192);
  const hashes = core.exports.allocate(PROMPTS * CHAIN_BLOCKS * 8);
  const random = new SeededRandom(SEED);
  const words = new Uint32Array(core.exports.memory.buffer, hashes, PROMPTS * CHAIN_BLOCKS * 2);
  for (let at = 0; at < words.length; at++) words[at] = random.word();
  const prompt = (call: number): number => hashes + ((call * 1237) % PROMPTS) * CHAIN_BLOCKS * 8;
  const owner = (call: number): number => ((call * 1237) % PROMPTS) % ENDPOINTS;
  for (let call = 0; call < PROMPTS; call++)
    exports.prefixRecord(owner(call), prompt(call), CHAIN_BLOCKS, 1n);
  const cold = measure((call) => exports.prefixLookUp(prompt(call), CHAIN_BLOCKS, 1n));
  const again = measure((call) => exports.prefixRecord(owner(call), prompt(call), CHAIN_BLOCKS, 1n));
  const none = measure((call) => exports.prefixLookUp(prompt(call), CHAIN_BLOCKS, 2n));
  for (let account = 0; account < ENDPOINTS; account++)
    exports.prefixRecord(account, hashes, CHAIN_BLOCKS, 1n);
  const warm = measure(() => exports.prefixLookUp(hashes, CHAIN_BLOCKS, 1n));
  const fresh = measure((call) =>
    exports.prefixRecord(call % ENDPOINTS, prompt(call), CHAIN_BLOCKS, BigInt(call)),
  );
  return {
    "index, bytes": exports.prefixIndexBytes(),
    "look-up of 256 blocks that 100 endpoints hold": warm,
    "look-up of 256 blocks that one holds, none in the processor's caches": cold,
    "look-up that finds nothing": none,
    "record 256 blocks that are there": again,
    "record 256 blocks that are new": fresh,
  };
}

function* mooncake(folder: string): Generator<Chain> {
  const lines = readFileSync(join(folder, "mooncake_conversation_trace.jsonl"), "utf8").trim().split("\n");
  for (const line of lines) {
    const { hash_ids: ids } = JSON.parse(line) as { hash_ids: readonly number[] };
    yield ids.flatMap((id) =>
      Array.from({ length: BLOCKS_OF_TRACE_BLOCK }, (_, part) => id * BLOCKS_OF_TRACE_BLOCK + part),
    );
  }
}

function measureLosses(traces: string | undefined): Readonly<Record<string, unknown>> {
  const core = new PrefixCore();
  const random = new SeededRandom(SEED);
  const workload = { requests: 8000, conversations: 400, systemPrompts: 20 };
  const losses: Record<string, unknown> = {};
  for (const room of [1, 1.2]) {
    for (const capacity of [500, 1500, 3000]) {
      const name = `conversations, 8 endpoints of ${capacity} blocks, taken for ${room} × that`;
      losses[name] = measureLoss(core, conversations(workload, random), 8, capacity, random, room);
    }
    if (traces === undefined || traces === "") continue;
    const name = `Mooncake's conversations, 8 endpoints of ${H100_BLOCKS} blocks, taken for ${room} × that`;
    losses[name] = measureLoss(core, mooncake(traces), 8, H100_BLOCKS, random, room);
  }
  return losses;
}

console.log(
  JSON.stringify({ ...measureHashing(), ...measureIndex(), ...measureLosses(process.env.TRACES) }, null, 2),
);
