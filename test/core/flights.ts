import assert from "node:assert/strict";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { Core } from "./core.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

/** What a request is, as far as a pick looks at it. */
export interface Asked {
  readonly promptTokens: number;
  /** One for each whole block of 512 bytes of the prompt's beginning. */
  readonly blocks?: readonly number[];
  readonly seed?: bigint;
  readonly model?: string;
}

interface Exports {
  flightComplete(flight: number): void;
  flightMove(flight: number, account: number): number;
  endpointRestarted(account: number): void;
  usePrefixIndex(blocks: number, endpoints: number, capacityBlocks: number): void;
  writeState(ptr: number, capacityBytes: number): number;
  readState(ptr: number, bytes: number): number;
}

export const BYTES_PER_TOKEN = 4;
const MAX_BLOCKS = 1024;
const SCRATCH_BYTES = 1 << 18;

/** A core with one pool of some endpoints, an index of prefixes and a clock. */
export class Flying {
  readonly core: Core;
  readonly more: Exports;
  readonly scratch: number;
  readonly #hashes: number;
  readonly #name: number;
  nowMs = 1000;

  constructor(profile: PoolRow["profile"], endpoints: number, changes: Partial<PoolRow> = {}, seed = 1n) {
    this.core = new Core(seed);
    this.more = this.core.exports as unknown as Exports;
    const rows = Array.from({ length: endpoints }, (_, index) => endpoint(addressOf(index)));
    const message = tableBytes([pool("ns/a", rows, { profile, ...changes })]);
    assert.equal(this.core.decode(message, this.nowMs), 0);
    this.more.usePrefixIndex(20_000, endpoints, 5000);
    this.#hashes = this.core.exports.allocate(8 * MAX_BLOCKS);
    this.#name = this.core.exports.allocate(256);
    this.scratch = this.core.exports.allocate(SCRATCH_BYTES);
  }

  ask({ promptTokens, blocks = [], seed = 7n, model = "" }: Asked): void {
    const { exports } = this.core;
    const name = Buffer.from(model);
    new Uint8Array(exports.memory.buffer).set(name, this.#name);
    const hashes = new BigUint64Array(exports.memory.buffer, this.#hashes, blocks.length);
    for (const [at, block] of blocks.entries()) {
      hashes[at] = BigInt.asUintN(64, BigInt(block + 1) * 0x9e3779b97f4a7c15n);
    }
    exports.setClock(this.nowMs);
    exports.setRequest(this.#name, name.length, promptTokens * BYTES_PER_TOKEN, 0);
    exports.setPrefix(this.#hashes, blocks.length, seed);
  }

  /** Rows, best first. */
  pick(asked: Asked): readonly number[] {
    this.ask(asked);
    return this.core.pickedRows(this.core.exports.pick(0));
  }

  /** Opens a flight of the request to a row, whatever a pick would say. */
  send(asked: Asked, row: number): number {
    this.ask(asked);
    return this.core.exports.openFlight(0, row);
  }

  /** Picks, and sends the request there. */
  go(asked: Asked): { readonly row: number; readonly flight: number } {
    const row = this.pick(asked)[0]!;
    return { row, flight: this.core.exports.openFlight(0, row) };
  }

  /** The flight's prompt is computed, and then it breaks off: it leaves nothing but its prompt. */
  compute(flight: number): void {
    this.core.exports.flightFirstToken(flight);
    this.core.exports.flightAbandon(flight);
  }

  at(nowMs: number): void {
    this.nowMs = nowMs;
    this.core.exports.setClock(nowMs);
  }

  account(row: number): number {
    return this.core.exports.rowAccount(row);
  }

  /** Terms of the row's score in the last pick: `assembly/core/costs/explanation.ts`. */
  terms(row: number): readonly number[] {
    const count = this.core.exports.explainRow(row, this.scratch);
    return [...new Float64Array(this.core.exports.memory.buffer, this.scratch, count)];
  }

  /** What is learned: `assembly/core/exports/learning.ts`. */
  learned(): readonly number[] {
    const ptr = this.core.exports.learnedPtr(0);
    return [...new Float64Array(this.core.exports.memory.buffer, ptr, 16 + this.core.exports.poolRows(0))];
  }

  bytesAt(bytes: number): Uint8Array {
    return this.core.bytesAt(this.scratch, bytes);
  }

  put(bytes: Uint8Array): number {
    new Uint8Array(this.core.exports.memory.buffer).set(bytes, this.scratch);
    return this.scratch;
  }
}
