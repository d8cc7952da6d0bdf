/** What an API of a simulated server is: how it reads a request, and how it writes the answer. */
import type { Form } from "../multipart.ts";
import type { ErrorForm } from "../refusal.ts";
import type { Json } from "../request-fields.ts";
import type { Usage, UsageReport } from "../usage.ts";

export interface Api {
  /** Labels its totals. */
  readonly name: string;
  /** Whole paths; `{id}` in the place of the last part stands for the rest of the path. */
  readonly paths: readonly string[];
  readonly method: "GET" | "POST";
  /** What its requests carry. */
  readonly body: "none" | "json" | "form";
  readonly errorForm: ErrorForm;
  /** The shortest JSON that it takes, in the place of one that is too long to be parsed. */
  readonly least?: Json;
  /** @throws Refusal */
  plan(call: Call, server: ServerFacts): Plan;
}

/** A request as an API is given it. */
export interface Call {
  readonly path: string;
  /** What stands for `{id}`; empty where the path has none. */
  readonly id: string;
  /** Empty unless the API takes JSON. */
  readonly json: Json;
  /** Empty unless the API takes a form. */
  readonly form: Form;
}

export interface ServerFacts {
  /** The base model's names, first the one that answers a request that names none. */
  readonly models: readonly string[];
  readonly adapters: readonly string[];
  /** Unix seconds. */
  readonly startedS: number;
  /** Most tokens of prompt and answer together. */
  readonly maxModelTokens: number;
}

/** Work for the engine, or an answer that needs none. */
export type Plan = Work | DirectAnswer;

export interface DirectAnswer {
  readonly kind: "direct";
  /** Checked against the models served where it is named. */
  readonly model?: string | undefined;
  readonly json: unknown;
}

export interface Work {
  readonly kind: "work";
  /** As the client named it; undefined: the base model. */
  readonly model: string | undefined;
  readonly cacheSalt: string | undefined;
  readonly prompts: readonly Prompt[];
  /** Answers to each prompt, ≥ 1; choice `c` belongs to prompt `⌊c / copies⌋`. */
  readonly copies: number;
  /**
   * The answer's tokens; undefined: as many as the server draws, then the answer stops by itself. 0: the
   * prompt is computed and nothing is sampled.
   */
  readonly maxTokens: number | undefined;
  /** The answer stops by itself though `maxTokens` is given. */
  readonly stops?: boolean;
  answer(head: AnswerHead): Answer;
}

export interface Prompt {
  /** Rendered; four bytes a token. */
  readonly text: Buffer;
  /** In the place of what the text has, for what is not there as text; nothing of it is cached. */
  readonly tokens?: number;
}

export interface AnswerHead {
  /** Sixteen hexadecimal digits. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** Name that the answer bears. */
  readonly model: string;
}

/**
 * - `stop`: the answer ended by itself
 * - `length`: its limit ended it
 */
export type FinishReason = "stop" | "length";

export type Answer = WholeAnswer | StreamAnswer;

export interface WholeAnswer {
  readonly kind: "whole";
  readonly contentType: string;
  readonly reports: UsageReport;
  body(result: Result): string | Buffer;
}

export interface StreamAnswer {
  readonly kind: "stream";
  readonly contentType: string;
  readonly reports: UsageReport;
  /** What a choice's next tokens send. */
  piece(piece: Piece): string | Buffer;
  /** What comes behind the last piece of the last choice. */
  close(result: Result): string | Buffer;
}

/** Tokens that one choice got since its last piece. */
export interface Piece {
  readonly choice: number;
  readonly text: string;
  readonly isFirst: boolean;
  /** Set on the choice's last piece. */
  readonly finish: FinishReason | null;
  /** No piece of any choice follows. */
  readonly isLast: boolean;
  /** Of the answer up to this piece. */
  readonly usage: Usage;
}

export interface Choice {
  readonly text: string;
  readonly finish: FinishReason;
}

export interface Result {
  readonly choices: readonly Choice[];
  readonly usage: Usage;
}

export const JSON_TYPE = "application/json";
export const EVENT_STREAM_TYPE = "text/event-stream; charset=utf-8";

/** A server-sent event, with the name that APIs of typed events give it. */
export function event(json: unknown, name?: string): string {
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(json)}\n\n`;
}

export const DONE_EVENT = "data: [DONE]\n\n";
