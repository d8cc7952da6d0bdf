import type { Learned, LearnedPool } from "../table/report.ts";

interface State {
  readonly learned: Learned;
  /** The stream that brought it. */
  readonly owner: object;
  readonly pools: ReadonlyMap<bigint, LearnedPool>;
}

/** Means over the Envoys of what they have learned, each counted by the observations that it learned from. */
export class LearnedStates {
  private readonly states = new Map<string, State>();
  /** Means that were asked for since a state changed: a page of metrics asks for each four times. */
  private readonly means = new Map<bigint, LearnedPool | undefined>();

  set(node: string, learned: Learned, owner: object): void {
    this.means.clear();
    this.states.set(node, { learned, owner, pools: new Map(learned.pools.map((pool) => [pool.id, pool])) });
  }

  /** Forgets the node, unless another stream has reported for it since. */
  forget(node: string, owner: object): void {
    if (this.states.get(node)?.owner !== owner) return;
    this.states.delete(node);
    this.means.clear();
  }

  /** Of the pool of this id (FNV-1a of its name); undefined where no Envoy has learned anything. */
  poolOf(id: bigint): LearnedPool | undefined {
    if (!this.means.has(id)) this.means.set(id, this.meanOf(id));
    return this.means.get(id);
  }

  private meanOf(id: bigint): LearnedPool | undefined {
    const rows: LearnedPool[] = [];
    for (const { pools } of this.states.values()) {
      const row = pools.get(id);
      if (row !== undefined && row.observations > 0) rows.push(row);
    }
    const observations = rows.reduce((sum, row) => sum + row.observations, 0);
    if (observations === 0) return undefined;
    const mean = (read: (row: LearnedPool) => number) =>
      rows.reduce((sum, row) => sum + read(row) * row.observations, 0) / observations;
    return {
      id,
      stepMs: mean((row) => row.stepMs),
      contextTokenMs: mean((row) => row.contextTokenMs),
      sequenceMs: mean((row) => row.sequenceMs),
      promptTokenMs: mean((row) => row.promptTokenMs),
      outputTokens: mean((row) => row.outputTokens),
      tokensPerByte: mean((row) => row.tokensPerByte),
      observations,
    };
  }

  /** How many times as long as its pool's mean endpoint the endpoint of this id takes; undefined: nobody knows. */
  slownessOf(id: bigint): number | undefined {
    const known = [...this.states.values()]
      .map(({ learned }) => learned.slowness.get(id))
      .filter((factor) => factor !== undefined);
    if (known.length === 0) return undefined;
    return known.reduce((sum, factor) => sum + factor, 0) / known.length;
  }
}
