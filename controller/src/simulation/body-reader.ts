/** Reads a request's body as it arrives, in bounded memory whatever its length. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { boundaryOf, type Form, FormReader } from "./multipart.ts";

/** Longest body read, bytes; beyond it 413. */
export const MAX_BODY_BYTES = 256 * 1024 * 1024;
/** Longest JSON that is kept and parsed, bytes; of a longer one only beginning and end are known. */
export const MAX_PARSED_BYTES = 8 * 1024 * 1024;
/** Of each of these two, bytes. */
const EDGE_BYTES = 64 * 1024;

export interface ReceivedBody {
  readonly bytes: number;
  /** Hexadecimal; undefined unless asked for. */
  readonly sha256: string | undefined;
  /** The whole body; undefined for a form and for one beyond `MAX_PARSED_BYTES`. */
  readonly raw: Buffer | undefined;
  /** A form, or why it is none; undefined where the content type is another. */
  readonly form: Form | string | undefined;
  /** Beginning and end of a body that is not kept, at most 64 KiB of each. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Reads to the end. @throws Error when the connection breaks before */
export async function readBody(request: IncomingMessage, wantsHash: boolean): Promise<ReceivedBody> {
  const hash = wantsHash ? createHash("sha256") : undefined;
  const boundary = boundaryOf(request.headers["content-type"]);
  const form = boundary === undefined ? undefined : new FormReader(boundary);
  let kept: Buffer[] = [];
  let head: Buffer = NOTHING;
  let tail: Buffer = NOTHING;
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash?.update(chunk);
    if (form !== undefined) {
      form.push(chunk);
    } else if (bytes <= MAX_PARSED_BYTES) {
      kept.push(chunk);
    } else {
      if (head.length === 0) head = edge(Buffer.concat([...kept, chunk]), 0);
      tail = edge(Buffer.concat([tail, ...kept, chunk]), -EDGE_BYTES);
      kept = [];
    }
  }
  const isKept = form === undefined && bytes <= MAX_PARSED_BYTES;
  return {
    bytes,
    sha256: hash?.digest("hex"),
    raw: isKept ? (kept.length === 1 ? kept[0] : Buffer.concat(kept)) : undefined,
    form: form?.end(),
    head,
    tail,
  };
}

/** A copy, so that what it was cut from can go. */
function edge(bytes: Buffer, from: number): Buffer {
  const cut = from < 0 ? bytes.subarray(Math.max(0, bytes.length + from)) : bytes.subarray(0, EDGE_BYTES);
  return Buffer.from(cut);
}
