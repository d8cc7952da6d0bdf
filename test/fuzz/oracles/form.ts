/** A field or a file of a form, and where its value stands. */
export interface FormPart {
  readonly name: string;
  readonly isFile: boolean;
  readonly start: number;
  readonly end: number;
}

const BOUNDARY =
  /^multipart\/form-data(?:; ?\w+=[\w-]+)*; *boundary=(?:"([^"\\]{1,70})"|([\w'.+-]{1,70}))(?:; ?\w+=\w+)*$/i;
const DISPOSITION = /^form-data; name="([^"\\]*)"(; filename="[^"\\]*")?$/;
const HEADER = /^([\w!#$%&'*+.^`|~-]+): ?([\t\x20-\x7e\x80-\xff]*)$/;
/** The scanner takes no longer headers. */
const MOST_HEADER_BYTES = 8_000;

/** The boundary of a `content-type` in one of the plain forms; undefined for any other. */
export function strictBoundary(contentType: string): string | undefined {
  const [, quoted, bare] = BOUNDARY.exec(contentType) ?? [];
  return quoted ?? bare;
}

/**
 * The parts of a form that keeps to RFC 7578 in every byte; undefined for any other, of which nothing is said: parsers
 * differ in what they forgive.
 */
export function strictForm(boundary: string, body: Uint8Array): readonly FormPart[] | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1");
  const delimiter = `\r\n--${boundary}`;
  if (!text.startsWith(delimiter.slice(2))) return undefined;
  const parts: FormPart[] = [];
  let at = delimiter.length - 2;
  while (text.startsWith("\r\n", at)) {
    const headersEnd = text.indexOf("\r\n\r\n", at);
    if (headersEnd < 0 || headersEnd - at > MOST_HEADER_BYTES) return undefined;
    const start = headersEnd + 4;
    const end = nextDelimiter(text, delimiter, start);
    const named = partNamed(text.slice(at + 2, headersEnd));
    if (named === undefined || end === undefined) return undefined;
    parts.push({ ...named, start, end });
    at = end + delimiter.length;
  }
  return text.startsWith("--", at) && parts.length > 0 ? parts : undefined;
}

/** The next delimiter that a line break or two hyphens follow; others are data. Undefined where blanks follow one. */
function nextDelimiter(text: string, delimiter: string, from: number): number | undefined {
  for (let at = text.indexOf(delimiter, from); at >= 0; at = text.indexOf(delimiter, at + 1)) {
    const behind = text.slice(at + delimiter.length, at + delimiter.length + 2);
    if (behind === "\r\n" || behind === "--") return at;
    if (/^[ \t]/.test(behind)) return undefined;
  }
  return undefined;
}

function partNamed(headers: string): Pick<FormPart, "name" | "isFile"> | undefined {
  let named: Pick<FormPart, "name" | "isFile"> | undefined;
  for (const line of headers.split("\r\n")) {
    const [, header, value] = HEADER.exec(line) ?? [];
    if (header === undefined || value === undefined) return undefined;
    if (header.toLowerCase() !== "content-disposition") continue;
    const [, name, file] = DISPOSITION.exec(value) ?? [];
    if (name === undefined || named !== undefined) return undefined;
    named = { name, isFile: file !== undefined };
  }
  return named;
}
