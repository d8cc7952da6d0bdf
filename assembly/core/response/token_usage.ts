/** Counts that a `usage` object may hold. */
export const COUNT_NONE: i32 = -1;
export const COUNT_PROMPT: i32 = 0;
export const COUNT_COMPLETION: i32 = 1;
export const COUNT_TOTAL: i32 = 2;
export const COUNT_INPUT: i32 = 3;
export const COUNT_OUTPUT: i32 = 4;
export const COUNT_CACHE_READ: i32 = 5;
export const COUNT_CACHE_CREATION: i32 = 6;
/** `cached_tokens` of the details of prompt or input. */
export const COUNT_CACHED: i32 = 7;
const COUNTS: i32 = 8;

/** What a count is that was never given, or that was no whole number in 0 .. 2^53. */
export const UNKNOWN_COUNT: i64 = -1;
/** The object that is being read has no such number. */
const ABSENT: i64 = -2;

/**
 * The token counts of one answer, from as many `usage` objects as it has. Each replaces what it names and
 * leaves the rest: Anthropic's stream gives the prompt in the first event and the completion in the last,
 * and continuous usage repeats all of it. An object without any count (the length of a recording, a JSON
 * schema that describes a `usage`) is ignored.
 */
@unmanaged
export class TokenUsage {
  /** There was an object with a count. */
  seen: bool = false;

  private latest: usize = heap.alloc((<usize>COUNTS) << 3);
  private reading: usize = heap.alloc((<usize>COUNTS) << 3);

  constructor() {
    this.reset();
  }

  reset(): void {
    this.seen = false;
    for (let count = 0; count < COUNTS; count++) put(this.latest, count, UNKNOWN_COUNT);
    this.begin();
  }

  /** An object begins. */
  begin(): void {
    for (let count = 0; count < COUNTS; count++) put(this.reading, count, ABSENT);
  }

  /** The object being read has this number; UNKNOWN_COUNT if it cannot be a count. */
  set(count: i32, tokens: i64): void {
    put(this.reading, count, tokens);
  }

  /** The object is whole. */
  commit(): void {
    let isCounted = false;
    for (let count = 0; count < COUNTS; count++) {
      if (countAt(this.reading, count) >= 0) isCounted = true;
    }
    if (!isCounted) return;
    this.seen = true;
    for (let count = 0; count < COUNTS; count++) {
      const tokens = countAt(this.reading, count);
      if (tokens != ABSENT) put(this.latest, count, tokens);
    }
  }

  /**
   * Tokens of the whole prompt, from the cache or not; -1 if unknown. Anthropic's `input_tokens` are those
   * beside the cache. Where a total alone is given (ranking), it is the prompt's.
   */
  get prompt(): i64 {
    const given = countAt(this.latest, COUNT_PROMPT);
    if (given >= 0) return given;
    const input = countAt(this.latest, COUNT_INPUT);
    if (input >= 0) {
      const read = countAt(this.latest, COUNT_CACHE_READ);
      const creation = countAt(this.latest, COUNT_CACHE_CREATION);
      return input + max<i64>(read, 0) + max<i64>(creation, 0);
    }
    return this.givenCompletion < 0 ? countAt(this.latest, COUNT_TOTAL) : UNKNOWN_COUNT;
  }

  /** Tokens generated; where only prompt and total are given (embeddings), what is between them. -1 if unknown. */
  get completion(): i64 {
    const given = this.givenCompletion;
    if (given >= 0) return given;
    const prompt = this.prompt;
    const total = countAt(this.latest, COUNT_TOTAL);
    return prompt >= 0 && total >= prompt ? total - prompt : UNKNOWN_COUNT;
  }

  /** Tokens of the prompt that came from the cache; -1 if unknown. */
  get cached(): i64 {
    const given = countAt(this.latest, COUNT_CACHED);
    return given >= 0 ? given : countAt(this.latest, COUNT_CACHE_READ);
  }

  private get givenCompletion(): i64 {
    const given = countAt(this.latest, COUNT_COMPLETION);
    return given >= 0 ? given : countAt(this.latest, COUNT_OUTPUT);
  }
}

function countAt(counts: usize, count: i32): i64 {
  return load<i64>(counts + ((<usize>count) << 3));
}

function put(counts: usize, count: i32, tokens: i64): void {
  store<i64>(counts + ((<usize>count) << 3), tokens);
}
