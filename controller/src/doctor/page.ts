import { request } from "undici";

/** An Envoy's configuration of some thousand clusters is a few MB. */
const MAX_PAGE_BYTES = 64 * 1024 * 1024;

export interface Page {
  readonly status: number;
  readonly body: string;
}

/** Gets a page with a deadline. @throws PageUnreachable */
export type ReadPage = (url: string) => Promise<Page>;

/** Why nothing came, in words: `connection refused`, `no answer in 3000 ms`. */
export class PageUnreachable extends Error {}

/** @param timeoutMs from the request to the last byte */
export function pageReader(timeoutMs: number): ReadPage {
  return async (url) => {
    try {
      const response = await request(url, { signal: AbortSignal.timeout(timeoutMs) });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MAX_PAGE_BYTES) throw new PageUnreachable(`more than ${MAX_PAGE_BYTES} bytes`);
        chunks.push(chunk);
      }
      return { status: response.statusCode, body: Buffer.concat(chunks).toString("utf8") };
    } catch (cause) {
      throw cause instanceof PageUnreachable ? cause : new PageUnreachable(reasonOf(cause, timeoutMs));
    }
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "no such host name",
  EAI_AGAIN: "the host's name cannot be resolved",
};

function reasonOf(cause: unknown, timeoutMs: number): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError" || cause.name === "AbortError") return `no answer in ${timeoutMs} ms`;
  const code = "code" in cause ? String(cause.code) : "";
  return REASONS[code] ?? (code === "" ? cause.message : code);
}
