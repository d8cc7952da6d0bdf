/** One request inside a server model: what was asked, and where it stands. */

export type RequestState = "new" | "waiting" | "running" | "finished" | "cancelled";

/** An array, or what makes them up when it is asked. */
export interface BlockHashes {
  readonly length: number;
  /** @param block 0 to `length` − 1 */
  at(block: number): number | undefined;
}

export interface RequestSpec {
  /** ≥ 1 */
  readonly promptTokens: number;
  /** ≥ 1; the model is told how long the answer will be, the engine acts as if it did not know. */
  readonly outputTokens: number;
  /**
   * Chained hashes of the sequence's full blocks, prompt first and, where the answer's tokens are known,
   * the answer's too. Equal chains share cached blocks, so the seed must tell apart model, adapter and
   * cache salt. Shorter than the prompt's full blocks: the rest is never shared.
   */
  readonly blockHashes: BlockHashes;
  /** Absent: the base model. */
  readonly adapter?: string;
  /** The answer ends by itself rather than at its limit; only counted. Default false. */
  readonly stops?: boolean;
}

export const NO_HASHES: BlockHashes = [];

/** Fields without `readonly` belong to the model; callers read them. */
export class ModelRequest {
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly blockHashes: BlockHashes;
  readonly adapter: string | undefined;
  readonly stops: boolean;

  state: RequestState = "new";
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Answer tokens sampled. */
  generated = 0;
  /** Tokens to be computed in the step that runs. */
  scheduled = 0;
  /** Full blocks already offered to the prefix cache. */
  registered = 0;
  /** Prompt tokens found in the cache at the first admission; -1 before it. */
  cachedTokens = -1;
  preemptions = 0;
  /**
   * Answer tokens from which on the listener hears of progress at each token; it moves this on when it does.
   * Only to be set before the request is submitted and from the listener's calls.
   */
  notifyAt = Number.POSITIVE_INFINITY;
  readonly blocks: number[] = [];

  arrivalMs = 0;
  /** First admission into a batch; -1 before it. */
  admittedMs = -1;
  /** -1 before it. */
  firstTokenMs = -1;
  lastTokenMs = -1;
  finishedMs = -1;

  /** The caller's own number for the request, which the model does not look at. */
  callerId = -1;

  constructor(spec: RequestSpec) {
    this.promptTokens = spec.promptTokens;
    this.outputTokens = spec.outputTokens;
    this.blockHashes = spec.blockHashes;
    this.adapter = spec.adapter;
    this.stops = spec.stops ?? false;
  }
}
