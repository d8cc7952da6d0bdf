/** What one core tells others and hears of them, as bytes in the formats that the filter's roots exchange. */
import { TALLY_STRIDE } from "../../../../assembly/wire/layout.ts";
import type { PickingCore } from "../../core/picking-core.ts";

/** Room for whatever is told at once; what a tick of the filter moves is less. */
const BUFFER_BYTES = 1 << 20;

export class CoreExchange {
  readonly #core: PickingCore;
  readonly #buffer: number;

  constructor(core: PickingCore) {
    this.#core = core;
    this.#buffer = core.exports.allocate(BUFFER_BYTES);
  }

  /** TALLY rows of what this core's own requests have in flight. */
  tallies(): Uint8Array {
    return this.#rows(this.#core.exports.writeTallies(this.#buffer, BUFFER_BYTES / TALLY_STRIDE, 0));
  }

  /** TALLY rows of this core's requests and of those merged last. */
  totals(): Uint8Array {
    return this.#rows(this.#core.exports.writeTotals(this.#buffer, BUFFER_BYTES / TALLY_STRIDE));
  }

  /** What the other roots of the Envoy have in flight, in place of what they had. */
  merge(tallies: readonly Uint8Array[]): void {
    const { exports } = this.#core;
    exports.beginMerge();
    for (const rows of tallies) {
      this.#put(rows);
      exports.mergeTallies(this.#buffer, rows.length / TALLY_STRIDE);
    }
    exports.endMerge();
  }

  /** What this core's requests have shown since the last call. */
  takeRows(): Uint8Array {
    return this.#core.bytesAt(this.#buffer, this.#core.exports.takeRows(this.#buffer, BUFFER_BYTES));
  }

  applyRows(rows: Uint8Array): void {
    this.#put(rows);
    this.#core.exports.applyRows(this.#buffer, rows.length);
  }

  /** Prompts that this core placed since the last call. */
  takePrefixes(): Uint8Array {
    return this.#core.bytesAt(this.#buffer, this.#core.exports.takePrefixRecords(this.#buffer, BUFFER_BYTES));
  }

  applyPrefixes(records: Uint8Array): void {
    this.#put(records);
    this.#core.exports.applyPrefixRecords(this.#buffer, records.length);
  }

  #rows(count: number): Uint8Array {
    return this.#core.bytesAt(this.#buffer, count * TALLY_STRIDE);
  }

  #put(bytes: Uint8Array): void {
    new Uint8Array(this.#core.exports.memory.buffer).set(bytes, this.#buffer);
  }
}
