import type { Dice } from "../dice.ts";
import type { JsonWriter } from "./json-writer.ts";

type Member = readonly [key: string, value: () => void];

/** Whose words an answer counts its tokens in. */
export type UsageForm = "chat" | "responses" | "anthropic" | "embeddings" | "rerank" | "tokens" | "duration";

const COUNTS = ["0", "1", "13", "512", "8192", "128000", "4294967296", "9007199254740991"];
/** What is no count of tokens. */
const NO_COUNTS = ["-1", "1.5", "1e3", "9007199254740992", "18446744073709551616", "-0", "0.0"];

/** The value of a `usage` key: counts as the API writes them, some left out, some of other types. */
export function writeUsage(dice: Dice, json: JsonWriter, form: UsageForm): void {
  if (dice.percent(3)) {
    json.any(2);
    return;
  }
  const members = membersOf(dice, json, form).filter(() => !dice.percent(8));
  if (dice.percent(20)) dice.shuffle(members);
  if (dice.percent(8)) members.splice(dice.below(members.length + 1), 0, [other(dice), () => json.any(2)]);
  json.object(members);
}

function membersOf(dice: Dice, json: JsonWriter, form: UsageForm): Member[] {
  const member = (key: string): Member => [key, () => writeCount(dice, json)];
  const cached = (): void => {
    if (dice.percent(20)) json.word("null");
    else json.object([member("audio_tokens"), member("cached_tokens")].filter(() => !dice.percent(15)));
  };
  const reasoning = (): void => json.object([member("reasoning_tokens")]);
  switch (form) {
    case "chat":
      return [
        member("prompt_tokens"),
        member("total_tokens"),
        member("completion_tokens"),
        ["prompt_tokens_details", cached],
        ["completion_tokens_details", dice.percent(50) ? reasoning : () => json.word("null")],
      ];
    case "responses":
      return [
        member("input_tokens"),
        ["input_tokens_details", cached],
        member("output_tokens"),
        ["output_tokens_details", reasoning],
        member("total_tokens"),
      ];
    case "anthropic":
      return [
        member("input_tokens"),
        member("cache_creation_input_tokens"),
        member("cache_read_input_tokens"),
        [
          "cache_creation",
          () => json.object([member("ephemeral_5m_input_tokens"), member("ephemeral_1h_input_tokens")]),
        ],
        member("output_tokens"),
        ["server_tool_use", () => json.object([["web_search_requests", () => json.number("1")]])],
        ["service_tier", () => json.string("standard")],
      ];
    case "embeddings":
      return [member("prompt_tokens"), member("total_tokens")];
    case "rerank":
      return [member("total_tokens")];
    case "tokens":
      return [
        ["type", () => json.string("tokens")],
        member("input_tokens"),
        ["input_token_details", () => json.object([member("text_tokens"), member("audio_tokens")])],
        member("output_tokens"),
        member("total_tokens"),
      ];
    case "duration":
      return [["type", () => json.string("duration")], member("seconds")];
  }
}

function writeCount(dice: Dice, json: JsonWriter): void {
  if (dice.percent(90)) json.number(dice.percent(60) ? String(dice.below(5000)) : dice.pick(COUNTS));
  else if (dice.percent(60)) json.number(dice.pick(NO_COUNTS));
  else json.any(1);
}

function other(dice: Dice): string {
  return dice.pick(["prompt_token", "tokens", "cached_tokens", "output_tokens_", "Usage", "usage", "cost"]);
}
