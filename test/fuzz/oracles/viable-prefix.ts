import { pythonJson } from "./python-json.ts";

const WORDS = ["true", "false", "null", "NaN", "Infinity", "-Infinity"];
/** Beginnings of characters of UTF-8, and the least that completes them; a byte a letter. */
const CHARACTER_ENDS: readonly (readonly [RegExp, string])[] = [
  [/[\xc2-\xdf]$/, "\x80"],
  [/\xe0$/, "\xa0\x80"],
  [/[\xe1-\xef]$/, "\x80\x80"],
  [/[\xe0-\xef][\x80-\xbf]$/, "\x80"],
  [/\xf0$/, "\x90\x80\x80"],
  [/[\xf1-\xf4]$/, "\x80\x80\x80"],
  [/[\xf0-\xf4][\x80-\xbf]$/, "\x80\x80"],
  [/[\xf0-\xf4][\x80-\xbf]{2}$/, "\x80"],
];
/** What each thing that is awaited becomes. */
const PLAINEST = {
  "first key": "",
  key: '"k":0',
  colon: ":0",
  "first value": "",
  value: "0",
  comma: "",
  object: "{}",
} as const;

/**
 * Whether something can follow `bytes` that makes a JSON object of them: what is open is closed in the plainest way, and
 * the parser says whether the result is one.
 */
export function canBecomeObject(bytes: Uint8Array): boolean {
  // The beginning of a byte order mark of UTF-16.
  if (bytes.length === 1 && (bytes[0] === 0xfe || bytes[0] === 0xff)) return true;
  const read = pythonJson(Buffer.concat([bytes, Buffer.from(closing(bytes), "latin1")]));
  return (
    read.kind === "value" &&
    typeof read.value === "object" &&
    read.value !== null &&
    !Array.isArray(read.value)
  );
}

/** Bytes, a byte a letter, that close whatever is open behind a beginning of a document. */
function closing(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("latin1");
  if (text === "\xef") return "\xbb\xbf{}";
  if (text === "\xef\xbb") return "\xbf{}";
  const brackets: string[] = [];
  let awaits = "object" as keyof typeof PLAINEST;
  let closed = "";
  for (let at = text.startsWith("\xef\xbb\xbf") ? 3 : 0; at < text.length; ) {
    const first = text[at]!;
    const end = endOfToken(text, at);
    const token = text.slice(at, end);
    at = end;
    if (/\s/.test(first)) continue;
    if (first === "{" || first === "[") {
      brackets.push(first);
      awaits = first === "{" ? "first key" : "first value";
    } else if (first === "}" || first === "]") {
      brackets.pop();
      awaits = "comma";
    } else if (first === ":") {
      awaits = "value";
    } else if (first === ",") {
      awaits = brackets.at(-1) === "{" ? "key" : "value";
    } else {
      if (end === text.length) closed = first === '"' ? endOfString(token) : endOfWord(token);
      awaits = awaits === "first key" || awaits === "key" ? "colon" : "comma";
    }
  }
  closed += PLAINEST[awaits];
  for (const bracket of brackets.reverse()) closed += bracket === "{" ? "}" : "]";
  return closed;
}

/** One past a string, a bracket, a comma, a colon, a white space, or a run of anything else. */
function endOfToken(text: string, start: number): number {
  const isAlone = /[\s{}[\]:,]/;
  if (isAlone.test(text[start]!)) return start + 1;
  let at = start + 1;
  if (text[start] === '"') {
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    return Math.min(at + 1, text.length);
  }
  while (at < text.length && text[at] !== '"' && !isAlone.test(text[at]!)) at++;
  return at;
}

/** What is missing of a string; nothing if it is whole. */
function endOfString(token: string): string {
  const found = /^"(?:[^"\\]|\\[^u]|\\u[\da-f]{4})*(\\(?:u[\da-f]{0,3})?)?$/i.exec(token);
  if (found === null) return "";
  const begun = found[1];
  if (begun !== undefined) return begun === "\\" ? 'n"' : `${"0".repeat(6 - begun.length)}"`;
  return `${CHARACTER_ENDS.find(([beginning]) => beginning.test(token))?.[1] ?? ""}"`;
}

/** What is missing of a number or a bare word; nothing if it is whole or neither. */
function endOfWord(token: string): string {
  const word = WORDS.find((candidate) => candidate.startsWith(token));
  if (word !== undefined) return word.slice(token.length);
  return /[-+.eE]$/.test(token) ? "0" : "";
}
