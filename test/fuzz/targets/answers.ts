import type { Dice } from "../dice.ts";
import { eventStream, jsonAnswer } from "../generators/answers.ts";
import { mutated } from "../generators/mutations.ts";
import { expectedAnswer } from "../oracles/answer.ts";
import { shrinkBytes } from "../shrink.ts";
import { agree, type Target, type Verdict } from "../target.ts";
import { type ProbedExports, ScannerProbe } from "./scanner-probe.ts";

/** What the reader tells of an answer, by the names of the core's exports. */
const FIELDS = [
  "responseIsJson",
  "responseIsEventStream",
  "responseIsError",
  "responseDone",
  "responseEvents",
  "responseContentEvents",
  "responseUsageSeen",
  "responsePromptTokens",
  "responseCompletionTokens",
  "responseCachedTokens",
] as const;

const EXPORTS: ProbedExports = {
  begin: "responseReset",
  feed: "responseFeed",
  finish: "responseFinish",
  fields: FIELDS,
  texts: [],
};
/** Longer answers are not fed byte by byte. */
const MOST_BYTEWISE_BYTES = 2048;

/** Answers of model servers: what the reader counts in them, however they are cut. */
export class Answers implements Target<Uint8Array> {
  readonly name: string;
  readonly #probe = new ScannerProbe(EXPORTS);
  readonly #make: (dice: Dice) => Buffer;

  constructor(name: string, make: (dice: Dice) => Buffer) {
    this.name = name;
    this.#make = make;
  }

  generate(dice: Dice): Uint8Array {
    const answer = this.#make(dice);
    return dice.percent(20) ? mutated(dice, answer, this.#make(dice)) : answer;
  }

  /** `refused`: something in it is no JSON, so that only its events can be counted. */
  check(answer: Uint8Array, dice: Dice): Verdict {
    const probe = this.#probe;
    const whole = probe.whole(answer, dice);
    probe.compare("in pieces", whole, probe.pieces(answer, dice));
    if (answer.length <= MOST_BYTEWISE_BYTES) probe.compare("byte by byte", whole, probe.bytewise(answer));
    const expected = expectedAnswer(answer);
    const said = (field: (typeof FIELDS)[number]): number | bigint => whole.fields[FIELDS.indexOf(field)]!;
    const same = (field: (typeof FIELDS)[number], value: boolean | number | bigint): void => {
      agree(field, typeof value === "boolean" ? Number(value) : value, said(field));
    };
    same("responseIsJson", expected.isJson);
    same("responseIsEventStream", expected.isEventStream);
    same("responseEvents", expected.events);
    const { contentEvents, done, isError, usage } = expected;
    if (contentEvents === undefined || done === undefined || isError === undefined || usage === undefined) {
      return "refused";
    }
    same("responseContentEvents", contentEvents);
    same("responseDone", done);
    same("responseIsError", isError);
    same("responseUsageSeen", usage.seen);
    same("responsePromptTokens", usage.prompt);
    same("responseCompletionTokens", usage.completion);
    same("responseCachedTokens", usage.cached);
    return "accepted";
  }

  shrink(answer: Uint8Array, fails: (answer: Uint8Array) => boolean): Uint8Array {
    return shrinkBytes(answer, fails);
  }

  encode(answer: Uint8Array): Uint8Array {
    return answer;
  }

  decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

export function eventStreams(): Answers {
  return new Answers("event streams", eventStream);
}

export function jsonAnswers(): Answers {
  return new Answers("JSON answers", jsonAnswer);
}
