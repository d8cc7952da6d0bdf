const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_FEED = 10;

/** Reads one HTTP/1.1 message after another off a connection and says when each is complete. */
export class MessageReader {
  private head: Buffer | undefined;
  /** Where the message is: in its head, or in a body. */
  private part: "head" | "sized" | "chunk-size" | "chunk" | "trailers" = "head";
  /** Of the sized body, or of the chunk and the line end behind it. */
  private bytesLeft = 0;
  private line = "";

  /** Calls `complete` with the head of each message whose body has arrived whole. */
  feed(bytes: Buffer, complete: (head: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.part === "head") at = this.readHead(bytes, at);
      else if (this.part === "sized" || this.part === "chunk") {
        const taken = Math.min(this.bytesLeft, bytes.length - at);
        at += taken;
        this.bytesLeft -= taken;
        if (this.part === "chunk" && this.bytesLeft === 0) this.part = "chunk-size";
      } else at = this.readLine(bytes, at);
      if (this.part === "sized" && this.bytesLeft === 0) {
        const head = this.head!;
        this.head = undefined;
        this.part = "head";
        complete(head);
      }
    }
  }

  /** The place behind the head's end, or behind all bytes where it has not come. */
  private readHead(bytes: Buffer, at: number): number {
    const rest = bytes.subarray(at);
    const start = this.head === undefined ? rest : Buffer.concat([this.head, rest]);
    const end = start.indexOf(HEAD_END);
    this.head = end < 0 ? start : start.subarray(0, end + 4);
    if (end < 0) return bytes.length;
    const text = this.head.toString("latin1");
    if (/\r\ntransfer-encoding: *chunked/i.test(text)) this.part = "chunk-size";
    else {
      this.part = "sized";
      this.bytesLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    }
    return bytes.length - (start.length - end - 4);
  }

  /** A chunk's size, or a trailer: the empty one ends the message. */
  private readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LINE_FEED, at);
    if (end < 0) {
      this.line += bytes.toString("latin1", at);
      return bytes.length;
    }
    const line = this.line + bytes.toString("latin1", at, end);
    this.line = "";
    if (this.part === "chunk-size") {
      const chunkBytes = Number.parseInt(line, 16);
      this.part = chunkBytes === 0 ? "trailers" : "chunk";
      this.bytesLeft = chunkBytes + 2;
    } else if (line.trim() === "") {
      this.part = "sized";
      this.bytesLeft = 0;
    }
    return end + 1;
  }
}
