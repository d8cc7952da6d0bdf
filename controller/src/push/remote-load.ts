import type { Report, Tally } from "../table/report.ts";
import type { RemoteLoad } from "../table/rows.ts";

interface MutableLoad {
  requests: number;
  uncachedTokens: number;
  residentTokens: number;
}

/**
 * What each Envoy last reported, and what it means to the others: for a receiver the sum over every
 * other node. Two streams of one node count once, by the newest report.
 */
export class RemoteLoads {
  private readonly reports = new Map<string, { readonly report: Report; readonly owner: object }>();
  private totals: Map<bigint, MutableLoad> | undefined;
  /** Moves with every change of the sums. */
  revision = 0;

  /** `owner` is the stream that brought it. */
  set(node: string, report: Report, owner: object): void {
    const before = this.reports.get(node);
    this.reports.set(node, { report, owner });
    if (before === undefined || !sameLoad(before.report.endpoints, report.endpoints)) this.touch();
  }

  /** Forgets the node, unless another stream has reported for it since. */
  forget(node: string, owner: object): void {
    if (this.reports.get(node)?.owner !== owner) return;
    this.reports.delete(node);
    this.touch();
  }

  list(): readonly Report[] {
    return [...this.reports.values()].map(({ report }) => report);
  }

  get nodes(): number {
    return this.reports.size;
  }

  /**
   * Load through every node but `self`, by endpoint id; undefined if there is no other node. An endpoint
   * that the others did not name has nothing in flight through them: zero, and known.
   */
  othersOf(self: string): ((id: bigint) => RemoteLoad) | undefined {
    const own = this.reports.get(self)?.report;
    if (this.reports.size - (own === undefined ? 0 : 1) === 0) return undefined;
    const totals = this.sum();
    const mine = new Map((own?.endpoints ?? []).map((tally) => [tally.id, tally]));
    return (id) => {
      const all = totals.get(id);
      if (all === undefined) return { requests: 0, uncachedTokens: 0, residentTokens: 0 };
      const share = mine.get(id);
      if (share === undefined) return all;
      return {
        requests: all.requests - share.requests,
        uncachedTokens: all.uncachedTokens - share.uncachedTokens,
        residentTokens: all.residentTokens - Number(share.residentTokens),
      };
    };
  }

  private sum(): Map<bigint, MutableLoad> {
    if (this.totals !== undefined) return this.totals;
    const totals = new Map<bigint, MutableLoad>();
    for (const { report } of this.reports.values()) {
      for (const tally of report.endpoints) {
        let load = totals.get(tally.id);
        if (load === undefined) {
          load = { requests: 0, uncachedTokens: 0, residentTokens: 0 };
          totals.set(tally.id, load);
        }
        load.requests += tally.requests;
        load.uncachedTokens += tally.uncachedTokens;
        load.residentTokens += Number(tally.residentTokens);
      }
    }
    this.totals = totals;
    return totals;
  }

  private touch(): void {
    this.totals = undefined;
    this.revision += 1;
  }
}

function sameLoad(before: readonly Tally[], after: readonly Tally[]): boolean {
  return (
    before.length === after.length &&
    before.every((tally, index) => {
      const other = after[index]!;
      return (
        tally.id === other.id &&
        tally.requests === other.requests &&
        tally.uncachedTokens === other.uncachedTokens &&
        tally.residentTokens === other.residentTokens
      );
    })
  );
}
