/**
 * What one model server can do: the coefficients of the step model and the limits of its engine.
 *
 * One step of continuous batching takes
 *
 *     step = max(c0, w0 + cTok · T) + cKv · Σctx + cSeq · B        milliseconds
 *
 * with T the tokens computed in the step, Σctx the tokens resident in the KV cache for the sequences of
 * the step (those computed in it included) and B the number of its sequences.
 */

export interface Hardware {
  readonly name: string;
  /** Floor of the compute part of a step, ms. */
  readonly c0Ms: number;
  /** Fixed part of a step, ms. */
  readonly w0Ms: number;
  /** Per computed token, ms. */
  readonly cTokMs: number;
  /** Per resident token of the step's sequences, ms. */
  readonly cKvMs: number;
  /** Per sequence of the step, ms. */
  readonly cSeqMs: number;
  /** Usable KV-cache blocks. */
  readonly kvBlocks: number;
  /** Tokens in a KV-cache block. */
  readonly blockTokens: number;
  /** Most tokens computed in one step (`max_num_batched_tokens`). */
  readonly tokenBudget: number;
  /** Most sequences in one step (`max_num_seqs`). */
  readonly maxSeqs: number;
  /** Most tokens of prompt and answer together (`max_model_len`). */
  readonly maxModelTokens: number;
  /** Most distinct adapters in one batch (`max_loras`); 0: the server takes no adapters. */
  readonly maxAdapters: number;
  /** Added to a step for each adapter that must be brought into a slot first, ms. */
  readonly adapterLoadMs: number;
}

const ENGINE_DEFAULTS = {
  blockTokens: 16,
  tokenBudget: 8192,
  maxSeqs: 1024,
  maxAdapters: 4,
  adapterLoadMs: 0,
} as const;

/**
 * Coefficients fitted on H100 servers running vLLM. `qwen3-14b-h100` was fitted without a separate
 * floor, hence c0 = w0.
 */
const PRESETS = {
  "llama-3.1-8b-h100": {
    ...ENGINE_DEFAULTS,
    name: "llama-3.1-8b-h100",
    c0Ms: 5.6,
    w0Ms: 3.2,
    cTokMs: 0.0203,
    cKvMs: 0.00004,
    cSeqMs: 0.034,
    kvBlocks: 29205,
    maxModelTokens: 131072,
  },
  "llama-2-7b-h100": {
    ...ENGINE_DEFAULTS,
    name: "llama-2-7b-h100",
    c0Ms: 5.6,
    w0Ms: 3.2,
    cTokMs: 0.0203,
    cKvMs: 0.000161,
    cSeqMs: 0.034,
    kvBlocks: 7000,
    maxModelTokens: 4096,
  },
  "qwen3-14b-h100": {
    ...ENGINE_DEFAULTS,
    name: "qwen3-14b-h100",
    c0Ms: 13.6,
    w0Ms: 13.6,
    cTokMs: 0.0394,
    cKvMs: 0.00004,
    cSeqMs: 0.0273,
    kvBlocks: 17600,
    maxModelTokens: 40960,
  },
} as const satisfies Record<string, Hardware>;

export type HardwareName = keyof typeof PRESETS;
export const HARDWARE_NAMES = Object.keys(PRESETS) as readonly HardwareName[];

export function isHardwareName(value: string): value is HardwareName {
  return Object.hasOwn(PRESETS, value);
}

/** A preset with the given fields replaced. */
export function hardware(name: HardwareName, overrides: Partial<Hardware> = {}): Hardware {
  return { ...PRESETS[name], ...overrides };
}

/** The same server `speed` times as fast: every duration divided by `speed` (> 0). */
export function withSpeed(base: Hardware, speed: number): Hardware {
  if (!(speed > 0)) throw new RangeError(`speed must be > 0, got ${speed}`);
  if (speed === 1) return base;
  return {
    ...base,
    c0Ms: base.c0Ms / speed,
    w0Ms: base.w0Ms / speed,
    cTokMs: base.cTokMs / speed,
    cKvMs: base.cKvMs / speed,
    cSeqMs: base.cSeqMs / speed,
    adapterLoadMs: base.adapterLoadMs / speed,
  };
}

/**
 * Duration of one step, ms.
 * @param tokens tokens computed in the step, ≥ 0
 * @param contextTokens resident tokens of the step's sequences, ≥ 0
 * @param sequences sequences in the step, ≥ 0
 */
export function stepMs(hw: Hardware, tokens: number, contextTokens: number, sequences: number): number {
  const compute = hw.w0Ms + hw.cTokMs * tokens;
  return Math.max(compute, hw.c0Ms) + hw.cKvMs * contextTokens + hw.cSeqMs * sequences;
}
