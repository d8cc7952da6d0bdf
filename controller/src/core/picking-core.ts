import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PickerError } from "../errors.ts";

/** What every caller needs of `assembly/core/index.ts`. Booleans are 0 or 1; addresses are offsets into `memory`. */
export interface PickingExports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  allocate(bytes: number): number;
  release(block: number): void;
  decode(ptr: number, bytes: number, receivedMs: number): number;
  poolOfName(ptr: number, bytes: number): number;
  poolStart(pool: number): number;
  poolRows(pool: number): number;
  rowAccount(row: number): number;
  addressPtr(row: number): number;
  addressBytes(row: number): number;
  openRequest(account: number, uncached: number, resident: number): void;
  prefilled(account: number, uncached: number): void;
  closeRequest(account: number, uncached: number, resident: number): void;
  inFlight(account: number): number;
  inFlightUncached(account: number): bigint;
  inFlightResident(account: number): bigint;
  seedPicker(seed: bigint): void;
  setRequest(modelPtr: number, modelBytes: number, promptBytes: number, priority: number): void;
  /** Objectives of the next picks, 0: the pool's. */
  setObjectives(ttftMs: number, tpotMs: number): void;
  setPrefix(hashesPtr: number, count: number, seed: bigint): void;
  /** 0: estimated by the prompt's bytes. */
  setPromptTokens(tokens: number): void;
  setClock(nowMs: number): void;
  /** A handle ≥ 0. */
  openFlight(pool: number, row: number): number;
  flightFirstToken(flight: number): void;
  flightProgress(flight: number, tokens: number): void;
  flightFinish(flight: number, promptTokens: number, completionTokens: number, cachedTokens: number): void;
  flightAbandon(flight: number): void;
  flightCount(): number;
  flightsTick(): void;
  /** Flights have an index of prefixes from now on, of the sizes that the table asks for. */
  fitPrefixIndex(): void;
  /** Formats of what roots tell each other: `assembly/wire/layout.ts` (TALLY), `observation.ts`, `assembly/wire/prefixes.ts`. */
  writeTallies(ptr: number, capacityRows: number, includeIdle: number): number;
  writeTotals(ptr: number, capacityRows: number): number;
  beginMerge(): void;
  mergeTallies(ptr: number, count: number): void;
  endMerge(): void;
  takeRows(ptr: number, capacityBytes: number): number;
  applyRows(ptr: number, bytes: number): void;
  takePrefixRecords(ptr: number, capacityBytes: number): number;
  applyPrefixRecords(ptr: number, bytes: number): void;
  setPriors(factor: number): void;
  learnedPtr(pool: number): number;
  /** Writes f64s, in the order of `assembly/core/costs/explanation.ts`; how many. */
  explainRow(row: number, ptr: number): number;
  violations(): number;
  pick(pool: number): number;
  pickedPtr(): number;
  rowScore(row: number): number;
  missingTerms(pool: number): number;
}

/** One instance of the core, the picking code that the filter runs: a table, a ledger, a picker. */
export class PickingCore<Exports extends PickingExports = PickingExports> {
  readonly exports: Exports;
  #input = 0;
  #inputBytes = 0;

  /**
   * @param seed what chance decides follows from it alone
   * @throws if the module traps in its initialisation
   */
  constructor(module: WebAssembly.Module, seed: bigint) {
    const instance = new WebAssembly.Instance(module, {
      env: {
        abort: (_message: number, _file: number, line: number, column: number) => {
          throw new Error(`core aborted at ${line}:${column}`);
        },
      },
    });
    this.exports = instance.exports as unknown as Exports;
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

  /** -1 if the table has none of this name. */
  poolOfName(name: string): number {
    const bytes = Buffer.from(name);
    return this.exports.poolOfName(this.put(bytes), bytes.length);
  }

  address(row: number): string {
    return this.textAt(this.exports.addressPtr(row), this.exports.addressBytes(row));
  }

  /** Rows that the last pick chose, best first; `count` is what `pick` returned. */
  pickedRows(count: number): readonly number[] {
    return [...new Int32Array(this.exports.memory.buffer, this.exports.pickedPtr(), count)];
  }
}

/**
 * The core's file: `core.wasm` or `build/core.wasm` in a folder above `from`. Serves the sources and the
 * bundle, which lie at different depths.
 */
export function findCoreFile(from: string): string | undefined {
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    for (const name of ["core.wasm", join("build", "core.wasm")]) {
      const file = join(folder, name);
      if (existsSync(file)) return file;
    }
    if (dirname(folder) === folder) return undefined;
  }
}

/** @throws PickerError CONFIG_REFERENCE for a file that cannot be read, or is no module */
export function loadCoreModule(file: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(file));
  } catch (cause) {
    throw new PickerError(
      "CONFIG_REFERENCE",
      `${file} is no core that can be loaded (make build compiles it)`,
      {
        path: "--core",
        value: file,
        bound: "core.wasm",
        cause,
      },
    );
  }
}
