import { grown } from "../columns";
import { IdMap } from "../id_map";
import { StateBytes } from "./state_bytes";

/** Tokens in a byte of a prompt before any answer has told: English text in JSON. */
export const PRIOR_TOKENS_PER_BYTE: f64 = 0.25;
/** Bytes of prompts that the prior counts for. */
const PRIOR_BYTES: f64 = 4096;
/** An answer takes this share of what was known before it. */
const DECAY: f64 = 0.02;
/**
 * A prompt counts for so many times the bytes of a mean one at most, or for as many as the prior: clients choose how long theirs are, and
 * a server that cuts a huge one off says little of its bytes.
 */
const MAX_SHARE: f64 = 4;
/** Models remembered; beyond, each is learned anew: only names that come and go get this far. */
const MAX_MODELS: i32 = 1024;
/** No tokenizer is outside: a token has a quarter of a byte to 64 bytes. */
const MIN_RATIO: f64 = 1 / 64;
const MAX_RATIO: f64 = 4;

/** Models written for a new root: all of them together, and those met last. */
const MAX_WRITTEN: i32 = 64;
const MAX_BYTES: f64 = 1e15;

/** In place of a model: all of them together. */
const ANY_MODEL: u64 = 0;

/** How many tokens a prompt's byte is, by model (`nameHash`; 0: unknown), as usage has told. */
export class TokenRatios {
  private readonly places: IdMap = new IdMap();
  private bytes: StaticArray<f64> = new StaticArray<f64>(0);
  private tokens: StaticArray<f64> = new StaticArray<f64>(0);
  private ids: StaticArray<u64> = new StaticArray<u64>(0);
  private count: i32 = 0;

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
    if (!(bytes >= 1 && ratio >= MIN_RATIO && ratio <= MAX_RATIO)) return;
    this.learn(ANY_MODEL, bytes, ratio);
    if (model != ANY_MODEL) this.learn(model, bytes, ratio);
  }

  write(bytes: StateBytes): void {
    const written = min<i32>(this.count, MAX_WRITTEN);
    bytes.putNumber(written);
    const any = this.places.get(ANY_MODEL);
    let left = written;
    if (any >= 0) {
      this.writePlace(bytes, any);
      left--;
    }
    for (let place = this.count - 1; left > 0; place--) {
      if (unchecked(this.ids[place]) == ANY_MODEL) continue;
      this.writePlace(bytes, place);
      left--;
    }
  }

  /** Takes over what another has written of models that nothing is known of here. */
  read(bytes: StateBytes): void {
    const count = <i32>bytes.number(0, MAX_WRITTEN);
    for (let at = 0; at < count && !bytes.failed; at++) {
      const model = bytes.id();
      const sizes = bytes.number(1, MAX_BYTES);
      const tokens = bytes.number(sizes * MIN_RATIO * 0.99, sizes * MAX_RATIO * 1.01);
      if (!bytes.failed && this.places.get(model) < 0) this.put(this.meet(model), sizes, tokens);
    }
  }

  private writePlace(bytes: StateBytes, place: i32): void {
    bytes.putId(this.ids[place]);
    bytes.putNumber(this.bytes[place]);
    bytes.putNumber(this.tokens[place]);
  }

  private learn(model: u64, bytes: f64, ratio: f64): void {
    let place = this.places.get(model);
    if (place < 0) place = this.meet(model);
    const known = unchecked(this.bytes[place]);
    // After many answers `known` is 1 / DECAY times the mean of their bytes.
    const counted = min<f64>(bytes, max<f64>(PRIOR_BYTES, MAX_SHARE * DECAY * known));
    this.put(
      place,
      known * (1 - DECAY) + counted,
      unchecked(this.tokens[place]) * (1 - DECAY) + ratio * counted,
    );
  }

  private put(place: i32, bytes: f64, tokens: f64): void {
    unchecked((this.bytes[place] = bytes));
    unchecked((this.tokens[place] = tokens));
  }

  /** A place for a model that has none. */
  private meet(model: u64): i32 {
    if (this.count == MAX_MODELS) {
      const any = this.places.get(ANY_MODEL);
      this.places.clear(0);
      this.count = 0;
      if (any >= 0) this.put(this.meet(ANY_MODEL), unchecked(this.bytes[any]), unchecked(this.tokens[any]));
    }
    const place = this.count++;
    this.ids = grown<u64>(this.ids, this.count);
    this.bytes = grown<f64>(this.bytes, this.count);
    this.tokens = grown<f64>(this.tokens, this.count);
    unchecked((this.ids[place] = model));
    this.put(place, 0, 0);
    this.places.put(model, place);
    return place;
  }
}
