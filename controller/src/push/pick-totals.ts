import type { Report } from "../table/report.ts";

/** Generations of filters whose counts are remembered; more than any sane number of Envoys. */
const MAX_SOURCES = 4096;

/**
 * Picks by endpoint over all Envoys, from counts that each generation of a filter starts at zero. Only
 * endpoints of the present table are kept, so no report can make it grow.
 */
export class PickTotals {
  private readonly totals = new Map<bigint, bigint>();
  private readonly last = new Map<string, ReadonlyMap<bigint, bigint>>();

  /** The endpoints that exist; the others are forgotten. */
  retain(ids: readonly bigint[]): void {
    const known = new Set(ids);
    for (const id of this.totals.keys()) if (!known.has(id)) this.totals.delete(id);
    for (const id of known) if (!this.totals.has(id)) this.totals.set(id, 0n);
  }

  /** Adds what the report counts beyond the previous one of the same node and generation. */
  add(report: Report): void {
    const source = `${report.generation} ${report.node}`;
    const before = this.last.get(source);
    const now = new Map<bigint, bigint>();
    for (const { id, picks } of report.endpoints) {
      const total = this.totals.get(id);
      if (total === undefined) continue;
      now.set(id, picks);
      const counted = before?.get(id) ?? 0n;
      // Counts only fall when the filter lost its memory; what it counts now is new.
      this.totals.set(id, total + (picks >= counted ? picks - counted : picks));
    }
    this.last.delete(source);
    this.last.set(source, now);
    if (this.last.size > MAX_SOURCES) this.last.delete(this.last.keys().next().value!);
  }

  get(id: bigint): bigint {
    return this.totals.get(id) ?? 0n;
  }
}
