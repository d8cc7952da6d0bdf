import { Buffer } from "node:buffer";
import { type Agent, type Dispatcher, errors } from "undici";
import type { Endpoint } from "../model.ts";
import type { SetTimer } from "../timer.ts";
import { TlsFileUnreadable } from "./agents.ts";
import { PageBuffers } from "./page-buffers.ts";

/** Why a page could not be had. */
export type PageFailure = "timeout" | "connect" | "reset" | "status" | "too-large" | "tls" | "other";

export interface PageRequest {
  readonly agent: Agent;
  readonly endpoint: Endpoint;
  readonly isTls: boolean;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as `Authorization: Bearer …`. */
  readonly bearerToken?: string | undefined;
  /** From the request to the last byte. */
  readonly timeoutMs: number;
  /** A longer page fails as `too-large`. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly setTimer: SetTimer;
}

/** How a page is read: at once, since its bytes are another page's afterwards; nothing of them is kept. */
export type ReadPage<Result> = (page: Buffer) => Result;

/**
 * What `read` makes of an endpoint's whole page. Rejects with what it throws, or with what `failureOf` tells apart.
 * An abandoned request that still waits for its connection ends with that wait, which the agent bounds.
 */
export function fetchPage<Result>(request: PageRequest, read: ReadPage<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const { endpoint } = request;
    const host = endpoint.ip.includes(":") ? `[${endpoint.ip}]` : endpoint.ip;
    const headers: Record<string, string> = { ...request.headers, "accept-encoding": "identity" };
    if (request.bearerToken !== undefined) headers.authorization = `Bearer ${request.bearerToken}`;
    request.agent.dispatch(
      {
        origin: `${request.isTls ? "https" : "http"}://${host}:${request.port}`,
        path: request.path,
        method: "GET",
        headers,
      },
      new PageHandler(request, read, resolve, reject),
    );
  });
}

/**
 * Takes an answer as the connection's parser hands it over: a stream, an iterator and an abort controller of its own
 * for each page cost several times what reading it does. Runs within the parser, so it calls nothing that might
 * make a request; what waits for the page goes on after it.
 */
class PageHandler<Result> implements Dispatcher.DispatchHandler {
  readonly #request: PageRequest;
  readonly #read: ReadPage<Result>;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (cause: unknown) => void;
  readonly #cancelTimeout: () => void;
  readonly #giveUp = (): void => this.#abandon(this.#request.signal.reason);
  /** Absent until the request is on a connection. */
  #controller: Dispatcher.DispatchController | undefined;
  /** Why the request is not to go on. */
  #reason: Error | undefined;
  #buffer: Buffer | undefined;
  #bytes = 0;

  constructor(
    request: PageRequest,
    read: ReadPage<Result>,
    resolve: (result: Result) => void,
    reject: (cause: unknown) => void,
  ) {
    this.#request = request;
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
    const { signal } = request;
    if (signal.aborted) this.#giveUp();
    else signal.addEventListener("abort", this.#giveUp);
    this.#cancelTimeout = request.setTimer(() => this.#abandon(new PageTimeout()), request.timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#reason !== undefined) controller.abort(this.#reason);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    // Of an interim answer (1xx) the final one follows.
    if (status >= 200 && status !== 200) this.#abandon(new BadStatus(status));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { maxBytes } = this.#request;
    const bytes = this.#bytes + chunk.length;
    if (bytes > maxBytes) {
      this.#abandon(new PageTooLarge(maxBytes));
      return;
    }
    // Copied piece by piece: a page in pieces of one byte would cost a hundred times its size as a list of them.
    this.#buffer = pageBuffers.grown(this.#buffer, this.#bytes, bytes);
    this.#buffer.set(chunk, this.#bytes);
    this.#bytes = bytes;
  }

  onResponseEnd(): void {
    try {
      this.#resolve(this.#read(this.#buffer?.subarray(0, this.#bytes) ?? NO_BYTES));
    } catch (cause) {
      this.#reject(cause);
    } finally {
      this.#end();
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    this.#reject(this.#reason ?? cause);
    this.#end();
  }

  /** Cuts the connection, if there is one; `onResponseError` follows. */
  #abandon(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  #end(): void {
    this.#cancelTimeout();
    this.#request.signal.removeEventListener("abort", this.#giveUp);
    if (this.#buffer !== undefined) pageBuffers.release(this.#buffer);
    this.#buffer = undefined;
  }
}

const NO_BYTES = Buffer.alloc(0);
const pageBuffers = new PageBuffers();

class PageTimeout extends Error {}

class BadStatus extends Error {
  constructor(status: number) {
    super(`status ${status}`);
  }
}

class PageTooLarge extends Error {
  constructor(boundBytes: number) {
    super(`more than ${boundBytes} bytes`);
  }
}

export function failureOf(cause: unknown): PageFailure {
  if (cause instanceof PageTimeout) return "timeout";
  if (cause instanceof TlsFileUnreadable) return "tls";
  if (cause instanceof BadStatus) return "status";
  if (cause instanceof PageTooLarge) return "too-large";
  if (
    cause instanceof errors.ConnectTimeoutError ||
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError
  ) {
    return "timeout";
  }
  const code = systemCode(cause);
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT)$/.test(code)) return "connect";
  if (/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/.test(code)) return "reset";
  if (/CERT|^ERR_TLS|^ERR_SSL|^EPROTO|SELF_SIGNED|UNABLE_TO/.test(code)) return "tls";
  return "other";
}

/** Says what happened without the page or the request in it. */
export function describeFailure(cause: unknown): string {
  const code = systemCode(cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  return code === "" ? message || "no answer in time" : `${code} ${message}`;
}

function systemCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}
