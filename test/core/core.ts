import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FormExports, ScanExports } from "./scanner.ts";

/** `build/core.wasm`, which `make build` compiles. */
export const CORE_FILE = fileURLToPath(new URL("../../build/core.wasm", import.meta.url));

/** What `assembly/core/index.ts` exports. Booleans are 0 or 1; addresses are offsets into `memory`. */
interface CoreExports extends ScanExports, FormExports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  allocate(bytes: number): number;
  release(block: number): void;
  collect(): void;
  hash(ptr: number, bytes: number): bigint;
  checkMessage(ptr: number, bytes: number, kind: number): number;
  decode(ptr: number, bytes: number, receivedMs: number): number;
  age(nowMs: number): void;
  epoch(): bigint;
  sequence(): bigint;
  poolCount(): number;
  endpointCount(): number;
  poolOfCluster(ptr: number, bytes: number): number;
  poolOfName(ptr: number, bytes: number): number;
  poolStart(pool: number): number;
  poolRows(pool: number): number;
  isPickable(row: number): number;
  rowAccount(row: number): number;
  rowValid(row: number): number;
  addressPtr(row: number): number;
  addressBytes(row: number): number;
  saturation(pool: number): number;
  modelIndex(pool: number, ptr: number, bytes: number): number;
  objectivePriority(pool: number, ptr: number, bytes: number): number;
  adapterState(row: number, ptr: number, bytes: number): number;
  accountOf(id: bigint): number;
  accountCount(): number;
  openRequest(account: number, uncached: number, resident: number): void;
  prefilled(account: number, uncached: number): void;
  closeRequest(account: number, uncached: number, resident: number): void;
  inFlight(account: number): number;
  inFlightUncached(account: number): bigint;
  inFlightResident(account: number): bigint;
  beginMerge(): void;
  mergeRow(id: bigint, requests: number, uncached: number, resident: bigint): void;
  endMerge(): void;
  writeTallies(ptr: number, capacityRows: number, includeIdle: number): number;
  writeTotals(ptr: number, capacityRows: number): number;
  seedPicker(seed: bigint): void;
  setRequest(modelPtr: number, modelBytes: number, promptBytes: number, priority: number): void;
  pick(pool: number): number;
  pickedPtr(): number;
  missingTerms(pool: number): number;
  benchPick(pool: number, rounds: number): number;
}

let compiled: WebAssembly.Module | undefined;

/** The compiled core, once per process. @throws if it has not been built. */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(CORE_FILE));
  return compiled;
}

/** One instance of the core with its strings and lists turned into JavaScript's. */
export class Core {
  readonly exports: CoreExports;
  #input = 0;
  #inputBytes = 0;
  #model = 0;

  /** @throws if the module traps in its initialisation. */
  constructor(seed = 1n, module: WebAssembly.Module = coreModule()) {
    const instance = new WebAssembly.Instance(module, {
      env: {
        abort: (_message: number, _file: number, line: number, column: number) => {
          throw new Error(`core aborted at ${line}:${column}`);
        },
      },
    });
    this.exports = instance.exports as unknown as CoreExports;
    this.exports._initialize();
    this.exports.seedPicker(seed);
  }

  /** Copies bytes into a buffer that the next call reuses; its address. */
  put(bytes: Uint8Array): number {
    if (bytes.length > this.#inputBytes || this.#input === 0) {
      if (this.#input !== 0) this.exports.release(this.#input);
      this.#inputBytes = Math.max(bytes.length, 1024);
      this.#input = this.exports.allocate(this.#inputBytes);
    }
    new Uint8Array(this.exports.memory.buffer).set(bytes, this.#input);
    return this.#input;
  }

  bytesAt(ptr: number, bytes: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, ptr, bytes).slice();
  }

  textAt(ptr: number, bytes: number): string {
    return new TextDecoder().decode(this.bytesAt(ptr, bytes));
  }

  /** ACCEPTED or REFUSED_* */
  decode(message: Uint8Array, receivedMs = 0): number {
    return this.exports.decode(this.put(message), message.length, receivedMs);
  }

  poolOfName(name: string): number {
    const bytes = Buffer.from(name);
    return this.exports.poolOfName(this.put(bytes), bytes.length);
  }

  poolOfCluster(name: string): number {
    const bytes = Buffer.from(name);
    return this.exports.poolOfCluster(this.put(bytes), bytes.length);
  }

  address(row: number): string {
    return this.textAt(this.exports.addressPtr(row), this.exports.addressBytes(row));
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
    const count = this.exports.pick(pool);
    return [...new Int32Array(this.exports.memory.buffer, this.exports.pickedPtr(), count)];
  }

  pick(pool: number, model = ""): readonly string[] {
    return this.pickRows(pool, model).map((row) => this.address(row));
  }
}
