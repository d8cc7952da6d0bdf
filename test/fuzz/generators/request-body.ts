import type { Dice } from "../dice.ts";
import { JsonWriter, someStyle } from "./json-writer.ts";
import { someText } from "./text.ts";

type Member = readonly [key: string, value: () => void];

/** Parts of a message that are media, and some that are not. */
const PART_TYPES = [
  ...["image_url", "input_image", "image", "input_audio", "audio_url", "video_url", "file", "input_file"],
  ...["document", "text", "input_text", "output_text", "tool_use", "tool_result", "thinking", "refusal"],
  ...["images", "imag", "image_urls", "", "Image", "file_url"],
];
const ROLES = ["system", "user", "assistant", "tool", "developer"];
const MODELS = ["llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct", "tuned", "gpt-4o", "m"];
/** Almost a key that is read. */
const NEAR_KEYS = [
  ...["Model", "models", "mode", "model ", " model", "model\u0000", "modelo", "stream_option", "streams"],
  ...[
    "max_token",
    "max_tokens_",
    "cache-salt",
    "cache_salts",
    "users",
    "N",
    "nn",
    "message",
    "include_usage",
  ],
  ...["__proto__", "constructor", "toString", "0", "", "role", "content", "type"],
];
const TEMPLATES = ["chat", "completions", "responses", "embeddings", "anthropic", "vllm", "loose"] as const;

/**
 * The body of one request, as an API has it, with what may go wrong: members in any order, twice, of other types, keys
 * escaped or nearly right. `damage` is the percentage of tokens that are broken.
 */
export function requestBody(dice: Dice, damage = 0): Buffer {
  const body = new BodyWriter(dice, damage);
  return Buffer.from(body.write(dice.pick(TEMPLATES)));
}

class BodyWriter {
  readonly #dice: Dice;
  readonly #json: JsonWriter;

  constructor(dice: Dice, damage: number) {
    this.#dice = dice;
    this.#json = new JsonWriter(dice, someStyle(dice, damage));
  }

  write(template: (typeof TEMPLATES)[number]): string {
    const dice = this.#dice;
    const members = [...this.#prompt(template), ...this.#settings()];
    if (dice.percent(40)) dice.shuffle(members);
    // Members that come twice count the last time.
    while (dice.percent(12)) members.splice(dice.below(members.length + 1), 0, this.#again(members));
    while (dice.percent(12)) members.splice(dice.below(members.length + 1), 0, this.#other());
    if (dice.percent(1)) members.push(["deep", () => this.#json.nest(dice.pick([3, 60, 64, 65, 200]))]);
    if (dice.percent(0.3)) members.push(["deep", () => this.#json.nest(dice.between(1020, 1026))]);
    this.#json.object(members);
    return this.#json.text;
  }

  #prompt(template: (typeof TEMPLATES)[number]): Member[] {
    const json = this.#json;
    switch (template) {
      case "chat":
        return [this.#messages("messages"), ...this.#tools(), ...this.#streamOptions()];
      case "completions":
        return [["prompt", () => this.#prompts()], ...this.#streamOptions()];
      case "responses":
        return [
          this.#dice.percent(60) ? this.#messages("input") : ["input", () => this.#prompts()],
          ["instructions", () => this.#text()],
          ...this.#tools(),
        ];
      case "embeddings":
        return [
          ["input", () => this.#prompts()],
          ["encoding_format", () => json.string("float")],
        ];
      case "anthropic":
        return [["system", () => this.#content(1)], this.#messages("messages"), ...this.#tools()];
      case "vllm":
        return this.#dice.percent(50)
          ? [
              ["query", () => this.#text()],
              ["documents", () => this.#prompts()],
            ]
          : [
              ["text_1", () => this.#text()],
              ["text_2", () => this.#prompts()],
              ["prompt", () => this.#text()],
            ];
      case "loose":
        return [];
    }
  }

  #settings(): Member[] {
    const dice = this.#dice;
    const json = this.#json;
    const members: Member[] = [];
    const maybe = (percent: number, key: string, value: () => void): void => {
      if (dice.percent(percent)) members.push([key, value]);
    };
    maybe(90, "model", () => this.#ofType(() => this.#model()));
    maybe(50, "stream", () => this.#ofType(() => json.word(dice.pick(["true", "false"]))));
    for (const key of ["max_tokens", "max_completion_tokens", "max_output_tokens", "n", "priority"])
      maybe(20, key, () => this.#ofType(() => json.number()));
    maybe(20, "cache_salt", () => this.#ofType(() => this.#salt()));
    maybe(20, "user", () => this.#ofType(() => this.#salt()));
    maybe(30, "temperature", () => json.number());
    maybe(10, "metadata", () => json.object([...this.#decoys()]));
    maybe(10, "stop", () => json.any(2));
    maybe(10, "response_format", () => json.any(4));
    return members;
  }

  /** Members of the names that count, where they do not. */
  #decoys(): Member[] {
    const json = this.#json;
    return [
      ["model", () => json.string("decoy")],
      ["stream", () => json.word("true")],
      ["max_tokens", () => json.number()],
      ["cache_salt", () => json.any(1)],
      ["messages", () => json.array([() => json.any(1)])],
    ];
  }

  #again(members: readonly Member[]): Member {
    const dice = this.#dice;
    const [key, value] = members.length > 0 ? dice.pick(members) : this.#other();
    return dice.percent(50) ? [key, value] : [key, () => this.#json.any(2)];
  }

  #other(): Member {
    const dice = this.#dice;
    return [dice.percent(60) ? dice.pick(NEAR_KEYS) : someText(dice, 40), () => this.#json.any(3)];
  }

  /** What the key asks for; sometimes a value of another type. */
  #ofType(value: () => void): void {
    if (this.#dice.percent(8)) this.#json.any(2);
    else value();
  }

  #text(): void {
    this.#ofType(() => this.#json.string(someText(this.#dice)));
  }

  #model(): void {
    const dice = this.#dice;
    const name = dice.weighted<() => string>([
      [70, () => dice.pick(MODELS)],
      [25, () => someText(dice, 100)],
      [3, () => "m".repeat(dice.between(1020, 1028))],
      [2, () => "é🙂".repeat(170) + "x".repeat(dice.below(8))],
    ]);
    this.#json.string(name());
  }

  #salt(): void {
    const dice = this.#dice;
    this.#json.string(dice.percent(5) ? "s".repeat(dice.between(253, 259)) : someText(dice, 60));
  }

  #prompts(): void {
    const json = this.#json;
    const dice = this.#dice;
    const many = <T>(make: () => T): T[] => Array.from({ length: dice.length(3, 20) }, make);
    const form = dice.below(8);
    if (form < 4) this.#text();
    else if (form < 6) json.array(many(() => () => this.#text()));
    else if (form === 6) json.array(many(() => () => json.number(String(dice.below(128_256)))));
    else json.array(many(() => () => json.array(many(() => () => json.number("17")))));
  }

  #messages(key: string): Member {
    const count = this.#dice.length(2, 12);
    return [
      key,
      () => this.#ofType(() => this.#json.array(Array.from({ length: count }, () => () => this.#message()))),
    ];
  }

  #message(): void {
    const dice = this.#dice;
    if (dice.percent(4)) {
      this.#json.any(2);
      return;
    }
    const members: Member[] = [
      ["role", () => this.#json.string(dice.pick(ROLES))],
      ["content", () => this.#content(2)],
    ];
    if (dice.percent(8)) members.push(["content", () => this.#content(1)]);
    if (dice.percent(8)) members.push(["tool_calls", () => this.#json.any(3)]);
    if (dice.percent(8)) members.push(["name", () => this.#text()]);
    if (dice.percent(20)) dice.shuffle(members);
    this.#json.object(members);
  }

  /** A message's content: text, or parts; parts in parts count for nothing. */
  #content(depth: number): void {
    const dice = this.#dice;
    if (dice.percent(depth > 0 ? 65 : 100)) {
      this.#text();
      return;
    }
    const parts = Array.from({ length: dice.length(3, 12) }, () => () => this.#part(depth));
    if (dice.percent(95)) this.#json.array(parts);
    else this.#part(depth);
  }

  #part(depth: number): void {
    const dice = this.#dice;
    const json = this.#json;
    if (dice.percent(5)) {
      json.any(1);
      return;
    }
    const type = dice.pick(PART_TYPES);
    const members: Member[] = [["type", () => this.#ofType(() => json.string(type))]];
    if (dice.percent(50)) members.push(["text", () => this.#text()]);
    if (dice.percent(25)) members.push(["image_url", () => json.object([["url", () => this.#image()]])]);
    if (dice.percent(15)) members.push(["content", () => this.#content(depth - 1)]);
    if (dice.percent(15)) members.push(["source", () => json.object([["type", () => json.string("image")]])]);
    if (dice.percent(6)) members.push(["type", () => json.string(dice.pick(PART_TYPES))]);
    if (dice.percent(40)) dice.shuffle(members);
    json.object(members);
  }

  #image(): void {
    const bytes = this.#dice.percent(2) ? this.#dice.length(2000, 60_000) : this.#dice.length(40, 300);
    const base64 = "iVBORw0KGgo/+AAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ".repeat(1 + bytes / 46).slice(0, bytes);
    this.#json.string(`data:image/png;base64,${base64}`);
  }

  #tools(): Member[] {
    const json = this.#json;
    if (this.#dice.percent(60)) return [];
    const tool = (): void => {
      json.object([
        ["type", () => json.string("function")],
        ["function", () => json.object(this.#decoys())],
      ]);
    };
    const count = this.#dice.length(2, 8);
    return [["tools", () => this.#ofType(() => json.array(Array.from({ length: count }, () => tool)))]];
  }

  #streamOptions(): Member[] {
    const dice = this.#dice;
    const json = this.#json;
    if (dice.percent(60)) return [];
    const usage: Member = [
      "include_usage",
      () => this.#ofType(() => json.word(dice.pick(["true", "false"]))),
    ];
    const members: Member[] = dice.percent(85) ? [usage] : [];
    if (dice.percent(15)) members.push(usage);
    if (dice.percent(20)) members.push(["continuous_usage_stats", () => json.word("true")]);
    if (dice.percent(10)) members.push(["nested", () => json.object([usage])]);
    if (dice.percent(10)) members.push(this.#other());
    if (dice.percent(50)) dice.shuffle(members);
    return [["stream_options", () => this.#ofType(() => json.object(members))]];
  }
}
