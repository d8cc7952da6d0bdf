import { isDeepStrictEqual } from "node:util";
import { MAX_POOL_APIS } from "../../../assembly/wire/layout.ts";
import type {
  EndpointSpec,
  Engine,
  ModelListSpec,
  ModelSpec,
  PoolSpec,
  ScrapeSpec,
  TlsClient,
} from "../model.ts";
import type { HostPort } from "./host-port.ts";
import { type BuildContext, type Path, refuseDuplicates, secretFault } from "./problems.ts";
import {
  DISCOVERY_DEFAULTS,
  type ParsedDiscovery,
  type ParsedPool,
  type ParsedScrape,
  type ParsedTls,
  SCRAPE_DEFAULTS,
  STALE_AFTER_INTERVALS,
  STALE_AFTER_MIN_MS,
} from "./pools-schema.ts";
import { formatAddress } from "./resolve.ts";
import { toRewrites } from "./rewrite-rules.ts";

/** One pool of the file; what is contradictory in it becomes a problem. */
export function toPool(parsed: ParsedPool, path: Path, build: BuildContext): PoolSpec {
  const models = parsed.models.map(
    (model): ModelSpec =>
      typeof model === "string"
        ? { name: model, adapter: false }
        : {
            name: model.name,
            adapter: model.adapter,
            ...(model.priority === undefined ? {} : { priority: model.priority }),
          },
  );
  checkPool(parsed, models, path, build);
  const upstreamTls = parsed.tls === undefined ? undefined : toTls(parsed.tls, [...path, "tls"], build);
  const upstreamApiKey = toSecret(parsed.apiKeyFile, parsed.apiKeyEnv, "apiKey", path, build);
  const endpoints = toEndpoints(parsed, path, build).map((endpoint) =>
    withModelList(endpoint, parsed, upstreamTls, upstreamApiKey),
  );
  return {
    namespace: parsed.namespace,
    name: parsed.name,
    profile: parsed.profile,
    scorers: parsed.scorers,
    failureMode: parsed.failureMode,
    clusters: parsed.clusters ?? [`${parsed.namespace}/${parsed.name}`],
    endpoints,
    models,
    objectives: parsed.objectives,
    rewrites: toRewrites(parsed, path, build.problems),
    restoreModel: parsed.restoreModel,
    addUsage: parsed.usage.add,
    apis: parsed.apis,
    readBody: READ_BODY[parsed.body.read],
    requireModel: parsed.requireModel,
    knownModelsOnly: parsed.knownModelsOnly,
    staleAfterMs: parsed.staleAfter ?? defaultStaleAfterMs(endpoints),
    bodyWindowBytes: parsed.body.window,
    bodyLimitBytes: parsed.body.limit,
    saturation: parsed.saturation,
    appProtocol: parsed.appProtocol,
    ...(upstreamTls === undefined ? {} : { upstreamTls }),
    ...(upstreamApiKey === undefined ? {} : { upstreamApiKey }),
  };
}

const READ_BODY = { always: true, never: false, auto: "auto" } as const;

function defaultStaleAfterMs(endpoints: readonly EndpointSpec[]): number {
  const intervals = endpoints.flatMap((endpoint) => endpoint.scrape?.intervalMs ?? []);
  const longestMs = intervals.length === 0 ? SCRAPE_DEFAULTS.intervalMs : Math.max(...intervals);
  return Math.max(STALE_AFTER_INTERVALS * longestMs, STALE_AFTER_MIN_MS);
}

function checkPool(parsed: ParsedPool, models: readonly ModelSpec[], path: Path, build: BuildContext): void {
  const { problems } = build;
  if (parsed.scorers.length > 0 && parsed.profile !== "weighted") {
    problems.add("CONFIG_CONFLICT", [...path, "scorers"], "scorers need profile: weighted", {
      value: parsed.profile,
      bound: "weighted",
    });
  }
  if (parsed.scorers.length === 0 && parsed.profile === "weighted") {
    problems.add("CONFIG_CONFLICT", [...path, "profile"], "profile weighted needs at least 1 scorer", {
      value: 0,
      bound: 1,
    });
  }
  if (parsed.clusters?.length === 0) {
    problems.add("CONFIG_RANGE", [...path, "clusters"], "0 clusters is below 1", { value: 0, bound: 1 });
  }
  if (parsed.body.window > parsed.body.limit) {
    problems.add(
      "CONFIG_RANGE",
      [...path, "body", "window"],
      `${parsed.body.window} bytes is above the limit of ${parsed.body.limit}`,
      { value: parsed.body.window, bound: parsed.body.limit },
    );
  }
  if (parsed.body.read === "never") {
    for (const key of needingBody(parsed)) {
      problems.add("CONFIG_CONFLICT", [...path, ...key], "needs the body, and body.read is never", {
        value: true,
        bound: "never",
      });
    }
  }
  if (parsed.knownModelsOnly && models.length === 0 && discovery(parsed) === false) {
    problems.add(
      "CONFIG_CONFLICT",
      [...path, "knownModelsOnly"],
      "needs at least 1 entry in models, or discoverModels",
      { value: 0, bound: 1 },
    );
  }
  if (parsed.apis.length > MAX_POOL_APIS) {
    const count = parsed.apis.length;
    problems.add("CONFIG_RANGE", [...path, "apis"], `${count} APIs is above ${MAX_POOL_APIS}`, {
      value: count,
      bound: MAX_POOL_APIS,
    });
  }
  refuseDuplicates(
    parsed.apis.map(({ suffix }, index) => ({ key: suffix, path: [...path, "apis", index] })),
    problems,
  );
  const lists = { models, objectives: parsed.objectives, scorers: parsed.scorers };
  for (const [key, list] of Object.entries(lists)) {
    refuseDuplicates(
      list.map((entry, index) => ({ key: entry.name, path: [...path, key, index] })),
      problems,
    );
  }
}

/** What in the pool cannot be had without reading bodies. */
function needingBody(parsed: ParsedPool): readonly Path[] {
  const flags: readonly (readonly [Path, boolean])[] = [
    [["requireModel"], parsed.requireModel],
    [["knownModelsOnly"], parsed.knownModelsOnly],
    [["rewrites"], parsed.rewrites.length > 0],
    [["usage", "add"], parsed.usage.add],
  ];
  return [
    ...flags.flatMap(([key, isOn]) => (isOn ? [key] : [])),
    ...parsed.models.flatMap((model, index) =>
      typeof model !== "string" && model.targets.length > 0 ? [["models", index, "targets"]] : [],
    ),
  ];
}

/** How the pool learns its models; `false`: not at all. */
function discovery(parsed: ParsedPool): ParsedDiscovery {
  return parsed.discoverModels ?? (parsed.models.length > 0 ? false : DISCOVERY_DEFAULTS);
}

/**
 * The port that serves requests is spoken to as Envoy does, else as scrapes of that port are made. A pool's
 * own key goes before the scrape's token, which may be for metrics alone; neither goes to a server that is verified
 * otherwise than the section says which it stands in.
 */
function withModelList(
  endpoint: EndpointSpec,
  parsed: ParsedPool,
  upstreamTls: TlsClient | undefined,
  upstreamApiKey: string | undefined,
): EndpointSpec {
  const found = discovery(parsed);
  if (found === false) return endpoint;
  const { scrape } = endpoint;
  const samePort = scrape !== undefined && (scrape.port ?? endpoint.port) === endpoint.port;
  const tls = upstreamTls ?? (samePort ? scrape.tls : undefined);
  const key = isDeepStrictEqual(tls, upstreamTls) ? upstreamApiKey : undefined;
  const token = samePort && isDeepStrictEqual(tls, scrape.tls) ? scrape.bearerToken : undefined;
  const bearerToken = key ?? token;
  const modelList: ModelListSpec = {
    intervalMs: found.interval,
    path: found.path,
    ...(bearerToken === undefined ? {} : { bearerToken }),
    ...(tls === undefined ? {} : { tls }),
  };
  return { ...endpoint, modelList };
}

interface PlainEndpoint {
  readonly address: HostPort;
  readonly name?: string | undefined;
  readonly engine?: Engine | undefined;
  readonly scrape?: ParsedScrape | undefined;
}

function toEndpoints(parsed: ParsedPool, path: Path, build: BuildContext): readonly EndpointSpec[] {
  const poolScrape = [...path, "scrape"];
  const specs = parsed.endpoints.map((entry, index): EndpointSpec => {
    const plain: PlainEndpoint = "host" in entry ? { address: entry } : entry;
    const scrape = toScrape(
      parsed.scrape,
      poolScrape,
      plain.scrape,
      [...path, "endpoints", index, "scrape"],
      build,
    );
    return {
      name: plain.name ?? formatAddress(plain.address.host, plain.address.port),
      host: plain.address.host,
      port: plain.address.port,
      engine: plain.engine ?? parsed.engine,
      ...(scrape === undefined ? {} : { scrape }),
    };
  });
  const at = (index: number): Path => [...path, "endpoints", index];
  refuseDuplicates(
    specs.map((spec, index) => ({ key: formatAddress(spec.host, spec.port), path: at(index) })),
    build.problems,
  );
  const named = specs.map((spec, index) => ({ key: spec.name, path: at(index) }));
  // A default name is the address, whose duplicates have been named above.
  refuseDuplicates(
    named.filter(({ key }, index) => key !== formatAddress(specs[index]!.host, specs[index]!.port)),
    build.problems,
  );
  return specs;
}

/** The endpoint's keys over the pool's over the defaults; undefined: not scraped. */
function toScrape(
  pool: ParsedScrape,
  poolPath: Path,
  own: ParsedScrape | undefined,
  ownPath: Path,
  build: BuildContext,
): ScrapeSpec | undefined {
  if (own === false || (own === undefined && pool === false)) return undefined;
  const base = pool === false ? {} : pool;
  const over = own ?? {};
  const ownToken = over.tokenFile !== undefined || over.tokenEnv !== undefined;
  const [token, tokenPath] = ownToken ? [over, ownPath] : [base, poolPath];
  const bearerToken = toSecret(token.tokenFile, token.tokenEnv, "token", tokenPath, build);
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

function toTls(parsed: ParsedTls, path: Path, build: BuildContext): TlsClient {
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

/**
 * A secret from a file or a variable, never from the pools file itself. No message names the file or the
 * variable: whoever pastes the secret in its place must not find it in a log.
 */
function toSecret(
  file: string | undefined,
  variable: string | undefined,
  key: "apiKey" | "token",
  path: Path,
  build: BuildContext,
): string | undefined {
  if (file !== undefined && variable !== undefined) {
    build.problems.add("CONFIG_CONFLICT", [...path, `${key}Env`], `${key}File is given too`, {
      bound: `${key}File or ${key}Env`,
    });
    return undefined;
  }
  if (file !== undefined) return build.readSecret(file, [...path, `${key}File`]);
  if (variable === undefined) return undefined;
  const secret = build.env[variable];
  const fault = secret === undefined ? "is not set" : secretFault(secret);
  if (fault === undefined) return secret;
  build.problems.add("CONFIG_SECRET", [...path, `${key}Env`], `the variable that it names ${fault}`);
  return undefined;
}
