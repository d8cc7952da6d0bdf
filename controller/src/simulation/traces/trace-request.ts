/** One request of a trace, recorded or generated. */
export interface TraceRequest {
  /** Since the start of the trace. */
  readonly arrivalMs: number;
  /** ≥ 1 */
  readonly promptTokens: number;
  /** ≥ 1 */
  readonly outputTokens: number;
  /**
   * One id for each started block of {@link PREFIX_BLOCK_TOKENS} prompt tokens. Equal ids are equal text
   * after equal text. Absent: nothing is known of what prompts share.
   */
  readonly prefixBlocks?: readonly number[];
}

export const PREFIX_BLOCK_TOKENS = 512;
