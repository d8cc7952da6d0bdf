/** One answer on its way to the client: whole, as a stream, and, where a test asks for it, in small pieces. */
import type { ServerResponse } from "node:http";
import type { Random } from "./random.ts";
import { cut } from "./server-socket.ts";

/** Sizes of the pieces in which an answer's body is written: each from 1 to `maxBytes`, drawn anew. */
export interface Pieces {
  readonly random: Random;
  /** ≥ 1 */
  readonly maxBytes: number;
}

const NOTHING: Buffer = Buffer.alloc(0);

export class AnswerOutput {
  readonly #response: ServerResponse;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pieces: Pieces | undefined;
  #waiting: Buffer = NOTHING;
  #isEnded = false;
  #isPumping = false;
  #isGone = false;

  /**
   * @param headers of every answer, without length and type
   * @param pieces absent: each write goes out as it is
   */
  constructor(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    pieces: Pieces | undefined,
  ) {
    this.#response = response;
    this.#headers = headers;
    this.#pieces = pieces;
    if (pieces === undefined) return;
    response.once("close", () => {
      this.#isGone = true;
      this.#waiting = NOTHING;
    });
  }

  /** The whole answer, with its length. @param contentType undefined for one without a body */
  whole(
    status: number,
    contentType: string | undefined,
    body: string | Buffer,
    more: Readonly<Record<string, string>> = {},
  ): void {
    this.#response.writeHead(status, {
      ...this.#headers,
      ...more,
      "content-length": String(Buffer.byteLength(body)),
      ...(contentType === undefined ? {} : { "content-type": contentType, vary: "Origin" }),
    });
    if (this.#pieces !== undefined) this.#response.flushHeaders();
    this.end(body);
  }

  json(status: number, value: unknown, more?: Readonly<Record<string, string>>): void {
    this.whole(status, "application/json", JSON.stringify(value), more);
  }

  /** The head of a stream, at once. */
  open(contentType: string): void {
    this.#response.writeHead(200, { ...this.#headers, "content-type": contentType, vary: "Origin" });
    this.#response.flushHeaders();
  }

  write(chunk: string | Buffer): void {
    if (chunk.length === 0) return;
    if (this.#pieces === undefined) this.#response.write(chunk);
    else this.#enqueue(chunk);
  }

  end(chunk: string | Buffer): void {
    if (this.#pieces === undefined) {
      this.#response.end(chunk);
      return;
    }
    this.#isEnded = true;
    this.#enqueue(chunk);
  }

  /** Breaks the connection off, with what is still to be written. */
  cut(): void {
    this.#waiting = NOTHING;
    cut(this.#response);
  }

  #enqueue(chunk: string | Buffer): void {
    if (this.#isGone) return;
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(chunk)]);
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#pump(this.#pieces!);
  }

  /** One piece for each turn of the event loop, so that each is a write of its own on the socket. */
  #pump(pieces: Pieces): void {
    const response = this.#response;
    if (this.#waiting.length === 0) {
      this.#isPumping = false;
      if (this.#isEnded && !this.#isGone) response.end();
      return;
    }
    const bytes = 1 + Math.floor(pieces.random() * pieces.maxBytes);
    const piece = this.#waiting.subarray(0, bytes);
    this.#waiting = this.#waiting.subarray(bytes);
    const goOn = (): void => {
      setImmediate(() => this.#pump(pieces));
    };
    if (response.write(piece)) goOn();
    else response.once("drain", goOn);
  }
}
