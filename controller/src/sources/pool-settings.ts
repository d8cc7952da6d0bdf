import { isDeepStrictEqual } from "node:util";
import { MAX_POOL_APIS, MAX_POOL_CLASSES } from "../../../assembly/wire/layout.ts";
import type { EndpointSpec, ModelListSpec, ModelSpec, PickingSpec, PoolSpec } from "../model.ts";
import { type BuildContext, type Path, refuseDuplicates, type SecretKeys } from "./problems.ts";
import {
  DISCOVERY_DEFAULTS,
  type ParsedDiscovery,
  type ParsedPool,
  SCRAPE_DEFAULTS,
  STALE_AFTER_INTERVALS,
  STALE_AFTER_MIN_MS,
} from "./pools-schema.ts";
import { toRewrites } from "./rewrite-rules.ts";
import { toTls } from "./scrape-spec.ts";

/** What a pool says of itself, whatever source its endpoints come from. */
export type ParsedSettings = Omit<ParsedPool, "endpoints" | "scrape" | "apiKeyFile" | "apiKeyEnv"> &
  SecretKeys;

/** A pool but for its endpoints, and what each of them is made with. */
export interface PoolSettings {
  readonly spec: Omit<PoolSpec, "endpoints" | "staleAfterMs">;
  /** Absent: by the endpoints' scrapes. */
  readonly staleAfterMs?: number | undefined;
  /** How the endpoints are asked for their models; `false`: not at all. */
  readonly discovery: ParsedDiscovery;
}

/** What is contradictory becomes a problem. */
export function toPoolSettings(parsed: ParsedSettings, path: Path, build: BuildContext): PoolSettings {
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
  const upstreamApiKey = build.secretOf(parsed, "apiKey", path);
  return {
    spec: {
      namespace: parsed.namespace,
      name: parsed.name,
      profile: parsed.profile,
      scorers: parsed.scorers,
      failureMode: parsed.failureMode,
      clusters: parsed.clusters ?? [`${parsed.namespace}/${parsed.name}`],
      models,
      objectives: parsed.objectives,
      rewrites: toRewrites(parsed, path, build.problems),
      restoreModel: parsed.restoreModel,
      addUsage: parsed.usage.add,
      apis: parsed.apis,
      readBody: READ_BODY[parsed.body.read],
      requireModel: parsed.requireModel,
      knownModelsOnly: parsed.knownModelsOnly,
      bodyWindowBytes: parsed.body.window,
      bodyLimitBytes: parsed.body.limit,
      saturation: parsed.saturation,
      picking: toPicking(parsed),
      appProtocol: parsed.appProtocol,
      ...(upstreamTls === undefined ? {} : { upstreamTls }),
      ...(upstreamApiKey === undefined ? {} : { upstreamApiKey }),
    },
    staleAfterMs: parsed.staleAfter,
    discovery: discovery(parsed),
  };
}

function toPicking({
  slo,
  subset,
  sessionAffinity,
  classes,
  contextLengthLabel,
}: ParsedSettings): PickingSpec {
  return {
    ttft: slo.ttft,
    tpotMs: slo.tpot,
    objectiveHeaders: slo.headers,
    subset,
    sessionAffinity,
    ...(classes === undefined
      ? {}
      : {
          classes: {
            header: classes.header,
            values: classes.values.map(({ value, labels }) => ({
              ...(value === undefined ? {} : { value }),
              labels: Object.fromEntries(labels),
            })),
          },
        }),
    ...(contextLengthLabel === undefined ? {} : { contextLengthLabel }),
  };
}

/** The pool with these endpoints, each asked for its models as the settings say. */
export function withEndpoints(settings: PoolSettings, endpoints: readonly EndpointSpec[]): PoolSpec {
  return {
    ...settings.spec,
    endpoints: endpoints.map((endpoint) => withModelList(endpoint, settings)),
    staleAfterMs: settings.staleAfterMs ?? defaultStaleAfterMs(endpoints),
  };
}

/** Of the bits that an endpoint's classes have in a table, those that are left for lengths of prompts. */
const LENGTH_CLASSES = 16;
const MAX_HEADER_CLASSES = MAX_POOL_CLASSES - LENGTH_CLASSES;

const READ_BODY = { always: true, never: false, auto: "auto" } as const;

function defaultStaleAfterMs(endpoints: readonly EndpointSpec[]): number {
  const intervals = endpoints.flatMap((endpoint) => endpoint.scrape?.intervalMs ?? []);
  const longestMs = intervals.length === 0 ? SCRAPE_DEFAULTS.intervalMs : Math.max(...intervals);
  return Math.max(STALE_AFTER_INTERVALS * longestMs, STALE_AFTER_MIN_MS);
}

function checkPool(
  parsed: ParsedSettings,
  models: readonly ModelSpec[],
  path: Path,
  build: BuildContext,
): void {
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
  checkClasses(parsed, path, build);
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

function checkClasses({ classes }: ParsedSettings, path: Path, { problems }: BuildContext): void {
  if (classes === undefined) return;
  const at = [...path, "classes", "values"];
  const count = classes.values.length;
  if (count === 0 || count > MAX_HEADER_CLASSES) {
    const bound = count === 0 ? 1 : MAX_HEADER_CLASSES;
    problems.add("CONFIG_RANGE", at, `${count} values is ${count === 0 ? "below" : "above"} ${bound}`, {
      value: count,
      bound,
    });
  }
  refuseDuplicates(
    classes.values.map(({ value }, index) => ({ key: value ?? "(any other)", path: [...at, index] })),
    problems,
  );
}

/** What in the pool cannot be had without reading bodies. */
function needingBody(parsed: ParsedSettings): readonly Path[] {
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
function discovery(parsed: ParsedSettings): ParsedDiscovery {
  return parsed.discoverModels ?? (parsed.models.length > 0 ? false : DISCOVERY_DEFAULTS);
}

/**
 * The port that serves requests is spoken to as Envoy does, else as scrapes of that port are made. A pool's
 * own key goes before the scrape's token, which may be for metrics alone; neither goes to a server that is verified
 * otherwise than the section says which it stands in.
 */
function withModelList(endpoint: EndpointSpec, settings: PoolSettings): EndpointSpec {
  const { upstreamTls, upstreamApiKey } = settings.spec;
  const found = settings.discovery;
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
