/**
 * Reads `multipart/form-data` (RFC 7578) as it arrives: fields are kept, files are only measured, so that a
 * form of any size takes the memory of its fields.
 */

export interface FormFile {
  readonly name: string;
  readonly fileName: string;
  readonly bytes: number;
}

export interface Form {
  /** Of a name given more than once, the last value. */
  readonly fields: ReadonlyMap<string, string>;
  readonly files: readonly FormFile[];
}

export const NO_FORM: Form = { fields: new Map(), files: [] };

/** Starlette's bounds for the headers of a part, for a field, and for the number of parts, in bytes and parts. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_FIELD_BYTES = 1024 * 1024;
const MAX_PARTS = 1000;

const HEADER_END = Buffer.from("\r\n\r\n");
const DASHES = Buffer.from("--");

type State = "before" | "headers" | "part" | "after";

/** The boundary that a content type names; undefined unless it is a form's. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(contentType);
  return found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
}

export class FormReader {
  readonly #delimiter: Buffer;
  readonly #fields = new Map<string, string>();
  readonly #files: FormFile[] = [];
  #state: State = "before";
  /** Not yet understood; begins as the line end that the first delimiter may lack. */
  #rest: Buffer = Buffer.from("\r\n");
  #name = "";
  #fileName: string | undefined;
  #field: Buffer[] = [];
  #partBytes = 0;
  #parts = 0;
  #problem: string | undefined;

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  push(chunk: Buffer): void {
    if (this.#problem !== undefined || this.#state === "after") return;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let goesOn = true;
    while (goesOn && this.#problem === undefined) goesOn = this.#step();
  }

  /** The form, or why it is none. */
  end(): Form | string {
    if (this.#problem !== undefined) return this.#problem;
    if (this.#state !== "after") return "There was an error parsing the body";
    return { fields: this.#fields, files: this.#files };
  }

  /** Takes one more piece of what is there; false when more has to come. */
  #step(): boolean {
    if (this.#state === "after") return false;
    if (this.#state === "headers") return this.#readHeaders();
    const at = this.#rest.indexOf(this.#delimiter);
    if (at < 0) {
      // A delimiter may have begun in the last bytes.
      this.#take(Math.max(0, this.#rest.length - this.#delimiter.length + 1));
      return false;
    }
    const behind = at + this.#delimiter.length;
    // Two bytes tell the last delimiter from others.
    if (this.#rest.length < behind + 2) {
      this.#take(at);
      return false;
    }
    this.#take(at);
    if (this.#state === "part") this.#endPart();
    const isLast = this.#rest.subarray(this.#delimiter.length, this.#delimiter.length + 2).equals(DASHES);
    this.#rest = this.#rest.subarray(this.#delimiter.length);
    this.#state = isLast ? "after" : "headers";
    return true;
  }

  /** Moves the first bytes of what is there into the part; before the first part they are dropped. */
  #take(bytes: number): void {
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    if (this.#state !== "part") return;
    this.#partBytes += taken.length;
    if (this.#fileName !== undefined) return;
    if (this.#partBytes > MAX_FIELD_BYTES) this.#problem = "Part exceeded maximum size of 1024KB.";
    else this.#field.push(Buffer.from(taken));
  }

  #readHeaders(): boolean {
    const end = this.#rest.indexOf(HEADER_END);
    if (end < 0) {
      if (this.#rest.length > MAX_HEADER_BYTES) this.#problem = "There was an error parsing the body";
      return false;
    }
    // What is left of the delimiter's own line comes first.
    const headers = this.#rest.subarray(0, end).toString("utf8").split("\r\n").slice(1);
    this.#rest = this.#rest.subarray(end + HEADER_END.length);
    const disposition = headers.find((line) => /^content-disposition\s*:/i.test(line));
    const name = disposition === undefined ? undefined : parameter(disposition, "name");
    if (name === undefined || ++this.#parts > MAX_PARTS) {
      this.#problem =
        name === undefined
          ? 'The Content-Disposition header field "name" must be provided.'
          : `Too many fields. Maximum number of fields is ${MAX_PARTS}.`;
      return false;
    }
    this.#name = name;
    this.#fileName = parameter(disposition!, "filename");
    this.#field = [];
    this.#partBytes = 0;
    this.#state = "part";
    return true;
  }

  #endPart(): void {
    if (this.#fileName === undefined) {
      this.#fields.set(this.#name, Buffer.concat(this.#field).toString("utf8"));
    } else {
      this.#files.push({ name: this.#name, fileName: this.#fileName, bytes: this.#partBytes });
    }
    this.#field = [];
  }
}

/** A parameter of a `content-disposition` line; quotes in it come as `%22` from browsers, as `\"` from others. */
function parameter(line: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]+))`, "i").exec(line);
  const value = found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
  return value?.replaceAll("%22", '"');
}
