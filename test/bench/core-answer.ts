/**
 * How long the compiled core takes for reading and for editing answers, in this process. Prints one JSON object:
 * ns per event of a chat stream whose events come one by one, and per byte of text in a JSON answer; medians of
 * several runs with their extremes.
 *
 *   node --import tsx test/bench/core-answer.ts
 */
import { pathToFileURL } from "node:url";
import { dataEvent } from "../core/answers.ts";
import { Core } from "../core/core.ts";
import { Answers } from "../core/response.ts";
import { type Spread, spread } from "./core-pick.ts";

const EVENTS = 500;
/** As Envoy hands long answers over. */
const PIECE_BYTES = 16_384;
const LINE = "The quick brown fox jumps over the lazy dog, and over many others as well, he said.\n";

/** An event of a vLLM's chat stream. */
const EVENT = dataEvent({
  id: "chatcmpl-98ac2258ad5e2b1a",
  object: "chat.completion.chunk",
  created: 1795542374,
  model: "tiny-llama",
  choices: [{ index: 0, delta: { content: " words" }, logprobs: null, finish_reason: null, token_ids: null }],
});

/** A JSON answer of about `bytes` bytes of text. */
function jsonAnswer(bytes: number): string {
  const message = { role: "assistant", content: LINE.repeat(bytes / LINE.length) };
  const usage = { prompt_tokens: 5, total_tokens: 10, completion_tokens: 5 };
  return JSON.stringify({ id: "x", model: "tiny-llama", choices: [{ index: 0, message }], usage });
}

/** The spread of `work` over `rounds` rounds, divided by `parts`, in ns. */
function each(parts: number, work: (rounds: number) => void): Spread {
  const { median, min, max } = spread(work);
  return { median: median / parts, min: min / parts, max: max / parts };
}

export function measureReading(text: string, piece: number, parts: number): Spread {
  const core = new Core();
  const { exports } = new Answers(core);
  const bytes = Buffer.from(text);
  const ptr = core.put(bytes);
  return each(parts, (rounds) => exports.benchResponse(ptr, bytes.length, piece, rounds));
}

export function measureEditing(text: string, piece: number, parts: number): Spread {
  const core = new Core();
  const answers = new Answers(core);
  answers.begin({ target: "tiny-llama", name: "a-name-of-the-client", stripUsage: true });
  const bytes = Buffer.from(text);
  const ptr = core.put(bytes);
  return each(parts, (rounds) => answers.exports.benchEdit(ptr, bytes.length, piece, rounds));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const stream = EVENT.repeat(EVENTS);
  const json = jsonAnswer(200_000);
  const result = {
    eventBytes: EVENT.length,
    readEventNs: measureReading(stream, EVENT.length, EVENTS),
    editEventNs: measureEditing(stream, EVENT.length, EVENTS),
    readTextNsPerByte: measureReading(json, PIECE_BYTES, json.length),
    editTextNsPerByte: measureEditing(json, PIECE_BYTES, json.length),
  };
  console.log(JSON.stringify(result, null, 2));
}
