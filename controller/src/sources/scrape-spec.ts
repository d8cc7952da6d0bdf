import type { ScrapeSpec, TlsClient } from "../model.ts";
import type { BuildContext, Path, SecretKeys } from "./problems.ts";
import { type ParsedScrape, type ParsedTls, SCRAPE_DEFAULTS } from "./pools-schema.ts";

/** How metrics are read, whatever source says it; `false`: not at all. */
export type ScrapeSettings =
  | false
  | (Omit<Exclude<ParsedScrape, false>, "tokenFile" | "tokenEnv"> & SecretKeys);

/** The endpoint's keys over the pool's over the defaults; undefined: not scraped. */
export function toScrape(
  pool: ScrapeSettings,
  poolPath: Path,
  own: ScrapeSettings | undefined,
  ownPath: Path,
  build: BuildContext,
): ScrapeSpec | undefined {
  if (own === false || (own === undefined && pool === false)) return undefined;
  const base = pool === false ? {} : pool;
  const over = own ?? {};
  const [token, tokenPath] = namesToken(over) ? [over, ownPath] : [base, poolPath];
  const bearerToken = build.secretOf(token, "token", tokenPath);
  const tls = over.tls ?? base.tls;
  const port = over.port ?? base.port;
  const maxPageBytes = over.maxPage ?? base.maxPage;
  return {
    intervalMs: over.interval ?? base.interval ?? SCRAPE_DEFAULTS.intervalMs,
    timeoutMs: over.timeout ?? base.timeout ?? SCRAPE_DEFAULTS.timeoutMs,
    path: over.path ?? base.path ?? SCRAPE_DEFAULTS.path,
    ...(maxPageBytes === undefined ? {} : { maxPageBytes }),
    ...(port === undefined ? {} : { port }),
    ...(bearerToken === undefined ? {} : { bearerToken }),
    ...(tls === undefined
      ? {}
      : { tls: toTls(tls, [...(over.tls === undefined ? poolPath : ownPath), "tls"], build) }),
  };
}

function namesToken({ tokenFile, tokenEnv, tokenSecret }: SecretKeys): boolean {
  return [tokenFile, tokenEnv, tokenSecret].some((key) => key !== undefined);
}

export function toTls(parsed: ParsedTls, path: Path, build: BuildContext): TlsClient {
  const { caFile, certFile, keyFile, serverName } = parsed;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [given, missing] = certFile === undefined ? ["keyFile", "certFile"] : ["certFile", "keyFile"];
    build.problems.add("CONFIG_CONFLICT", [...path, given], `needs ${missing}`, {
      value: given,
      bound: missing,
    });
  }
  return {
    ...(caFile === undefined ? {} : { caFile: build.absolute(caFile) }),
    ...(certFile === undefined ? {} : { certFile: build.absolute(certFile) }),
    ...(keyFile === undefined ? {} : { keyFile: build.absolute(keyFile) }),
    ...(serverName === undefined ? {} : { serverName }),
    insecureSkipVerify: parsed.insecureSkipVerify,
  };
}
