/** Tokens of one answer, over all of its sequences; a prompt that several choices share counts once. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens found in the prefix cache. */
  readonly cachedTokens: number;
  /** Prompt tokens newly put into the prefix cache. */
  readonly createdCacheTokens: number;
}

/**
 * What an answer tells its client of them.
 * - `none`: nothing
 * - `prompt`: the prompt's tokens; there are no others
 * - `tokens`: prompt and completion
 * - `all`: the cached ones too
 */
export type UsageReport = "none" | "prompt" | "tokens" | "all";

/** What a client that adds up the answers' usage knows of this one; undefined where it is told nothing. */
export function told(usage: Usage, report: UsageReport): Usage | undefined {
  switch (report) {
    case "none":
      return undefined;
    case "prompt":
      return { ...usage, completionTokens: 0, cachedTokens: 0, createdCacheTokens: 0 };
    case "tokens":
      return { ...usage, cachedTokens: 0, createdCacheTokens: 0 };
    case "all":
      return usage;
  }
}
