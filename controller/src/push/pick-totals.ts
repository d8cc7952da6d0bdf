import type { Report } from "../table/report.ts";

/** Roots of a replaced configuration report for minutes beside those of the new one: two generations of a node. */
const MAX_GENERATIONS = 2;
/** Counts (and nodes) remembered of nodes without a stream: 64 Envoys of 1,000 endpoints, about 8 MB. */
const MAX_DEPARTED_COUNTS = 65_536;

type Counts = ReadonlyMap<bigint, bigint>;

interface Source {
  /** The stream that reported last; undefined once it has ended. */
  owner: object | undefined;
  /** By generation, the one that reported last at the end. */
  readonly generations: Map<bigint, Counts>;
}

/**
 * Picks by endpoint over all Envoys, from counts that each generation of a filter starts at zero. Nothing
 * that a report says can make it grow: kept are the endpoints of the present table, one source a stream,
 * and of ended streams a bounded number, so that an Envoy that dials again is not counted twice.
 */
export class PickTotals {
  private readonly totals = new Map<bigint, bigint>();
  private readonly sources = new Map<string, Source>();
  /** Nodes without a stream and what each costs, the first to leave first. */
  private readonly departed = new Map<string, number>();
  private departedCounts = 0;

  /** The endpoints that exist; the others are forgotten. */
  retain(ids: readonly bigint[]): void {
    const known = new Set(ids);
    for (const id of this.totals.keys()) if (!known.has(id)) this.totals.delete(id);
    for (const id of known) if (!this.totals.has(id)) this.totals.set(id, 0n);
  }

  /** Adds what the report counts beyond the previous one of the same node and generation. */
  add(node: string, report: Report, owner: object): void {
    this.unmarkDeparted(node);
    let source = this.sources.get(node);
    if (source === undefined) {
      source = { owner, generations: new Map() };
      this.sources.set(node, source);
    }
    source.owner = owner;
    const { generations } = source;
    const before = generations.get(report.generation);
    const now = new Map<bigint, bigint>();
    for (const { id, picks } of report.endpoints) {
      const total = this.totals.get(id);
      if (total === undefined) continue;
      now.set(id, picks);
      const counted = before?.get(id) ?? 0n;
      // Counts only fall when the filter lost its memory; what it counts now is new.
      this.totals.set(id, total + (picks >= counted ? picks - counted : picks));
    }
    generations.delete(report.generation);
    generations.set(report.generation, now);
    if (generations.size > MAX_GENERATIONS) generations.delete(generations.keys().next().value!);
  }

  /** The stream has ended or reports for another node; nothing happens where another has reported for it since. */
  forget(node: string, owner: object): void {
    const source = this.sources.get(node);
    if (source?.owner !== owner) return;
    source.owner = undefined;
    let counts = 1;
    for (const generation of source.generations.values()) counts += generation.size;
    this.departed.set(node, counts);
    this.departedCounts += counts;
    for (const first of this.departed.keys()) {
      if (this.departedCounts <= MAX_DEPARTED_COUNTS) break;
      this.unmarkDeparted(first);
      this.sources.delete(first);
    }
  }

  get(id: bigint): bigint {
    return this.totals.get(id) ?? 0n;
  }

  /** Nodes that are remembered, with a stream or without. */
  get nodes(): number {
    return this.sources.size;
  }

  private unmarkDeparted(node: string): void {
    const counts = this.departed.get(node);
    if (counts === undefined) return;
    this.departed.delete(node);
    this.departedCounts -= counts;
  }
}
