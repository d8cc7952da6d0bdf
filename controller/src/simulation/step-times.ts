import { type Hardware, stepMs } from "./hardware.ts";

/** How long the steps of one server take. */
export interface StepTimes {
  /**
   * ms. Asked once for each step, in their order.
   * @param tokens tokens computed in the step, ≥ 0
   * @param contextTokens resident tokens of the step's sequences, ≥ 0
   * @param sequences sequences in the step, ≥ 0
   */
  stepMs(tokens: number, contextTokens: number, sequences: number): number;
  /** ms. No step with as many tokens and sequences, and with as much context or more, is shorter. */
  leastStepMs(tokens: number, contextTokens: number, sequences: number): number;
}

/** The formula of {@link Hardware}, to the letter. */
export class LinearStepTimes implements StepTimes {
  readonly #hw: Hardware;

  constructor(hw: Hardware) {
    this.#hw = hw;
  }

  stepMs(tokens: number, contextTokens: number, sequences: number): number {
    return stepMs(this.#hw, tokens, contextTokens, sequences);
  }

  leastStepMs(tokens: number, contextTokens: number, sequences: number): number {
    return stepMs(this.#hw, tokens, contextTokens, sequences);
  }
}
