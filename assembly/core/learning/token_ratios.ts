import { IdMap } from "../id_map";
import { StateBytes } from "./state_bytes";

/** Tokens in a byte of a prompt before any answer has told: English text in JSON. */
export const PRIOR_TOKENS_PER_BYTE: f64 = 0.25;
/** Bytes of prompts that the prior counts for. */
const PRIOR_BYTES: f64 = 4096;
/** An answer takes this share of what was known before it. */
const DECAY: f64 = 0.02;
/** Models remembered; beyond, all are learned anew: only names that come and go get this far. */
const MAX_MODELS: i32 = 1024;
/** No tokenizer is outside: a token has a quarter of a byte to 64 bytes. */
const MIN_RATIO: f64 = 1 / 64;
const MAX_RATIO: f64 = 4;

/** Models written for a new root, those met last. */
const MAX_WRITTEN: i32 = 64;
const MAX_BYTES: f64 = 1e15;

/** In place of a model: all of them together. */
const ANY_MODEL: u64 = 0;

/** How many tokens a prompt's byte is, by model (`nameHash`; 0: unknown), as usage has told. */
export class TokenRatios {
  private readonly places: IdMap = new IdMap();
  private readonly bytes: StaticArray<f64> = new StaticArray<f64>(MAX_MODELS);
  private readonly tokens: StaticArray<f64> = new StaticArray<f64>(MAX_MODELS);
  private readonly ids: StaticArray<u64> = new StaticArray<u64>(MAX_MODELS);
  private count: i32 = 0;

  constructor() {
    this.places.clear(MAX_MODELS);
  }

  /** A model that nothing is known of is taken for the mean of the others. */
  of(model: u64): f64 {
    let place = this.places.get(model);
    if (place < 0) place = this.places.get(ANY_MODEL);
    if (place < 0) return PRIOR_TOKENS_PER_BYTE;
    const bytes = PRIOR_BYTES + unchecked(this.bytes[place]);
    return (PRIOR_TOKENS_PER_BYTE * PRIOR_BYTES + unchecked(this.tokens[place])) / bytes;
  }

  /** A prompt of so many bytes had so many tokens, both > 0. */
  add(model: u64, bytes: f64, tokens: f64): void {
    const ratio = tokens / bytes;
    if (!(ratio >= MIN_RATIO && ratio <= MAX_RATIO)) return;
    this.learn(model, bytes, tokens);
    if (model != ANY_MODEL) this.learn(ANY_MODEL, bytes, tokens);
  }

  write(bytes: StateBytes): void {
    const ids = this.ids;
    const written = min<i32>(this.count, MAX_WRITTEN);
    bytes.putNumber(written);
    for (let place = this.count - written; place < this.count; place++) {
      bytes.putId(ids[place]);
      bytes.putNumber(this.bytes[place]);
      bytes.putNumber(this.tokens[place]);
    }
  }

  /** Takes over what another has written of models that nothing is known of here. */
  read(bytes: StateBytes): void {
    const count = <i32>bytes.number(0, MAX_WRITTEN);
    for (let at = 0; at < count && !bytes.failed; at++) {
      const model = bytes.id();
      const sizes = bytes.number(1, MAX_BYTES);
      const tokens = bytes.number(sizes * MIN_RATIO * 0.99, sizes * MAX_RATIO * 1.01);
      if (!bytes.failed && this.places.get(model) < 0) this.learn(model, sizes, tokens);
    }
  }

  private learn(model: u64, bytes: f64, tokens: f64): void {
    let place = this.places.get(model);
    if (place < 0) {
      if (this.count == MAX_MODELS) {
        this.places.clear(MAX_MODELS);
        this.count = 0;
      }
      place = this.count++;
      unchecked((this.ids[place] = model));
      unchecked((this.bytes[place] = 0));
      unchecked((this.tokens[place] = 0));
      this.places.put(model, place);
    }
    unchecked((this.bytes[place] += bytes - this.bytes[place] * DECAY));
    unchecked((this.tokens[place] += tokens - this.tokens[place] * DECAY));
  }
}
