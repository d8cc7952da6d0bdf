/** What the recorded traces look like, as far as the generator needs to know. */
import { QuantileTable } from "./quantile-table.ts";

export interface ConversationProfile {
  readonly name: string;
  /** New conversations a second; their arrivals are a Poisson process. */
  readonly conversationsPerSecond: number;
  /** Arrivals are rounded down to multiples of this; 0: not rounded. */
  readonly arrivalGridMs: number;
  readonly firstPromptTokens: QuantileTable;
  readonly outputTokens: QuantileTable;
  /** Absent: nothing is recorded of what prompts share; every request stands alone. */
  readonly turns?: TurnProfile;
}

export interface TurnProfile {
  /** Probability that turn i + 1 is followed by another; the last entry holds for all later turns. */
  readonly continues: readonly number[];
  /** A first prompt shorter than this is not followed up. */
  readonly leastFollowedTokens: number;
  /** From this prompt length on a turn counts as long. */
  readonly longTokens: number;
  /** Multiplies the probability that a long turn is followed by another. */
  readonly longContinues: number;
  /** Between the arrivals of one turn and of the next. */
  readonly gapMs: QuantileTable;
  /** Prompt tokens beyond the shared blocks, of a turn that continues all of the turn before. */
  readonly newTokens: QuantileTable;
  /** Share of turns, after a turn that was not long, that go back to an earlier point and go on from there. */
  readonly branchShare: number;
  /** The same after a long turn. */
  readonly longBranchShare: number;
  /** Where they go back to, as a share of the blocks of the turn before. */
  readonly branchPoint: QuantileTable;
  readonly branchNewTokens: QuantileTable;
}

/** Longest prompt that is generated, tokens: the longest of the recorded ones. */
export const MOST_PROMPT_TOKENS = 126_195;

/**
 * Mooncake's conversation trace: 12,031 requests in 59 min, timestamps on a grid of 3 s, a first block
 * of 512 tokens shared by all (the system prompt), prompts that grow from turn to turn.
 */
export const MOONCAKE_CONVERSATION: ConversationProfile = {
  name: "mooncake-conversation",
  conversationsPerSecond: 2.06,
  arrivalGridMs: 3000,
  firstPromptTokens: new QuantileTable([
    [0, 891],
    [0.1, 905],
    [0.15, 943],
    [0.2, 1092],
    [0.25, 1336],
    [0.3, 1756],
    [0.35, 2767],
    [0.4, 3914],
    [0.5, 5264],
    [0.6, 7417],
    [0.7, 10775],
    [0.8, 15871],
    [0.85, 19453],
    [0.9, 25561],
    [0.95, 38538],
    [0.97, 51792],
    [0.98, 67212],
    [0.99, 89869],
    [0.995, 111800],
    [1, 126195],
  ]),
  outputTokens: new QuantileTable([
    [0, 1],
    [0.05, 10],
    [0.1, 24],
    [0.15, 46],
    [0.2, 100],
    [0.25, 156],
    [0.3, 213],
    [0.4, 291],
    [0.5, 350],
    [0.6, 399],
    [0.7, 447],
    [0.8, 504],
    [0.9, 597],
    [0.95, 698],
    [0.98, 893],
    [0.99, 1120],
    [0.995, 1570],
    [0.999, 2000],
    [1, 2000],
  ]),
  turns: {
    continues: [0.44, 0.47, 0.6, 0.67, 0.7],
    leastFollowedTokens: 1000,
    longTokens: 16_000,
    longContinues: 0.85,
    gapMs: new QuantileTable([
      [0, 0],
      [0.05, 30_000],
      [0.1, 42_000],
      [0.25, 66_000],
      [0.5, 123_000],
      [0.75, 264_000],
      [0.9, 483_000],
      [0.95, 618_000],
      [0.98, 1_032_000],
      [0.99, 1_482_000],
      [1, 3_030_000],
    ]),
    newTokens: new QuantileTable([
      [0, 1],
      [0.02, 1],
      [0.05, 133],
      [0.1, 278],
      [0.25, 493],
      [0.5, 728],
      [0.75, 1130],
      [0.8, 1577],
      [0.85, 3087],
      [0.9, 4820],
      [0.95, 7566],
      [0.98, 12148],
      [0.99, 17147],
      [0.995, 22623],
      [1, 92318],
    ]),
    branchShare: 0.1,
    longBranchShare: 0.35,
    branchPoint: new QuantileTable([
      [0, 0.015],
      [0.05, 0.053],
      [0.25, 0.111],
      [0.5, 0.214],
      [0.75, 0.453],
      [0.9, 0.833],
      [1, 0.986],
    ]),
    branchNewTokens: new QuantileTable([
      [0, 10],
      [0.05, 894],
      [0.1, 1707],
      [0.25, 5790],
      [0.5, 9567],
      [0.75, 14851],
      [0.9, 19913],
      [0.95, 26597],
      [0.99, 43120],
      [1, 94968],
    ]),
  },
};

/** Azure's conversation trace of 2023: 19,366 requests in 58 min, lengths only, close to a Poisson process. */
export const AZURE_CONVERSATION: ConversationProfile = {
  name: "azure-conversation",
  conversationsPerSecond: 5.53,
  arrivalGridMs: 0,
  firstPromptTokens: new QuantileTable([
    [0, 2],
    [0.02, 91],
    [0.05, 181],
    [0.1, 207],
    [0.15, 372],
    [0.35, 414],
    [0.4, 703],
    [0.45, 984],
    [0.5, 1020],
    [0.75, 1189],
    [0.8, 1315],
    [0.85, 1877],
    [0.9, 2735],
    [0.925, 4075],
    [0.98, 4098],
    [0.99, 4142],
    [0.995, 4831],
    [0.999, 6212],
    [1, 14050],
  ]),
  outputTokens: new QuantileTable([
    [0, 7],
    [0.05, 41],
    [0.1, 54],
    [0.2, 77],
    [0.3, 91],
    [0.4, 103],
    [0.5, 129],
    [0.6, 177],
    [0.65, 217],
    [0.7, 384],
    [0.8, 400],
    [0.9, 424],
    [0.95, 451],
    [0.98, 540],
    [0.99, 601],
    [0.995, 644],
    [1, 1000],
  ]),
};

/**
 * Lengths like ShareGPT's: prompts p50/p90/p99 109/714/987, mean 252; answers 144/564/948, mean 225 (those
 * of the launch benchmark of the Gateway API inference extension). One request a second, as a Poisson
 * process; requests share nothing.
 */
export const SHAREGPT_LIKE: ConversationProfile = {
  name: "sharegpt-like",
  conversationsPerSecond: 1,
  arrivalGridMs: 0,
  firstPromptTokens: new QuantileTable([
    [0, 4],
    [0.1, 16],
    [0.25, 42],
    [0.5, 109],
    [0.6, 178],
    [0.7, 300],
    [0.8, 485],
    [0.9, 714],
    [0.95, 860],
    [0.99, 987],
    [1, 1024],
  ]),
  outputTokens: new QuantileTable([
    [0, 1],
    [0.1, 18],
    [0.25, 60],
    [0.5, 144],
    [0.7, 250],
    [0.8, 350],
    [0.9, 564],
    [0.95, 740],
    [0.99, 948],
    [1, 1024],
  ]),
};
