import type { Dice } from "../dice.ts";
import { someText } from "./text.ts";

/** A body of multipart/form-data with the header that names its boundary. */
export interface Form {
  readonly contentType: string;
  readonly body: Buffer;
}

const BOUNDARY_LETTERS = "abcXYZ0123456789'()+_,-./:=?";
const NAMES = [
  ...["model", "model", "stream", "prompt", "language", "response_format", "temperature", "n", "user"],
  ...["max_tokens", "Model", "models", "", 'a"b', "model\r\n", "größe", "timestamp_granularities[]"],
];

/** A form as browsers and clients send it: fields in any order, twice, long, and files that look like boundaries. */
export function someForm(dice: Dice): Form {
  const boundary = someBoundary(dice);
  const parts: Buffer[] = [];
  if (dice.percent(3)) parts.push(Buffer.from("\r\n"));
  const count = 1 + dice.length(4, 16);
  for (let part = 0; part < count; part++) parts.push(somePart(dice, boundary));
  parts.push(Buffer.from(`--${boundary}--`), Buffer.from(dice.pick(["\r\n", "\r\n", "", "\r\nepilogue"])));
  return { contentType: contentType(dice, boundary), body: Buffer.concat(parts) };
}

function someBoundary(dice: Dice): string {
  if (dice.percent(40)) return `----formdata-undici-${String(dice.below(1e9)).padStart(12, "0")}`;
  let boundary = "";
  const length = dice.pick([1, 2, 16, 40, 69, 70]);
  while (boundary.length < length) boundary += dice.pick([...BOUNDARY_LETTERS]);
  return boundary;
}

function contentType(dice: Dice, boundary: string): string {
  const quoted = /^[\w'.+-]+$/.test(boundary) && dice.percent(70) ? boundary : `"${boundary}"`;
  const type = dice.pick(["multipart/form-data", "Multipart/Form-Data"]);
  const charset = dice.percent(10) ? "; charset=utf-8" : "";
  const name = dice.pick(["boundary", "boundary", "Boundary", "BOUNDARY"]);
  return `${type}${charset};${dice.pick([" ", "", "  "])}${name}=${quoted}${dice.percent(5) ? "; a=b" : ""}`;
}

function somePart(dice: Dice, boundary: string): Buffer {
  const name = dice.pick(NAMES).replace(/["\r\n]/g, (letter) => encodeURIComponent(letter));
  const isFile = dice.percent(25);
  const headers = [`${dice.pick(["Content-Disposition", "content-disposition"])}: form-data; name="${name}"`];
  if (isFile) {
    headers[0] += '; filename="a;b=%22.wav"';
    headers.push("Content-Type: application/octet-stream");
  } else if (dice.percent(8)) {
    headers.push("Content-Type: text/plain;charset=UTF-8");
  }
  if (dice.percent(5)) headers.push(`X-Other: ${"o".repeat(dice.length(20, 4000))}`);
  if (dice.percent(10)) headers.reverse();
  return Buffer.concat([
    Buffer.from(`--${boundary}\r\n${headers.join("\r\n")}\r\n\r\n`),
    isFile ? fileBytes(dice, boundary) : Buffer.from(fieldText(dice, name)),
    Buffer.from("\r\n"),
  ]);
}

function fieldText(dice: Dice, name: string): string {
  if (name === "stream" && dice.percent(80)) return dice.pick(["true", "false", "True", "1", "on", "yes"]);
  if (name === "model" && dice.percent(70)) return dice.pick(["whisper-1", "openai/whisper-large-v3", "é🙂"]);
  if (dice.percent(3)) return "m".repeat(dice.between(1020, 1028));
  return dice.percent(20)
    ? dice.pick(["17", "0", "4294967296", "-1", "\r", "\r\n", "\n", "\r\n-", "--"])
    : someText(dice, 100);
}

/** Bytes among which the boundary almost stands. */
function fileBytes(dice: Dice, boundary: string): Buffer {
  const pieces: Buffer[] = [];
  const count = dice.length(4, 30);
  for (let piece = 0; piece < count; piece++) {
    const near = `\r\n--${boundary}`.slice(0, 2 + dice.below(boundary.length + 2));
    const choice = dice.below(4);
    if (choice === 0) pieces.push(Buffer.from(near));
    else if (choice === 1) pieces.push(Buffer.alloc(dice.length(30, 5_000), dice.below(256)));
    else if (choice === 2) pieces.push(Buffer.from(`${"\r".repeat(1 + dice.below(3))}\n--`));
    else pieces.push(Buffer.from(`\n--${boundary}`));
  }
  return Buffer.concat(pieces);
}
