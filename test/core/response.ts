import { Core } from "./core.ts";

/** What `assembly/core/exports/response.ts` exports. Booleans are 0 or 1; addresses are offsets into `memory`. */
interface ResponseExports {
  readonly memory: WebAssembly.Memory;
  allocate(bytes: number): number;
  release(block: number): void;
  responseReset(): void;
  responseFeed(ptr: number, bytes: number): void;
  responseFinish(): void;
  responseIsJson(): number;
  responseIsEventStream(): number;
  responseIsError(): number;
  responseDone(): number;
  responseEvents(): number;
  responseContentEvents(): number;
  responseUsageSeen(): number;
  responsePromptTokens(): bigint;
  responseCompletionTokens(): bigint;
  responseCachedTokens(): bigint;
  editBegin(target: number, targetBytes: number, name: number, nameBytes: number, stripUsage: number): void;
  editKeepUsage(): void;
  edit(ptr: number, bytes: number, isLast: number): void;
  editOutPtr(): number;
  editOutBytes(): number;
  benchResponse(ptr: number, bytes: number, piece: number, rounds: number): number;
  benchEdit(ptr: number, bytes: number, piece: number, rounds: number): number;
}

export interface Answer {
  readonly kind: "json" | "event stream" | "other";
  readonly events: number;
  readonly contentEvents: number;
  readonly isError: boolean;
  readonly done: boolean;
  readonly usageSeen: boolean;
  /** Token counts; -1 if unknown. */
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
}

export interface Edit {
  /** The model that the request was rewritten to, and the client's name for it. */
  readonly target?: string;
  readonly name?: string;
  readonly stripUsage?: boolean;
}

/** The core's reader and editor of answers, with strings and bytes of JavaScript's. */
export class Answers {
  readonly exports: ResponseExports;
  readonly #core: Core;

  constructor(core: Core = new Core()) {
    this.#core = core;
    this.exports = core.exports as unknown as ResponseExports;
  }

  reset(): void {
    this.exports.responseReset();
  }

  feed(piece: string | Uint8Array): void {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    this.exports.responseFeed(this.#core.put(bytes), bytes.length);
  }

  /** What is known of the answer so far. */
  get answer(): Answer {
    const core = this.exports;
    const isJson = core.responseIsJson() !== 0;
    return {
      kind: isJson ? "json" : core.responseIsEventStream() !== 0 ? "event stream" : "other",
      events: core.responseEvents(),
      contentEvents: core.responseContentEvents(),
      isError: core.responseIsError() !== 0,
      done: core.responseDone() !== 0,
      usageSeen: core.responseUsageSeen() !== 0,
      prompt: Number(core.responsePromptTokens()),
      completion: Number(core.responseCompletionTokens()),
      cached: Number(core.responseCachedTokens()),
    };
  }

  /** Reads a whole answer in the given pieces. */
  read(pieces: string | Uint8Array | readonly Uint8Array[]): Answer {
    this.reset();
    if (typeof pieces === "string" || pieces instanceof Uint8Array) this.feed(pieces);
    else for (const piece of pieces) this.feed(piece);
    this.exports.responseFinish();
    return this.answer;
  }

  begin({ target = "", name = "", stripUsage = false }: Edit): void {
    const names = Buffer.from(target + name);
    const ptr = this.#core.put(names);
    const targetBytes = Buffer.byteLength(target);
    const nameBytes = names.length - targetBytes;
    this.exports.editBegin(ptr, targetBytes, ptr + targetBytes, nameBytes, stripUsage ? 1 : 0);
  }

  /** Edits the next piece: the bytes that can go on. */
  edit(piece: string | Uint8Array, isLast = false): Buffer {
    const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
    this.exports.edit(this.#core.put(bytes), bytes.length, isLast ? 1 : 0);
    return Buffer.from(this.#core.bytesAt(this.exports.editOutPtr(), this.exports.editOutBytes()));
  }

  /** Edits a whole answer in the given pieces. */
  editAll(pieces: string | Uint8Array | readonly Uint8Array[], edit: Edit): Buffer {
    this.begin(edit);
    const list =
      typeof pieces === "string" ? [Buffer.from(pieces)] : pieces instanceof Uint8Array ? [pieces] : pieces;
    return Buffer.concat([...list.map((piece) => this.edit(piece)), this.edit("", true)]);
  }
}
