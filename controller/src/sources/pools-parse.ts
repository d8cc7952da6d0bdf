import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { type Document, isMap, isPair, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { MAX_APIS, MAX_ENDPOINTS, MAX_POOLS, MAX_ROUTES, MAX_ROWS } from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import type { Inventory, PoolSpec } from "../model.ts";
import { show, withheld } from "./checked.ts";
import { refuseDeepNesting } from "./nesting.ts";
import { toPool } from "./pool-spec.ts";
import {
  type BuildContext,
  formatPath,
  type Path,
  type Problems,
  refuseDuplicates,
  secretFault,
} from "./problems.ts";
import { POOLS_FILE, type ParsedPoolsFile } from "./pools-schema.ts";
import { toRoutes } from "./route-spec.ts";

export interface ParseContext {
  /** Absolute path of the pools file; other files are named relative to its folder. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws if the file cannot be read. */
  readonly readText: (path: string) => string;
}

/** Aliases expand at most this often: a page of them could otherwise grow without bound. */
const MAX_ALIASES = 1000;

/**
 * A pools file's text as an inventory.
 * @throws PickerError POOLS_FILE_SYNTAX or POOLS_FILE_INVALID; its message has one line a problem, its
 * path, value, bound and line are the first one's, and its cause is an AggregateError of all of them.
 */
export function parsePools(source: string, context: ParseContext): Inventory {
  refuseDeepNesting(source, context.path);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw new PickerError("POOLS_FILE_SYNTAX", broken.message, {
      path: context.path,
      line: lines.linePos(broken.pos[0]).line,
      cause: broken,
    });
  }
  const found: PickerError[] = [];
  const problems: Problems = {
    add(code, path, message, detail = {}) {
      found.push(
        new PickerError(code, message, {
          ...detail,
          path: formatPath(path),
          line: lineOf(document, lines, path),
        }),
      );
    },
  };
  const parsed = validate(document, problems);
  const absolute = (path: string): string => resolve(dirname(context.path), path);
  const build: BuildContext = {
    problems,
    env: context.env,
    absolute,
    readSecret: (file, path) => readSecret(absolute(file), path, context, problems),
  };
  const inventory = parsed === undefined ? undefined : toInventory(parsed, build);
  if (inventory === undefined || found.length > 0) throw invalid(found);
  return inventory;
}

function invalid(found: readonly PickerError[]): PickerError {
  const [first] = found;
  return new PickerError("POOLS_FILE_INVALID", found.map((problem) => problem.message).join("\n"), {
    value: first?.value,
    bound: first?.bound,
    cause: new AggregateError(found),
  });
}

function validate(document: Document.Parsed, problems: Problems): ParsedPoolsFile | undefined {
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    problems.add("CONFIG_FORMAT", [], cause instanceof Error ? cause.message : String(cause), { cause });
    return undefined;
  }
  const result = v.safeParse(POOLS_FILE, raw);
  if (result.success) return result.output;
  for (const issue of result.issues) addIssue(issue, problems);
  return undefined;
}

function addIssue(issue: v.BaseIssue<unknown>, problems: Problems): void {
  const path: Path = (issue.path ?? []).map((item) => {
    const { key } = item as { readonly key: unknown };
    return typeof key === "number" ? key : String(key);
  });
  const secret = mayHoldSecret(path);
  const shown = secret ? withheld : show;
  const value = secret ? undefined : issue.input;
  const last = issue.path?.at(-1) as { readonly origin?: string } | undefined;
  if (last?.origin === "key" && issue.expected === "never") {
    const key = String(path.at(-1));
    const inline = /^(api_?key|token|bearer_?token|password|secret)$/i.test(key);
    const hint = inline ? "; secrets are not written here, name a file or a variable" : "";
    problems.add("CONFIG_UNKNOWN_KEY", path, `is not a known key${hint}`, { value: key });
  } else if (last?.origin === "key") {
    problems.add("CONFIG_MISSING", path, "is missing", { bound: "required" });
  } else if (issue.kind === "schema") {
    const wanted = issue.expected === "Array" ? "a list" : "a mapping";
    problems.add("CONFIG_TYPE", path, `${shown(issue.input)} is not ${wanted}`, { value, bound: wanted });
  } else {
    const code = issue.expected === null ? "CONFIG_FORMAT" : "CONFIG_RANGE";
    problems.add(code, path, issue.message, { value, bound: issue.expected ?? undefined });
  }
}

/** Places where a secret is pasted by mistake; the schema withholds their values from its messages too. */
function mayHoldSecret(path: Path): boolean {
  return path.some((key) => /^(?:apiKeyEnv|apiKeyFile|tokenEnv|tokenFile|tls)$/.test(String(key)));
}

function toInventory(parsed: ParsedPoolsFile, build: BuildContext): Inventory {
  const { problems } = build;
  if (parsed.pools.length === 0) {
    problems.add("CONFIG_RANGE", ["pools"], "0 pools is below 1", { value: 0, bound: 1 });
  }
  const pools = parsed.pools.map((pool, index) => toPool(pool, ["pools", index], build));
  refuseDuplicates(
    pools.map((pool, index) => ({ key: `${pool.namespace}/${pool.name}`, path: ["pools", index, "name"] })),
    problems,
  );
  refuseDuplicates(clusterPlaces(parsed, pools), problems);
  const inventory = { pools, routes: toRoutes(parsed.routes, pools, problems) };
  refuseTooMany(inventory, problems);
  return inventory;
}

/** What no table has room for would be refused with each table, and nothing newer reach the filter. */
function refuseTooMany({ pools, routes }: Inventory, problems: Problems): void {
  const sum = (count: (pool: PoolSpec) => number) => pools.reduce((total, pool) => total + count(pool), 0);
  const counts: readonly (readonly [what: string, count: number, bound: number])[] = [
    ["pools", pools.length, MAX_POOLS],
    ["endpoints", sum(({ endpoints }) => endpoints.length), MAX_ENDPOINTS],
    ["clusters", sum(({ clusters }) => clusters.length), MAX_ROWS],
    ["models", sum(({ models }) => models.length), MAX_ROWS],
    ["objectives", sum(({ objectives }) => objectives.length), MAX_ROWS],
    ["models with rewrites", sum(({ rewrites }) => rewrites.length), MAX_ROWS],
    [
      "targets of models with rewrites",
      sum(({ rewrites }) => rewrites.reduce((total, { targets }) => total + targets.length, 0)),
      MAX_ROWS,
    ],
    ["APIs", sum(({ apis }) => apis.length), MAX_APIS],
  ];
  const byModel = routes.filter((route) => route.byModel);
  const choices = byModel.reduce((total, route) => total + route.pools.length, 0);
  const routeCounts: typeof counts = [
    ["routes by model", byModel.length, MAX_ROUTES],
    ["pools of routes by model", choices, MAX_ROWS],
  ];
  for (const [path, list] of [
    ["pools", counts],
    ["routes", routeCounts],
  ] as const) {
    for (const [what, value, bound] of list) {
      if (value <= bound) continue;
      problems.add("CONFIG_RANGE", [path], `${value} ${what} is above ${bound}`, { value, bound });
    }
  }
}

function clusterPlaces(
  parsed: ParsedPoolsFile,
  pools: readonly PoolSpec[],
): readonly { readonly key: string; readonly path: Path }[] {
  return pools.flatMap((pool, index) =>
    pool.clusters.map((cluster, position) => ({
      key: cluster,
      path:
        parsed.pools[index]?.clusters === undefined
          ? ["pools", index, "name"]
          : ["pools", index, "clusters", position],
    })),
  );
}

function readSecret(file: string, path: Path, context: ParseContext, problems: Problems): string | undefined {
  let content: string;
  try {
    content = context.readText(file);
  } catch (cause) {
    // The system's message has the path in it.
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    problems.add("CONFIG_SECRET", path, `the file that it names cannot be read${code}`);
    return undefined;
  }
  const secret = content.replace(/\r?\n$/, "");
  if (secretFault(secret) === undefined) return secret;
  problems.add("CONFIG_SECRET", path, `the secret in the file that it names ${secretFault(secret)}`);
  return undefined;
}

/** 1-based line of the deepest node of the path that the file holds; of a key, where it is written. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && String(item.key) === String(key));
      if (pair === undefined) break;
      offset = (pair.key as Node | null)?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}
