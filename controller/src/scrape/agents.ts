import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { Agent, type buildConnector } from "undici";
import type { Endpoint, ScrapeSpec, TlsClient } from "../model.ts";

/** How long the state of a TLS file is taken as known: a rotated certificate is used after this at most. */
const STAMP_FOR_MS = 1000;

/** A bundle of all public authorities has some 220 KB. */
const MAX_TLS_FILE_BYTES = 1024 * 1024;

const TLS_FILES = ["caFile", "certFile", "keyFile"] as const;

/** What of a target decides how it is dialled. */
export interface Dialled {
  readonly endpoint: Endpoint;
  readonly scrape: Pick<ScrapeSpec, "timeoutMs" | "tls">;
}

/** A configured file that cannot be read; named by its key, since a secret may have been pasted as its path. */
export class TlsFileUnreadable extends Error {
  constructor(key: (typeof TLS_FILES)[number], why: string) {
    super(`tls.${key} cannot be read${why === "" ? "" : ` (${why})`}`);
  }
}

interface KnownAgent {
  readonly agent: Agent;
  /** State of the TLS files when they were read. */
  readonly stamp: string;
}

/**
 * The connections of the scraper: one agent for each way of speaking TLS, which keeps one connection for
 * each origin. An agent whose certificate, key or authority was rewritten is replaced.
 */
export class ScrapeAgents {
  readonly #nowMs: () => number;
  readonly #agents = new Map<string, KnownAgent>();
  readonly #stamps = new Map<string, { readonly stamp: string; readonly atMs: number }>();

  /** @param nowMs monotonic ms */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @throws TlsFileUnreadable */
  of(target: Dialled): Agent {
    const key = agentKey(target);
    const stamp = this.#stampOf(target.scrape.tls);
    const known = this.#agents.get(key);
    if (known !== undefined && known.stamp === stamp) return known.agent;
    const { timeoutMs } = target.scrape;
    const agent = new Agent({
      connections: 1,
      pipelining: 1,
      // The timer of the scrape is the bound; these are for what it cannot reach.
      connect: { timeout: timeoutMs, ...tlsOptions(target) },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxHeaderSize: 16 * 1024,
    });
    this.#agents.set(key, { agent, stamp });
    // Scrapes under way end on the connection that they have.
    void known?.agent.close();
    return agent;
  }

  /** Closes what none of these needs. */
  retain(targets: readonly Dialled[]): void {
    const used = new Set(targets.map(agentKey));
    for (const [key, { agent }] of this.#agents) {
      if (used.has(key)) continue;
      this.#agents.delete(key);
      void agent.destroy();
    }
    const files = new Set(targets.flatMap(({ scrape }) => filesOf(scrape.tls)));
    for (const file of this.#stamps.keys()) if (!files.has(file)) this.#stamps.delete(file);
  }

  async close(): Promise<void> {
    const agents = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.all(agents.map(({ agent }) => agent.destroy()));
  }

  #stampOf(tls: TlsClient | undefined): string {
    return filesOf(tls)
      .map((file) => {
        const known = this.#stamps.get(file);
        const nowMs = this.#nowMs();
        if (known !== undefined && nowMs - known.atMs < STAMP_FOR_MS) return known.stamp;
        const stamp = statStamp(file);
        this.#stamps.set(file, { stamp, atMs: nowMs });
        return stamp;
      })
      .join("|");
  }
}

function filesOf(tls: TlsClient | undefined): readonly string[] {
  return TLS_FILES.flatMap((key) => tls?.[key] ?? []);
}

/** Links are followed: Kubernetes rotates a mounted secret by replacing one. */
function statStamp(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return "absent";
  }
}

function agentKey({ endpoint, scrape }: Dialled): string {
  const { tls } = scrape;
  const name = tls === undefined ? null : (serverName(endpoint, tls) ?? null);
  return JSON.stringify([scrape.timeoutMs, tls ?? null, name]);
}

/** The name in the certificate: as configured, else the host dialled, if it is a name. */
function serverName(endpoint: Endpoint, tls: TlsClient): string | undefined {
  if (tls.serverName !== undefined) return tls.serverName;
  return endpoint.spec.host === endpoint.ip ? undefined : endpoint.spec.host;
}

function tlsOptions({ endpoint, scrape: { tls } }: Dialled): Partial<buildConnector.BuildOptions> {
  if (tls === undefined) return {};
  const name = serverName(endpoint, tls);
  const [ca, cert, key] = TLS_FILES.map((file) => readTlsFile(tls, file));
  return {
    rejectUnauthorized: !tls.insecureSkipVerify,
    ...(name === undefined ? {} : { servername: name }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function readTlsFile(tls: TlsClient, key: (typeof TLS_FILES)[number]): Buffer | undefined {
  const file = tls[key];
  if (file === undefined) return undefined;
  let handle: number | undefined;
  try {
    // Opening a pipe would wait for its writer.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(handle);
    // A device may never end.
    if (!stats.isFile()) throw new TlsFileUnreadable(key, "not a regular file");
    if (stats.size > MAX_TLS_FILE_BYTES)
      throw new TlsFileUnreadable(key, `${stats.size} bytes is above ${MAX_TLS_FILE_BYTES}`);
    return readFileSync(handle);
  } catch (cause) {
    if (cause instanceof TlsFileUnreadable) throw cause;
    throw new TlsFileUnreadable(key, cause instanceof Error && "code" in cause ? String(cause.code) : "");
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
