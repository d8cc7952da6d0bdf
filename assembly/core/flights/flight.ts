import { addressOf, putU64, u64At } from "../../wire/bytes";
import { PoolLearning } from "../learning/pool_learning";
import { Interval } from "./interval";
import { Tolerance } from "./tolerances";

/** Blocks of a prompt that a flight remembers: 128 KB of text, twice what is hashed of a body by default. */
export const MAX_FLIGHT_BLOCKS: i32 = 256;

/**
 * One request from its pick to its end, with all that has to be taken back or learned then. Owned by `Flights`, which gives the
 * object to another request after the end: whoever holds one drops it with `finish` or `abandon`.
 */
export class Flight {
  /** Its place in `Flights`. */
  readonly handle: i32;
  /** Account of the endpoint that it is counted to; -1: not under way. */
  account: i32 = -1;
  learned: PoolLearning;
  /** Neighbours among the flights of its account; -1: none. */
  before: i32 = -1;
  after: i32 = -1;

  openedMs: f64 = 0;
  /** Of the first token; negative: it has not come. */
  firstMs: f64 = -1;
  promptBytes: u32 = 0;
  /** Prompt tokens, estimated, and of these the ones that the endpoint was not believed to hold. */
  promptTokens: f64 = 0;
  uncachedTokens: f64 = 0;
  /** Tokens of the answer so far. */
  tokens: u32 = 0;
  /** As the ledger counted them; `ledgerUncached` is 0 once the prompt is computed. */
  ledgerUncached: u32 = 0;
  ledgerResident: u32 = 0;
  /** `nameHash` of the model; 0: unknown. */
  model: u64 = 0;
  /** What the endpoint had done when the flight was opened, and when its first token came. */
  readonly sinceOpened: Interval = new Interval();
  readonly sinceFirst: Interval = new Interval();
  /** Blocks of the prompt that the endpoint was believed to hold. */
  cachedBlocks: i32 = 0;
  /** ms for each token after the first. */
  objectiveMs: f64 = 0;
  /** What it can bear, for a short and for a long answer, and the number of tokens at which that is worked out anew. */
  readonly short: Tolerance = new Tolerance();
  readonly long: Tolerance = new Tolerance();
  nextTokens: u32 = 0;
  /** How far it is a loss already: the chance that its first token comes, or 1 if it came, too late. What is lost cannot be harmed. */
  lateChance: f64 = 0;
  ttftObjectiveMs: f64 = 0;
  /** A retry took it elsewhere: when that began is not known. */
  isMoved: bool = false;

  /** Blocks of the prompt that are remembered, and their seed. */
  blocks: i32 = 0;
  seed: u64 = 0;
  /** The index counts them to the endpoint. */
  isNoted: bool = false;
  private kept: StaticArray<u64> = new StaticArray<u64>(0);

  constructor(handle: i32, learned: PoolLearning) {
    this.handle = handle;
    this.learned = learned;
  }

  /** Address of the hashes remembered, u64 each. */
  get hashes(): usize {
    return addressOf<u64>(this.kept);
  }

  /** Remembers the first of `count` hashes; allocates only for more than this object ever held. */
  keepHashes(hashes: usize, count: i32, seed: u64): void {
    const kept = min<i32>(count, MAX_FLIGHT_BLOCKS);
    if (this.kept.length < kept) {
      let capacity = 16;
      while (capacity < kept) capacity <<= 1;
      this.kept = new StaticArray<u64>(capacity);
    }
    const target = this.hashes;
    for (let block = 0; block < kept; block++) {
      putU64(target + <usize>block * 8, u64At(hashes + <usize>block * 8));
    }
    this.blocks = kept;
    this.seed = seed;
  }
}
