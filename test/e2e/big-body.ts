import { createHash } from "node:crypto";

/** Text that is hard on a scanner that is lax about strings. */
const UNIT = '\\"model\\": \\"other\\", {[ \\\\ \\u00e9 ü ';
const PAGE = Buffer.from(UNIT.repeat(2048));
const UNIT_BYTES = Buffer.byteLength(UNIT);

/** A JSON body of any size that is never whole in memory. */
export class BigBody {
  readonly bytes: number;
  /** Of the whole body, hexadecimal. */
  readonly sha256: string;
  private readonly before: Buffer;
  private readonly behind: Buffer;

  constructor(bytes: number, place: "first" | "last", model: string) {
    const named = `"model":${JSON.stringify(model)}`;
    const frame = place === "first" ? `{${named},"prompt":""}` : `{"prompt":"",${named}}`;
    const cut = frame.lastIndexOf('""') + 1;
    const room = bytes - Buffer.byteLength(frame);
    if (room < 0) throw new Error(`a body of ${bytes} bytes: at least ${Buffer.byteLength(frame)}`);
    this.bytes = bytes;
    this.before = Buffer.from(frame.slice(0, cut));
    this.behind = Buffer.from(".".repeat(room % UNIT_BYTES) + frame.slice(cut));
    const hash = createHash("sha256");
    for (const piece of this.parts()) hash.update(piece);
    this.sha256 = hash.digest("hex");
  }

  /** The body in pieces of about 80 KB, as fast as they are taken. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    yield* this.parts();
  }

  private *parts(): Generator<Buffer> {
    yield this.before;
    let left = this.bytes - this.before.length - this.behind.length;
    for (; left >= PAGE.length; left -= PAGE.length) yield PAGE;
    yield PAGE.subarray(0, left);
    yield this.behind;
  }
}
