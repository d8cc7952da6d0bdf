import type { Dice } from "../dice.ts";
import { type JsonStyle, JsonWriter, PLAIN, someStyle } from "./json-writer.ts";
import { someText } from "./text.ts";
import { type UsageForm, writeUsage } from "./usage.ts";

type Member = readonly [key: string, value: () => void];

const MODEL = "llama-3.1-8b";
const FORMS: readonly UsageForm[] = [
  ...(["chat", "responses", "anthropic", "embeddings", "rerank", "tokens", "duration"] as const),
];

/** An answer that is one JSON object, in the form of one API, with `usage` at its place or without. */
export function jsonAnswer(dice: Dice): Buffer {
  const json = new JsonWriter(dice, dice.percent(70) ? PLAIN : answerStyle(dice));
  if (dice.percent(6)) writeError(dice, json);
  else writeAnswer(dice, json, dice.pick(FORMS));
  return Buffer.from(json.text);
}

/** No server escapes its keys. */
function answerStyle(dice: Dice): JsonStyle {
  return { ...someStyle(dice, 0), escapedKeys: false };
}

function writeAnswer(dice: Dice, json: JsonWriter, form: UsageForm): void {
  const members: Member[] = [
    ["id", () => json.string("chatcmpl-1")],
    ["object", () => json.string("chat.completion")],
    ["model", () => json.string(MODEL)],
    ["choices", () => writeChoices(dice, json, "message")],
  ];
  if (dice.percent(85)) members.push(["usage", () => writeUsageOrNull(dice, json, form)]);
  if (dice.percent(20)) dice.shuffle(members);
  json.object(members);
}

function writeUsageOrNull(dice: Dice, json: JsonWriter, form: UsageForm): void {
  if (dice.percent(6)) json.word("null");
  else writeUsage(dice, json, form);
}

function writeChoices(dice: Dice, json: JsonWriter, key: "message" | "delta"): void {
  const choice = (): void =>
    json.object([
      ["index", () => json.number("0")],
      [key, () => json.object(content(dice, json))],
      ["finish_reason", () => (dice.percent(20) ? json.string("stop") : json.word("null"))],
    ]);
  json.array(Array.from({ length: dice.percent(90) ? 1 : dice.below(4) }, () => choice));
}

function content(dice: Dice, json: JsonWriter): Member[] {
  const members: Member[] = [["content", () => json.string(someText(dice, 80))]];
  if (dice.percent(10)) members.unshift(["role", () => json.string("assistant")]);
  // A tool's arguments are JSON in a string: the quotes of a key `usage` in it are escaped.
  if (dice.percent(8)) members.push(["arguments", () => json.string('{"usage":{"prompt_tokens":99}}')]);
  if (dice.percent(4)) members.push(["usage", () => json.string("not an object")]);
  return members;
}

function writeError(dice: Dice, json: JsonWriter): void {
  const error = (): void =>
    json.object([
      ["message", () => json.string(someText(dice, 80))],
      ["type", () => json.string("BadRequestError")],
      ["code", () => json.number("400")],
    ]);
  if (dice.percent(50)) json.object([["error", error]]);
  else
    json.object([
      ["object", () => json.string("error")],
      ["message", () => json.string(someText(dice, 80))],
    ]);
}

/** How the lines of a stream are written. */
interface Lines {
  readonly end: string;
  readonly dataPrefix: string;
}

const STREAMS = ["chat", "completions", "responses", "anthropic"] as const;

/** A stream of server-sent events as one API sends it, whole or broken off. */
export function eventStream(dice: Dice): Buffer {
  const lines: Lines = {
    end: dice.weighted([
      [80, "\n"],
      [20, "\r\n"],
    ]),
    dataPrefix: dice.percent(85) ? "data: " : "data:",
  };
  const stream = new StreamWriter(dice, lines);
  stream.write(dice.pick(STREAMS));
  const bytes = Buffer.from(stream.text);
  return dice.percent(12) ? bytes.subarray(0, dice.below(bytes.length + 1)) : bytes;
}

class StreamWriter {
  text = "";
  readonly #dice: Dice;
  readonly #lines: Lines;

  constructor(dice: Dice, lines: Lines) {
    this.#dice = dice;
    this.#lines = lines;
  }

  write(api: (typeof STREAMS)[number]): void {
    const tokens = this.#dice.length(4, 40);
    if (api === "responses") this.#responses(tokens);
    else if (api === "anthropic") this.#anthropic(tokens);
    else this.#choices(tokens);
  }

  #choices(tokens: number): void {
    const dice = this.#dice;
    const continuous = dice.percent(20);
    for (let token = 0; token < tokens; token++) {
      this.#event(undefined, (json) => {
        const members = this.#chunk(json);
        if (continuous) members.push(["usage", () => writeUsageOrNull(dice, json, "chat")]);
        else if (dice.percent(10)) members.push(["usage", () => json.word("null")]);
        json.object(members);
      });
    }
    if (dice.percent(75)) {
      this.#event(undefined, (json) => {
        json.object([
          ["id", () => json.string("chatcmpl-1")],
          ["choices", () => json.array([])],
          ["usage", () => writeUsageOrNull(dice, json, "chat")],
        ]);
      });
    }
    if (dice.percent(3)) this.#event(undefined, (json) => writeError(dice, json));
    if (dice.percent(90)) this.#line(`${this.#lines.dataPrefix}[DONE]`, "");
  }

  #chunk(json: JsonWriter): Member[] {
    return [
      ["id", () => json.string("chatcmpl-1")],
      ["object", () => json.string("chat.completion.chunk")],
      ["model", () => json.string(MODEL)],
      ["choices", () => writeChoices(this.#dice, json, "delta")],
    ];
  }

  #responses(tokens: number): void {
    const response = (json: JsonWriter, type: string, usage: boolean): void => {
      json.object([
        ["type", () => json.string(type)],
        ["sequence_number", () => json.number("1")],
        [
          "response",
          () =>
            json.object([
              ["id", () => json.string("resp_1")],
              ["model", () => json.string(MODEL)],
              ["usage", () => (usage ? writeUsageOrNull(this.#dice, json, "responses") : json.word("null"))],
            ]),
        ],
      ]);
    };
    this.#event("response.created", (json) => response(json, "response.created", false));
    for (let token = 0; token < tokens; token++) this.#delta("response.output_text.delta");
    if (this.#dice.percent(90))
      this.#event("response.completed", (json) => response(json, "response.completed", true));
  }

  #anthropic(tokens: number): void {
    const dice = this.#dice;
    this.#event("message_start", (json) => {
      const message = (): void =>
        json.object([
          ["id", () => json.string("msg_1")],
          ["model", () => json.string(MODEL)],
          ["content", () => json.array([])],
          ["usage", () => writeUsageOrNull(dice, json, "anthropic")],
        ]);
      json.object([
        ["type", () => json.string("message_start")],
        ["message", message],
      ]);
    });
    if (dice.percent(30)) this.#event("ping", (json) => json.object([["type", () => json.string("ping")]]));
    for (let token = 0; token < tokens; token++) this.#delta("content_block_delta");
    if (dice.percent(4)) {
      this.#event("error", (json) =>
        json.object([
          ["type", () => json.string("error")],
          ["error", () => json.any(1)],
        ]),
      );
    }
    this.#event("message_delta", (json) => {
      json.object([
        ["type", () => json.string("message_delta")],
        ["delta", () => json.object([["stop_reason", () => json.string("end_turn")]])],
        ["usage", () => this.#deltaUsage(json)],
      ]);
    });
    if (dice.percent(90)) {
      this.#event("message_stop", (json) => json.object([["type", () => json.string("message_stop")]]));
    }
  }

  #deltaUsage(json: JsonWriter): void {
    if (this.#dice.percent(30)) writeUsageOrNull(this.#dice, json, "anthropic");
    else json.object([["output_tokens", () => json.number(String(this.#dice.below(5000)))]]);
  }

  #delta(type: string): void {
    this.#event(type, (json) => {
      json.object([
        ["type", () => json.string(type)],
        ["delta", () => (this.#dice.percent(50) ? json.string(someText(this.#dice, 60)) : json.any(2))],
      ]);
    });
  }

  /** One event; sometimes with comments and fields that say nothing here, and rarely over several data lines. */
  #event(name: string | undefined, write: (json: JsonWriter) => void): void {
    const dice = this.#dice;
    const json = new JsonWriter(dice, dice.percent(90) ? PLAIN : { ...PLAIN, escapes: 10 });
    write(json);
    const lines: string[] = [];
    if (dice.percent(3)) lines.push(`: ${dice.pick(["ping", "OPENROUTER PROCESSING", ""])}`);
    if (name !== undefined) lines.push(`event: ${name}`);
    if (dice.percent(3)) lines.push(`id: ${dice.below(1000)}`);
    if (dice.percent(1)) lines.push("retry: 3000");
    this.#line(...lines, `${this.#lines.dataPrefix}${json.text}`, "");
    if (dice.percent(3)) this.#line("");
    if (dice.percent(3)) this.#line(":", "");
  }

  #line(...lines: readonly string[]): void {
    for (const line of lines) this.text += line + this.#lines.end;
  }
}
