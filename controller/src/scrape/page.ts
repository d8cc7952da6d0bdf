import { Buffer } from "node:buffer";
import { type Agent, errors } from "undici";
import type { Endpoint } from "../model.ts";
import type { SetTimer } from "../timer.ts";
import { TlsFileUnreadable } from "./agents.ts";

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

/** A page of an endpoint, whole. Rejects with what `failureOf` tells apart. */
export async function fetchPage(request: PageRequest): Promise<Buffer> {
  const { endpoint, signal, maxBytes } = request;
  const abort = new AbortController();
  const giveUp = (): void => abort.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  const cancelTimeout = request.setTimer(() => abort.abort(new PageTimeout()), request.timeoutMs);
  try {
    const host = endpoint.ip.includes(":") ? `[${endpoint.ip}]` : endpoint.ip;
    const response = await request.agent.request({
      origin: `${request.isTls ? "https" : "http"}://${host}:${request.port}`,
      path: request.path,
      method: "GET",
      headers: {
        ...request.headers,
        "accept-encoding": "identity",
        ...(request.bearerToken === undefined ? {} : { authorization: `Bearer ${request.bearerToken}` }),
      },
      signal: abort.signal,
    });
    if (response.statusCode !== 200) {
      abort.abort();
      response.body.on("error", () => {});
      throw new BadStatus(response.statusCode);
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new PageTooLarge(maxBytes);
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
  } finally {
    cancelTimeout();
    signal.removeEventListener("abort", giveUp);
  }
}

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
