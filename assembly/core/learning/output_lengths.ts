import { StateBytes } from "./state_bytes";

/** Answers remembered. */
const SAMPLES: i32 = 600;
/** Before any answer, and with this weight among them: exponential with this mean. */
const PRIOR_MEAN: f64 = 256;
const PRIOR_WEIGHT: f64 = 20;
/** `remaining` is worked out anew after so many answers. */
const REFRESH_EVERY: i32 = 20;
/** Lengths between which it is interpolated: 8 × (2^octave - 1), and OCTAVE_STEPS - 1 evenly between two of them. */
const OCTAVES: i32 = 13;
const OCTAVE_STEPS: i32 = 4;
const FIRST_OCTAVE: i32 = 8;
const POINTS: i32 = OCTAVES * OCTAVE_STEPS + 1;

/** Tokens that no answer has more of: contexts end far below. A count beyond is an error or a lie, and one would outweigh all others. */
export const MAX_ANSWER_TOKENS: f64 = 1e6;

/** How long answers are, in tokens: of the last ones, with a prior. */
export class OutputLengths {
  private readonly samples: StaticArray<f32> = new StaticArray<f32>(SAMPLES);
  private count: i32 = 0;
  private next: i32 = 0;
  private sinceRefresh: i32 = 0;
  private readonly table: StaticArray<f64> = new StaticArray<f64>(POINTS);

  constructor() {
    this.refresh();
  }

  /** Tokens that an answer is expected to have. */
  @inline get mean(): f64 {
    return unchecked(this.table[0]);
  }

  /** An answer ended with so many tokens, > 0 and at most MAX_ANSWER_TOKENS. */
  add(tokens: f64): void {
    unchecked((this.samples[this.next] = <f32>max<f64>(1, min<f64>(MAX_ANSWER_TOKENS, tokens))));
    this.next = this.next + 1 == SAMPLES ? 0 : this.next + 1;
    this.count = min<i32>(SAMPLES, this.count + 1);
    // The first answers say the most.
    if (++this.sinceRefresh >= min<i32>(REFRESH_EVERY, this.count)) this.refresh();
  }

  /** Tokens that an answer is expected to have beyond the `tokens` >= 0 that it has; > 0. */
  remaining(tokens: f64): f64 {
    const scaled = min<f64>(tokens, 1048576) / FIRST_OCTAVE + 1;
    const octave = 31 - clz<i32>(<i32>scaled);
    if (octave >= OCTAVES) return unchecked(this.table[POINTS - 1]);
    const start = <f64>(1 << octave);
    const place = (scaled / start - 1) * OCTAVE_STEPS;
    const step = min<i32>(<i32>place, OCTAVE_STEPS - 1);
    const at = octave * OCTAVE_STEPS + step;
    const low = unchecked(this.table[at]);
    return low + (unchecked(this.table[at + 1]) - low) * (place - <f64>step);
  }

  write(bytes: StateBytes): void {
    bytes.putNumber(this.count);
    for (let sample = 0; sample < this.count; sample++) bytes.putShort(this.samples[sample]);
  }

  /** Takes over what another has written, if it knows more. */
  read(bytes: StateBytes): void {
    const count = <i32>bytes.number(0, SAMPLES);
    const isBetter = count > this.count;
    for (let sample = 0; sample < count && !bytes.failed; sample++) {
      const tokens = bytes.short(1, MAX_ANSWER_TOKENS);
      if (isBetter) this.samples[sample] = tokens;
    }
    if (!isBetter || bytes.failed) return;
    this.count = count;
    this.next = count % SAMPLES;
    this.refresh();
  }

  private refresh(): void {
    this.sinceRefresh = 0;
    for (let point = 0; point < POINTS; point++) {
      const octave = point / OCTAVE_STEPS;
      const start = <f64>FIRST_OCTAVE * <f64>(1 << octave);
      const length = start - FIRST_OCTAVE + (start * <f64>(point % OCTAVE_STEPS)) / OCTAVE_STEPS;
      // An exponential has no memory: what is left of it has the same mean, and the weight of those that get so far.
      let weight = PRIOR_WEIGHT * Math.exp(-length / PRIOR_MEAN);
      let sum = weight * PRIOR_MEAN;
      for (let sample = 0; sample < this.count; sample++) {
        const left = <f64>unchecked(this.samples[sample]) - length;
        if (left <= 0) continue;
        weight++;
        sum += left;
      }
      unchecked((this.table[point] = weight > 0 ? sum / weight : PRIOR_MEAN));
    }
  }
}
