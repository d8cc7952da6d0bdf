import type { Dice } from "../dice.ts";
import { someText } from "./text.ts";

/** How a document is written: percentages of the places where something may stand. */
export interface JsonStyle {
  /** White space between tokens. */
  readonly spaces: number;
  /** An escape for a character that needs none. */
  readonly escapes: number;
  /** Keys have such escapes too. */
  readonly escapedKeys: boolean;
  /** A token that JSON does not know, in place of a good one. */
  readonly damage: number;
}

/** What clients send: no space, or a little. */
export const PLAIN: JsonStyle = { spaces: 0, escapes: 0, escapedKeys: false, damage: 0 };

export function someStyle(dice: Dice, damage: number): JsonStyle {
  return {
    spaces: dice.pick([0, 0, 0, 5, 40]),
    escapes: dice.pick([0, 0, 0, 3, 50, 100]),
    escapedKeys: true,
    damage,
  };
}

const SPACES = [" ", " ", "\n", "\t", "\r", "\r\n  ", "                                 "];
const NUMBERS = [
  ...["0", "1", "7", "16", "512", "-1", "-0", "0.5", "1.0", "1e2", "1E+2", "12e-3", "-0.0e0"],
  ...["2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "4294967297"],
  ...["9007199254740991", "9007199254740993", "18446744073709551615", "18446744073709551616"],
  ...["1e999", "-1e999", "0.1e-400", "100000000000000000000000000000000000000000", "3.141592653589793238"],
];
const BAD_NUMBERS = [
  ...["01", "-01", "00", "1.", ".5", "+1", "1e", "1e+", "1E-", "-", "--1", "0x10", "1_000", "1.e3", "1.2.3"],
  ...["1e1.5", "-a", "1a", "Infinit", "-Infinitx", "NaNN", "Na", "-NaN", "+Infinity", "1Infinity", "١"],
];
const PYTHON_NUMBERS = ["NaN", "Infinity", "-Infinity"];
const BAD_WORDS = [
  "tru",
  "truee",
  "True",
  "False",
  "None",
  "nul",
  "nulll",
  "undefined",
  "fals",
  "t",
  "n",
  "'x'",
];
const BAD_STRINGS = [
  ...['"\\x"', '"\\u12"', '"\\u12G4"', '"\\', '"\\uD83D\\u"', '"\\U0041"', '"\\0"', '"\\\'"', '"\\u+123"'],
  ...['"a\nb"', '"\u0000"', '"\u001f"', '"\t"', '"open', "'single'", '"\\u 041"'],
];
const BAD_COMMAS = ["", ",,", ";", " ", ",]", ",}"];
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "/": "\\/",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Writes the text of one JSON document token by token, each in the form that chance and style choose. */
export class JsonWriter {
  text = "";
  readonly dice: Dice;
  readonly style: JsonStyle;

  constructor(dice: Dice, style: JsonStyle) {
    this.dice = dice;
    this.style = style;
  }

  /** `{…}`: each entry writes a member's value. A key may come twice. */
  object(members: readonly (readonly [key: string, value: () => void])[]): void {
    this.#open("{");
    members.forEach(([key, value], index) => {
      if (index > 0) this.#comma();
      if (this.style.escapedKeys) this.string(key);
      else this.text += JSON.stringify(key);
      this.#space();
      this.text += this.#damaged() ? this.dice.pick(["", "=", "::", ","]) : ":";
      this.#space();
      value();
      this.#space();
    });
    this.#close("}");
  }

  array(elements: readonly (() => void)[]): void {
    this.#open("[");
    elements.forEach((element, index) => {
      if (index > 0) this.#comma();
      element();
      this.#space();
    });
    this.#close("]");
  }

  string(text: string): void {
    if (this.#damaged()) this.text += this.dice.pick(BAD_STRINGS);
    else if (this.style.escapes === 0) this.text += JSON.stringify(text);
    else this.#escaped(text);
  }

  number(text = this.dice.pick(NUMBERS)): void {
    if (this.#damaged()) this.text += this.dice.pick(this.dice.percent(50) ? BAD_NUMBERS : PYTHON_NUMBERS);
    else this.text += text;
  }

  word(word: "true" | "false" | "null"): void {
    this.text += this.#damaged() ? this.dice.pick(BAD_WORDS) : word;
  }

  /** Any value, at most `depth` brackets deep. */
  any(depth: number): void {
    const kind = this.dice.below(depth > 0 ? 8 : 6);
    if (kind < 2) this.string(someText(this.dice, 200));
    else if (kind < 4) this.number();
    else if (kind === 4) this.word(this.dice.pick(["true", "false", "null"]));
    else if (kind === 5) this.number(this.dice.percent(10) ? this.dice.pick(PYTHON_NUMBERS) : undefined);
    else if (kind === 6) this.array(this.#some(() => () => this.any(depth - 1)));
    else this.object(this.#some(() => [someText(this.dice, 20), () => this.any(depth - 1)] as const));
  }

  /** Brackets nested `depth` deep, around anything. */
  nest(depth: number): void {
    const brackets = Array.from({ length: depth }, () => this.dice.percent(50));
    for (const isArray of brackets) this.text += isArray ? "[" : '{"d":';
    this.any(0);
    for (const isArray of brackets.reverse()) this.text += isArray ? "]" : "}";
  }

  #some<T>(make: () => T): readonly T[] {
    return Array.from({ length: this.dice.length(2, 16) }, make);
  }

  #open(bracket: string): void {
    this.text += this.#damaged() ? this.dice.pick(["", "(", "[[", "{{"]) : bracket;
    this.#space();
  }

  #close(bracket: string): void {
    this.text += this.#damaged() ? this.dice.pick(["", ")", "]", "}", ",}", ",]"]) : bracket;
  }

  #comma(): void {
    this.text += this.#damaged() ? this.dice.pick(BAD_COMMAS) : ",";
    this.#space();
  }

  #space(): void {
    if (this.style.spaces > 0 && this.dice.percent(this.style.spaces)) this.text += this.dice.pick(SPACES);
  }

  #damaged(): boolean {
    return this.style.damage > 0 && this.dice.percent(this.style.damage);
  }

  #escaped(text: string): void {
    const dice = this.dice;
    let out = '"';
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      const must = unit < 0x20 || unit === 0x22 || unit === 0x5c || isLone(text, at);
      if (must || dice.percent(this.style.escapes)) {
        const short = SHORT_ESCAPES[text[at]!];
        out += short !== undefined && dice.percent(70) ? short : unicodeEscape(dice, unit);
      } else if (isHigh(unit)) {
        // A pair is written raw as one, or escaped half by half.
        out += text.slice(at, at + 2);
        at++;
      } else if (isLow(unit)) {
        out += unicodeEscape(dice, unit);
      } else {
        out += text[at];
      }
    }
    this.text += `${out}"`;
  }
}

function unicodeEscape(dice: Dice, unit: number): string {
  const hex = unit.toString(16).padStart(4, "0");
  return `\\u${dice.percent(50) ? hex : hex.toUpperCase()}`;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** A surrogate without its partner, which UTF-8 cannot say. */
function isLone(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (isHigh(unit)) return !isLow(text.charCodeAt(at + 1));
  return isLow(unit) && !(at > 0 && isHigh(text.charCodeAt(at - 1)));
}
