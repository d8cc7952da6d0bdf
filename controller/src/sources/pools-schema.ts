import * as v from "valibot";
import {
  MAX_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
  MAX_SUFFIX_BYTES,
  MAX_TARGET_WEIGHT,
} from "../../../assembly/wire/layout.ts";
import { PROFILE_LIST } from "../../../assembly/wire/profiles.ts";
import {
  isObjectiveMs,
  isTtftObjective,
  OBJECTIVE_BOUNDS,
  parseTpotObjective,
  parseTtftObjective,
  TPOT_FORM,
  TTFT_FORM,
} from "../latency-objectives.ts";
import { checked, duration, flag, integer, real, show, size, text, withheld, word } from "./checked.ts";
import { hostPort } from "./host-port.ts";

/**
 * The schema of the pools file, its bounds and its defaults; `envoy/examples/pools.yaml` shows every
 * key. Unknown keys are errors.
 */

const NAME = { pattern: /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, is: "a name of a-z, 0-9, - and ." };
const HEADER_NAME = { pattern: /^[a-z0-9!#$%&'*+.^_`|~-]+$/, is: "a header name in lower case" };
/** As `CLASS_HEADER_NAME` of the table has it. */
const CLASS_HEADER = { pattern: /^[a-z0-9._-]+$/, is: "a header name of a-z, 0-9, -, _ and ." };
const LABEL = { pattern: /^[^\s=]+=[^\s=]*$/, is: "a label such as tier=gold" };
const LABEL_KEY = { pattern: /^[^\s=]+$/, is: "the name of a label" };
const URL_PATH = { pattern: /^\/\S*$/, is: "a path that begins with /" };
/** The end of a path, segment by segment; `{model}` is a whole segment and stands in it once at most. */
const SUFFIX = {
  pattern: /^(?!.*\{model\}.*\{model\})(?:\/(?:\{model\}|[!"$-.0->@-z|~]+))+$/,
  is: "the end of a path such as /v1/rerank, in ASCII and without a query, in which one segment may be {model}",
};
const MAX_PRIORITY = 2 ** 31 - 1;

const name = text(253, NAME);
const modelName = text(MAX_NAME_BYTES);
/** A secret pasted where its file or variable belongs must not reach a log: these values are never shown. */
const path = text(4096, undefined, withheld);
const environmentName = text(
  256,
  { pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, is: "the name of a variable" },
  withheld,
);
const priority = integer(-MAX_PRIORITY - 1, MAX_PRIORITY);

/** The label's key and value. */
const label = v.pipe(
  text(512, LABEL),
  v.transform((written): readonly [key: string, value: string] => {
    const at = written.indexOf("=");
    return [written.slice(0, at), written.slice(at + 1)];
  }),
);

/**
 * What `parse` makes of the text; it throws for text of another form. A value that no table can carry is refused here,
 * where it costs its own pool: in the encoder it would cost every pool its table.
 */
function objective<Value>(
  parse: (written: string, path: string) => Value,
  isInBounds: (value: Value) => boolean,
  form: string,
) {
  const isObjective = {
    test: (written: string): boolean => {
      try {
        return isInBounds(parse(written, ""));
      } catch {
        return false;
      }
    },
  };
  return v.pipe(
    text(64, { pattern: isObjective, is: form }),
    v.transform((written) => parse(written, "")),
  );
}
const ttftObjective = objective(parseTtftObjective, isTtftObjective, `${TTFT_FORM}, ${OBJECTIVE_BOUNDS}`);
const tpotObjective = objective(parseTpotObjective, isObjectiveMs, `${TPOT_FORM}, ${OBJECTIVE_BOUNDS}`);

const notMapping = checked<never>((input) => ({ refused: `${show(input)} is not a mapping` }));

/** A mapping of these keys and no others; valibot's own object schemas take lists for objects. */
export function mapping<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.StrictObjectSchema<Entries, undefined>>> {
  const schema = v.strictObject(entries);
  return v.lazy((input) => (Array.isArray(input) ? notMapping : schema)) as v.GenericSchema<
    unknown,
    v.InferOutput<typeof schema>
  >;
}

/** A plain value stands for the mapping with that one key. */
function shorthand<Short extends v.GenericSchema, Long extends v.GenericSchema>(
  short: Short,
  long: Long,
): v.GenericSchema<unknown, v.InferOutput<Short> | v.InferOutput<Long>> {
  return v.lazy((input) => (typeof input === "object" && input !== null ? long : short)) as v.GenericSchema<
    unknown,
    v.InferOutput<Short> | v.InferOutput<Long>
  >;
}

/** `false`, or the mapping. */
export function falseOr<const Long extends v.GenericSchema>(
  long: Long,
): v.GenericSchema<unknown, false | v.InferOutput<Long>> {
  const no = checked<false>((value) =>
    value === false ? false : { refused: "true is not false or a mapping" },
  );
  return v.lazy((input) => (typeof input === "boolean" ? no : long)) as v.GenericSchema<
    unknown,
    false | v.InferOutput<Long>
  >;
}

const tlsEntries = {
  caFile: v.optional(path),
  certFile: v.optional(path),
  keyFile: v.optional(path),
  serverName: v.optional(text(253, undefined, withheld)),
  insecureSkipVerify: v.optional(flag(withheld), false),
};
const tls = mapping(tlsEntries);

/** No defaults here: an endpoint's keys override the pool's, and SCRAPE_DEFAULTS fill the rest. */
const scrapeEntries = {
  interval: v.optional(duration("50ms", "1h")),
  timeout: v.optional(duration("10ms", "1m")),
  path: v.optional(text(1024, URL_PATH)),
  port: v.optional(integer(1, 65535)),
  maxPage: v.optional(size("16KiB", "16MiB")),
  tokenFile: v.optional(path),
  tokenEnv: v.optional(environmentName),
  tls: v.optional(tls),
};
const scrape = falseOr(mapping(scrapeEntries));

/**
 * A scrape of a busy vLLM was seen to take 600 ms, so the timeout stands well above; an endpoint has
 * one scrape under way at most, whatever the two are.
 */
export const SCRAPE_DEFAULTS = { intervalMs: 500, timeoutMs: 2000, path: "/metrics" } as const;

/** Default of `staleAfter`: this many of the pool's longest scrape interval, and no less than the minimum. */
export const STALE_AFTER_INTERVALS = 3;
export const STALE_AFTER_MIN_MS = 1000;

const api = word(
  "openai-chat",
  "openai-completions",
  "openai-responses",
  "openai-embeddings",
  "openai-audio",
  "openai-images",
  "anthropic-messages",
  "json",
  "none",
);

const engine = word("vllm", "sglang", "trtllm", "triton");

const endpoint = shorthand(
  hostPort(),
  mapping({
    name: v.optional(text(253)),
    address: hostPort(),
    engine: v.optional(engine),
    scrape: v.optional(scrape),
    labels: v.optional(v.array(label), []),
  }),
);

/** What a model's name is rewritten to, as in InferenceModel and InferenceModelRewrite. */
const targets = v.array(
  shorthand(modelName, mapping({ name: modelName, weight: v.optional(integer(1, MAX_TARGET_WEIGHT), 1) })),
);

const model = shorthand(
  modelName,
  mapping({
    name: modelName,
    adapter: v.optional(flag(), false),
    priority: v.optional(priority),
    targets: v.optional(targets, []),
  }),
);

const discoverModels = falseOr(
  mapping({
    interval: v.optional(duration("1s", "1h"), "10s"),
    path: v.optional(text(1024, URL_PATH), "/v1/models"),
  }),
);

const poolEntries = {
  name,
  namespace: v.optional(text(63, NAME), "default"),
  profile: v.optional(word(...PROFILE_LIST), "net-goodput"),
  scorers: v.optional(
    v.array(
      mapping({
        name: word(
          "queue-depth",
          "kv-cache-utilization",
          "running-requests",
          "in-flight",
          "lora-affinity",
          "prefix-affinity",
        ),
        weight: v.optional(real(0.001, 1000), 1),
      }),
    ),
    [],
  ),
  slo: v.optional(
    mapping({
      ttft: v.optional(ttftObjective, "1s+62.5ms/1k"),
      tpot: v.optional(tpotObjective, "40ms"),
      headers: v.optional(flag(), false),
    }),
    {},
  ),
  subset: v.optional(word("none", "header", "metadata", "both"), "none"),
  sessionAffinity: v.optional(flag(), false),
  classes: v.optional(
    mapping({
      header: text(256, CLASS_HEADER),
      values: v.array(mapping({ value: v.optional(text(MAX_NAME_BYTES)), labels: v.array(label) })),
    }),
  ),
  contextLengthLabel: v.optional(text(317, LABEL_KEY)),
  failureMode: v.optional(word("FailClose", "FailOpen"), "FailClose"),
  /** Default: one, `namespace/name`. */
  clusters: v.optional(v.array(text(MAX_POOL_NAME_BYTES))),
  engine: v.optional(engine, "vllm"),
  models: v.optional(v.array(model), []),
  /** Default: `{}` without `models`, `false` with some. */
  discoverModels: v.optional(discoverModels),
  rewrites: v.optional(
    v.array(
      mapping({
        /** Empty: any. */
        models: v.optional(v.array(modelName), []),
        targets,
      }),
    ),
    [],
  ),
  restoreModel: v.optional(flag(), false),
  usage: v.optional(mapping({ add: v.optional(flag(), false) }), {}),
  apis: v.optional(v.array(mapping({ suffix: text(MAX_SUFFIX_BYTES, SUFFIX), api })), []),
  objectives: v.optional(v.array(mapping({ name, priority: v.optional(priority, 0) })), []),
  body: v.optional(
    mapping({
      /** `auto`: read where the pick or an answer depends on the model. */
      read: v.optional(word("auto", "always", "never"), "auto"),
      window: v.optional(size("1KiB", "16MiB"), "64KiB"),
      limit: v.optional(size("1KiB", "256MiB"), "16MiB"),
    }),
    {},
  ),
  requireModel: v.optional(flag(), false),
  knownModelsOnly: v.optional(flag(), false),
  /** Default: see STALE_AFTER_INTERVALS. */
  staleAfter: v.optional(duration("100ms", "1h")),
  saturation: v.optional(
    mapping({
      queueLimit: v.optional(real(0.001, 100000), 5),
      kvLimit: v.optional(real(0.01, 1), 0.8),
    }),
    {},
  ),
  appProtocol: v.optional(word("http", "kubernetes.io/h2c"), "http"),
  tls: v.optional(tls),
  apiKeyFile: v.optional(path),
  apiKeyEnv: v.optional(environmentName),
  scrape: v.optional(scrape, {}),
  endpoints: v.array(endpoint),
};
const pool = mapping(poolEntries);

const route = mapping({
  /** Default: `route-` and a hash of what the route matches. */
  name: v.optional(name),
  pathPrefix: v.optional(text(1024, URL_PATH), "/"),
  headers: v.optional(v.array(mapping({ name: text(256, HEADER_NAME), exact: text(4096) })), []),
  pools: v.array(
    shorthand(text(317), mapping({ pool: text(317), weight: v.optional(integer(0, 1_000_000)) })),
  ),
  byModel: v.optional(flag(), false),
});

/** Of a pool in a route, unless the route is by model. */
export const ROUTE_WEIGHT_DEFAULT = 1;

/** Of a pool that neither lists its models nor says how they are found. */
export const DISCOVERY_DEFAULTS = v.parse(discoverModels, {});

export const POOLS_FILE = mapping({
  pools: v.array(pool),
  /** Default: one route `/` to the first pool. */
  routes: v.optional(v.array(route)),
});

/**
 * Keys that pools, scrapes and their TLS have in every source: what says how endpoints are found differs, and so do
 * secrets and files, which are the controller's and Envoy's own.
 */
export const SHARED_ENTRIES = {
  pool: without(
    poolEntries,
    "name",
    "namespace",
    "objectives",
    "appProtocol",
    "endpoints",
    "scrape",
    "tls",
    "apiKeyFile",
    "apiKeyEnv",
  ),
  scrape: without(scrapeEntries, "tokenFile", "tokenEnv", "tls"),
  tls: without(tlsEntries, "caFile", "certFile", "keyFile"),
};

function without<const Entries extends v.ObjectEntries, const Key extends keyof Entries>(
  entries: Entries,
  ...keys: readonly Key[]
): Omit<Entries, Key> {
  const dropped: readonly PropertyKey[] = keys;
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !dropped.includes(key))) as Omit<
    Entries,
    Key
  >;
}

/** A pools file beside another source of pools. */
export const ROUTES_FILE = mapping({ routes: v.array(route) });

export type ParsedPoolsFile = v.InferOutput<typeof POOLS_FILE>;
export type ParsedPool = v.InferOutput<typeof pool>;
export type ParsedRoute = v.InferOutput<typeof route>;
export type ParsedTargets = v.InferOutput<typeof targets>;
export type ParsedDiscovery = v.InferOutput<typeof discoverModels>;
export type ParsedScrape = v.InferOutput<typeof scrape>;
export type ParsedTls = v.InferOutput<typeof tls>;
