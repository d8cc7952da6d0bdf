import { isUtf8 } from "node:buffer";

/**
 * What `json.loads(bytes)` of Python reads, which is what vLLM and SGLang do with a request's body: `JSON.parse` of
 * strict UTF-8 with these differences.
 *
 * - A byte order mark of UTF-8 is skipped.
 * - `NaN`, `Infinity` and `-Infinity` are numbers.
 * - Surrogates encoded in UTF-8 pass; here each becomes U+FFFD.
 * - UTF-16 and UTF-32 are understood; here they are told apart (`encoding`).
 */
export type PythonJson =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "encoding" }
  | { readonly kind: "refused" };

/** What a number that JSON does not know becomes: a value, none of the fields' types, that joins no neighbour. */
const NOT_A_NUMBER = "[]";
/** What the first byte can be where a NUL as the second one says UTF-16: white space, a bracket, part of a mark. */
const BEFORE_NUL = [...Buffer.from("{ \t\r\n"), 0xef, 0xfe, 0xff];
const REFUSED: PythonJson = { kind: "refused" };
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function pythonJson(bytes: Uint8Array): PythonJson {
  if (isOtherEncoding(bytes)) return { kind: "encoding" };
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const body = withoutSurrogates(marked ? bytes.subarray(3) : bytes);
  if (!isUtf8(body)) return REFUSED;
  const text = decoder.decode(body);
  try {
    return { kind: "value", value: JSON.parse(text) };
  } catch {
    if (!/NaN|Infinity/.test(text)) return REFUSED;
  }
  try {
    return { kind: "value", value: JSON.parse(withoutPythonNumbers(text)) };
  } catch {
    return REFUSED;
  }
}

/** A byte order mark of UTF-16, or a NUL among the first two bytes where a document may begin so. */
export function isOtherEncoding(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  if (first === 0xfe && second === 0xff) return true;
  if (first === 0xff && second === 0xfe) return true;
  return first === 0 || (second === 0 && BEFORE_NUL.includes(first!));
}

/** ED A0 80 … ED BF BF become U+FFFD, as long; whatever else is not UTF-8 stays so, since ED only begins. */
function withoutSurrogates(bytes: Uint8Array): Uint8Array {
  let out = bytes;
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    if (at + 2 >= bytes.length) break;
    if (bytes[at + 1]! < 0xa0 || bytes[at + 1]! > 0xbf || bytes[at + 2]! < 0x80 || bytes[at + 2]! > 0xbf)
      continue;
    if (out === bytes) out = Uint8Array.from(bytes);
    out.set([0xef, 0xbf, 0xbd], at);
  }
  return out;
}

/** Strings are matched so that what they hold stays; an open string goes on to the end and stays refused. */
function withoutPythonNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\[\s\S])*"?|-?Infinity|NaN/g, (found) =>
    found[0] === '"' ? found : NOT_A_NUMBER,
  );
}
