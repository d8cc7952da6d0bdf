import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** `build/core.wasm`, which `make build` compiles. */
export const CORE_FILE = fileURLToPath(new URL("../../build/core.wasm", import.meta.url));

/** What `assembly/core/index.ts` exports. Booleans are 0 or 1; addresses are offsets into `memory`. */
interface CoreExports {
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
  scanReset(): void;
  scanFeed(ptr: number, bytes: number): number;
  scanFinish(): number;
  scanOffset(): number;
  scanModelSeen(): number;
  scanModelRepeated(): number;
  scanModelIsString(): number;
  scanModelTooLong(): number;
  scanModelPtr(): number;
  scanModelBytes(): number;
  scanModelStart(): number;
  scanModelEnd(): number;
  scanStream(): number;
  scanMaxTokensSeen(): number;
  scanMaxTokens(): number;
  scanErrorOffset(): number;
  scanErrorReason(): number;
  benchScan(ptr: number, bytes: number, piece: number, rounds: number): number;
}

export interface Scan {
  /** SCAN_MORE 0, SCAN_COMPLETE 1, SCAN_MALFORMED 2 */
  readonly answer: number;
  /** The unescaped name; undefined if there is no `model` or it is not a string. */
  readonly model: string | undefined;
  readonly modelSeen: boolean;
  readonly modelRepeated: boolean;
  readonly modelTooLong: boolean;
  readonly modelStart: number;
  readonly modelEnd: number;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly errorOffset: number;
  readonly errorReason: number;
}

export const SCAN_MORE = 0;
export const SCAN_COMPLETE = 1;
export const SCAN_MALFORMED = 2;

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

  /** Scans a body in the given pieces; `finish` says whether it ends there. */
  scan(pieces: readonly Uint8Array[], finish = true): Scan {
    const core = this.exports;
    core.scanReset();
    let answer = SCAN_MORE;
    for (const piece of pieces) answer = core.scanFeed(this.put(piece), piece.length);
    if (finish) answer = core.scanFinish();
    const isString = core.scanModelIsString() !== 0;
    return {
      answer,
      model: isString ? this.textAt(core.scanModelPtr(), core.scanModelBytes()) : undefined,
      modelSeen: core.scanModelSeen() !== 0,
      modelRepeated: core.scanModelRepeated() !== 0,
      modelTooLong: core.scanModelTooLong() !== 0,
      modelStart: core.scanModelStart(),
      modelEnd: core.scanModelEnd(),
      stream: core.scanStream() !== 0,
      maxTokens: core.scanMaxTokensSeen() !== 0 ? core.scanMaxTokens() >>> 0 : undefined,
      errorOffset: core.scanErrorOffset(),
      errorReason: core.scanErrorReason(),
    };
  }
}
