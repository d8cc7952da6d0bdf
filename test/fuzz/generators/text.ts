import type { Dice } from "../dice.ts";

const WORDS = ["the", "model", "server", "answers", "a", "prompt", "of", "tokens", "and", "stops", "x"];
const LINES = ['He said: "jump".\n', "\tindented\r\n", "C:\\models\\llama\n", "end of line \\\n"];
const WIDE = ["é", "ß", "Ω", "ж", "א", "漢", "字", "が", "한", "€", "\u2028", "\ufeff", "\u007f", "\u0080"];
const ASTRAL = ["🙂", "𝒳", "\u{10ffff}", "\u{10000}", "👩‍👩‍👧"];
const LIKE_JSON = [
  '{"model":"inner","stream":true}',
  '","model":"injected","x":"',
  '"}],"model":"x"',
  "[[[{{{",
  "]}]}",
  '\\","model":1',
  "data: [DONE]\n\n",
  '"usage":{"prompt_tokens":9}',
];
const LONE = ["\ud800", "\udbff", "\udc00", "\udfff", "\ud83d", "\ude42"];
const CONTROLS = ["\u0000", "\u0001", "\b", "\t", "\n", "\f", "\r", "\u001f"];

type Flavour =
  | "empty"
  | "word"
  | "words"
  | "lines"
  | "wide"
  | "astral"
  | "json"
  | "slashes"
  | "controls"
  | "lone";

const FLAVOURS: readonly (readonly [number, Flavour])[] = [
  [5, "empty"],
  [30, "word"],
  [20, "words"],
  [12, "lines"],
  [10, "wide"],
  [5, "astral"],
  [8, "json"],
  [6, "slashes"],
  [3, "controls"],
  [3, "lone"],
];

/** Text as a prompt may have it, up to `most` UTF-16 units or a few more: what strings get wrong is common. */
export function someText(dice: Dice, most = 4096): string {
  const flavour = dice.weighted(FLAVOURS);
  if (flavour === "empty" || most === 0) return "";
  if (flavour === "word") return dice.pick(WORDS);
  const pieces = 1 + dice.length(6, most / 4);
  let text = "";
  for (let piece = 0; piece < pieces && text.length < most; piece++) text += somePiece(dice, flavour);
  // Blocks of 16 and 64 bytes are scanned at once: what is special moves over their borders.
  if (dice.percent(10)) text = "p".repeat(dice.below(130)) + text;
  return text;
}

function somePiece(dice: Dice, flavour: Flavour): string {
  const plain = dice.percent(30) ? `${dice.pick(WORDS)} ` : "";
  switch (flavour) {
    case "lines":
      return plain + dice.pick(LINES);
    case "wide":
      return plain + dice.pick(WIDE).repeat(1 + dice.length(2, 40));
    case "astral":
      return plain + dice.pick(ASTRAL);
    case "json":
      return plain + dice.pick(LIKE_JSON);
    case "slashes":
      return plain + "\\".repeat(dice.length(3, 70)) + (dice.percent(50) ? '"' : "");
    case "controls":
      return plain + dice.pick(CONTROLS);
    case "lone":
      return plain + dice.pick(LONE);
    default:
      return `${dice.pick(WORDS)} `;
  }
}
