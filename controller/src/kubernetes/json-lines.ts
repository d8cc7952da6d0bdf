const NEWLINE = 0x0a;

/**
 * Splits a stream of bytes into lines, wherever its chunks are cut: a newline's byte is part of no other character
 * in UTF-8. What stands behind the last newline is kept for the next chunk and is lost with the decoder: a line
 * that was cut off is no event.
 */
export class LineDecoder {
  readonly #limitBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** @param limitBytes of one line */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * The lines that `chunk` completes, without empty ones.
   * @throws RangeError for a line that is too long; the decoder is of no use then.
   */
  push(chunk: Uint8Array): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.#take(chunk.subarray(start, end));
      if (line !== "") lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#limitBytes)
      throw new RangeError(`a line of over ${this.#bytes} bytes, at most ${this.#limitBytes} are read`);
    this.#parts.push(part);
  }

  #take(last: Uint8Array): string {
    this.#keep(last);
    const line = Buffer.concat(this.#parts, this.#bytes).toString("utf8").trim();
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}
