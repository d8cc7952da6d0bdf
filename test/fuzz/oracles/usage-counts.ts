import { memberSpans } from "./member-spans.ts";

/** Keys of a `usage` object that count tokens; `cached_tokens` stands in the details of prompt or input. */
const KEYS = [
  ...["prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"],
  ...["cache_read_input_tokens", "cache_creation_input_tokens"],
];
const DETAILS = ["prompt_tokens_details", "input_tokens_details"];
const CACHED = "cached_tokens";
/** Up to here every reader of JSON has whole numbers exactly. */
const MOST = 2n ** 53n;
const UNKNOWN = -1n;

/** What the `usage` objects of an answer say together: each replaces what it names. */
export class UsageCounts {
  seen = false;
  readonly #latest = new Map<string, bigint>();

  /** An object whose `{` stands at `open`. */
  take(bytes: Uint8Array, open: number): void {
    const found = new Map<string, bigint>();
    const read = (key: string, start: number, end: number): void => {
      const raw = Buffer.from(bytes.subarray(start, end)).toString("latin1");
      if (!/^[-\d]/.test(raw)) return;
      const isCount = /^\d+$/.test(raw) && BigInt(raw) <= MOST;
      found.set(key, isCount ? BigInt(raw) : UNKNOWN);
    };
    for (const { key, start, end } of memberSpans(bytes, open)) {
      if (KEYS.includes(key)) read(key, start, end);
      if (!DETAILS.includes(key) || bytes[start] !== 0x7b) continue;
      for (const inner of memberSpans(bytes, start)) {
        if (inner.key === CACHED) read(CACHED, inner.start, inner.end);
      }
    }
    if (![...found.values()].some((tokens) => tokens >= 0n)) return;
    this.seen = true;
    for (const [key, tokens] of found) this.#latest.set(key, tokens);
  }

  /** With the tokens from the cache; a total that stands alone is the prompt's. -1: unknown. */
  get prompt(): bigint {
    const input = this.#of("input_tokens");
    if (this.#of("prompt_tokens") >= 0n) return this.#of("prompt_tokens");
    if (input >= 0n) {
      return (
        input +
        atLeast0(this.#of("cache_read_input_tokens")) +
        atLeast0(this.#of("cache_creation_input_tokens"))
      );
    }
    return this.#givenCompletion() >= 0n ? UNKNOWN : this.#of("total_tokens");
  }

  get completion(): bigint {
    const given = this.#givenCompletion();
    if (given >= 0n) return given;
    const rest = this.#of("total_tokens") - this.prompt;
    return this.prompt >= 0n && rest >= 0n ? rest : UNKNOWN;
  }

  get cached(): bigint {
    return this.#of(CACHED) >= 0n ? this.#of(CACHED) : this.#of("cache_read_input_tokens");
  }

  #givenCompletion(): bigint {
    const completion = this.#of("completion_tokens");
    return completion >= 0n ? completion : this.#of("output_tokens");
  }

  #of(key: string): bigint {
    return this.#latest.get(key) ?? UNKNOWN;
  }
}

function atLeast0(tokens: bigint): bigint {
  return tokens > 0n ? tokens : 0n;
}
