import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PickingCore, type PickingExports } from "../../controller/src/core/picking-core.ts";
import type { FormExports, ScanExports } from "./scanner.ts";

/** `build/core.wasm`, which `make build` compiles. */
export const CORE_FILE = fileURLToPath(new URL("../../build/core.wasm", import.meta.url));

/** What else `assembly/core/index.ts` exports; the same conventions. */
interface CoreExports extends PickingExports, ScanExports, FormExports {
  collect(): void;
  hash(ptr: number, bytes: number): bigint;
  checkMessage(ptr: number, bytes: number, kind: number): number;
  age(nowMs: number): void;
  epoch(): bigint;
  sequence(): bigint;
  poolCount(): number;
  endpointCount(): number;
  poolOfCluster(ptr: number, bytes: number): number;
  isPickable(row: number): number;
  rowValid(row: number): number;
  saturation(pool: number): number;
  modelIndex(pool: number, ptr: number, bytes: number): number;
  objectivePriority(pool: number, ptr: number, bytes: number): number;
  adapterState(row: number, ptr: number, bytes: number): number;
  accountOf(id: bigint): number;
  accountCount(): number;
  beginMerge(): void;
  mergeRow(id: bigint, requests: number, uncached: number, resident: bigint): void;
  endMerge(): void;
  writeTallies(ptr: number, capacityRows: number, includeIdle: number): number;
  writeTotals(ptr: number, capacityRows: number): number;
  benchPick(pool: number, rounds: number): number;
}

let compiled: WebAssembly.Module | undefined;

/** The compiled core, once per process. @throws if it has not been built. */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(CORE_FILE));
  return compiled;
}

/** The core with what tests look at besides. */
export class Core extends PickingCore<CoreExports> {
  #model = 0;

  /** @throws if the module traps in its initialisation. */
  constructor(seed = 1n, module: WebAssembly.Module = coreModule()) {
    super(module, seed);
  }

  poolOfCluster(name: string): number {
    const bytes = Buffer.from(name);
    return this.exports.poolOfCluster(this.put(bytes), bytes.length);
  }

  addresses(): readonly string[] {
    return Array.from({ length: this.exports.endpointCount() }, (_, row) => this.address(row));
  }

  rowOf(address: string): number {
    return this.addresses().indexOf(address);
  }

  /** `count` requests opened to the endpoint of this address. */
  open(address: string, count = 1): void {
    const account = this.exports.rowAccount(this.rowOf(address));
    for (let request = 0; request < count; request++) this.exports.openRequest(account, 0, 0);
  }

  /** The row is one of the pool's. */
  isOfPool(row: number, pool: number): boolean {
    const place = row - this.exports.poolStart(pool);
    return place >= 0 && place < this.exports.poolRows(pool);
  }

  /** The rows picked, best first. */
  pickRows(pool: number, model = ""): readonly number[] {
    const name = Buffer.from(model);
    if (this.#model !== 0) this.exports.release(this.#model);
    this.#model = this.exports.allocate(Math.max(name.length, 1));
    new Uint8Array(this.exports.memory.buffer).set(name, this.#model);
    this.exports.setRequest(this.#model, name.length, 0, 0);
    return this.pickedRows(this.exports.pick(pool));
  }

  pick(pool: number, model = ""): readonly string[] {
    return this.pickRows(pool, model).map((row) => this.address(row));
  }
}
