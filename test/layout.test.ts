import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A file of the tree: its path from the root, and its text. */
interface Source {
  readonly path: string;
  readonly text: string;
}

/** Who may import whom below `assembly/`: data flows one way, wire → core → filter → abi. */
const ASSEMBLY: Readonly<Record<string, readonly string[]>> = {
  wire: ["wire"],
  core: ["wire", "core"],
  abi: ["wire", "abi"],
  filter: ["wire", "core", "abi", "filter"],
};

/**
 * Concerns of the controller and the concerns that each may import besides itself. Everything may import
 * the shared vocabulary below; what is not listed here (wiring, commands, pages) may import any concern.
 */
const CONTROLLER: Readonly<Record<string, readonly string[]>> = {
  kubernetes: [],
  sources: ["kubernetes"],
  status: ["kubernetes", "sources"],
  scrape: [],
  table: [],
  push: ["table"],
  xds: [],
};
const VOCABULARY = [
  "controller/src/model.ts",
  "controller/src/errors.ts",
  "controller/src/latency-objectives.ts",
  "controller/src/timer.ts",
  "controller/src/telemetry/logger.ts",
];
const WIRE = "assembly/wire/";
/** Concerns that read the format's constants: the feed writes it, and a source refuses what would not fit. */
const LAYOUT_READERS = ["sources", "table", "push"];

const GRPC = /^(@grpc\/|node:http2$)/;
/** Reading or writing memory by address. */
const RAW_MEMORY = /\b(?:load|store)\s*<|\bchangetype\s*<|\bv128\s*\.\s*(?:load|store)/;
/** Host calls, clocks and chance in AssemblyScript. */
const HOST = /@external\b|\bMath\.random\b|\bDate\s*\.\s*now\b|\bNativeMath\.seedRandom\b|\bprocess\s*\./;

function importsOf(text: string): readonly string[] {
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g);
  return [...found].map(([, specifier]) => specifier!);
}

/** The path from the root that a relative import means; the specifier itself if it is a package. */
function target(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  const path = posix.normalize(posix.join(posix.dirname(from), specifier));
  return path.endsWith(".ts") ? path : `${path}.ts`;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:])\/\/.*$/gm, "$1");
}

function concernOf(path: string): string | undefined {
  return /^controller\/src\/([^/]+)\//.exec(path)?.[1];
}

function assemblyPartOf(path: string): string | undefined {
  return /^assembly\/([^/]+)\//.exec(path)?.[1];
}

/** A test, or what only tests use, may put concerns together. */
function isTest(path: string): boolean {
  return /\.(?:test|spec)\.ts$|\/(?:fixtures|test-[^/]*)\.ts$/.test(path);
}

function mayImport(from: string, to: string): boolean {
  if (to === "controller/src/main.ts") return false;
  const part = assemblyPartOf(from);
  if (part !== undefined) {
    const other = assemblyPartOf(to);
    return other !== undefined && (ASSEMBLY[part] ?? []).includes(other);
  }
  const concern = concernOf(from);
  const others = concern === undefined ? undefined : CONTROLLER[concern];
  if (concern === undefined || others === undefined || isTest(from)) return true;
  if (concern === "table" && GRPC.test(to)) return false;
  if (!to.includes("/") || (!to.startsWith("controller/") && !to.startsWith("assembly/"))) return true;
  if (to.startsWith(WIRE)) return LAYOUT_READERS.includes(concern);
  if (VOCABULARY.includes(to)) return true;
  const other = concernOf(to);
  return other === concern || (other !== undefined && others.includes(other));
}

/** What a file does against the rules, in words. */
function violations({ path, text }: Source): readonly string[] {
  const found = importsOf(text)
    .map((specifier) => target(path, specifier))
    .filter((to) => !mayImport(path, to))
    .map((to) => `${path} imports ${to}`);
  const code = withoutComments(text);
  const part = assemblyPartOf(path);
  const isRaw = part === "core" && /^assembly\/core\/(?:body|response)\//.test(path);
  if (part === "core" && !isRaw && RAW_MEMORY.test(code)) found.push(`${path} touches memory by address`);
  if ((part === "core" || part === "wire") && HOST.test(code)) found.push(`${path} calls the host`);
  return found;
}

function sourcesBelow(folder: string): readonly Source[] {
  return readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.includes("generated/"))
    .map((name) => posix.join(folder, name))
    .map((path) => ({ path, text: readFileSync(`${ROOT}/${path}`, "utf8") }));
}

test("imports follow the arrows between the folders, and raw memory stays where it may be", () => {
  const sources = ["assembly", "controller/src", "test"].flatMap(sourcesBelow);
  assert.ok(sources.length > 100, `${sources.length} files`);
  assert.deepEqual(sources.flatMap(violations), []);
});

test("every part of the assembly has a rule", () => {
  const parts = readdirSync(`${ROOT}/assembly`, { withFileTypes: true });
  const folders = parts.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  assert.deepEqual(folders.sort(), Object.keys(ASSEMBLY).sort());
});

const FORBIDDEN: readonly (readonly [path: string, text: string])[] = [
  ["assembly/wire/reader.ts", 'import { Table } from "../core/table";'],
  ["assembly/wire/reader.ts", 'import {\n  a,\n  b,\n} from "../abi/log";'],
  ["assembly/core/table.ts", 'import { log } from "../abi/log";'],
  ["assembly/core/scorers/new_one.ts", 'export { x } from "../../filter/vm";'],
  ["assembly/core/table.ts", 'import { something } from "a-package";'],
  ["assembly/core/picker.ts", "const seed = Math.random();"],
  ["assembly/core/ledger.ts", "const row = load<u32>(ptr);"],
  ["assembly/core/ledger.ts", "store<u64>(ptr, 1);"],
  ["assembly/core/ledger.ts", "const ptr = changetype<usize>(this);"],
  ["assembly/core/index.ts", '@external("env", "proxy_log") declare function log(): void;'],
  ["assembly/abi/log.ts", 'import { Ledger } from "../core/ledger";'],
  ["assembly/abi/log.ts", 'import { Vm } from "../filter/vm";'],
  ["controller/src/sources/a.ts", 'import { scrape } from "../scrape/scraper.ts";'],
  ["controller/src/scrape/a.ts", 'import { MAGIC } from "../../../assembly/wire/layout.ts";'],
  ["controller/src/table/encode.ts", 'import * as grpc from "@grpc/grpc-js";'],
  ["controller/src/table/encode.ts", 'import type { Publisher } from "../push/publisher.ts";'],
  ["controller/src/xds/a.ts", 'const ads = await import("../push/publisher.ts");'],
  ["controller/src/push/a.ts", 'import { x } from "../main.ts";'],
  ["controller/src/cli/run.ts", 'import "../main.ts";'],
  ["test/e2e/a.test.ts", 'import { x } from "../../controller/src/main.ts";'],
];

test("a forbidden import, host call or memory access would be found", () => {
  for (const [path, text] of FORBIDDEN)
    assert.equal(violations({ path, text }).length, 1, `${path}: ${text}`);
});

const ALLOWED: readonly (readonly [path: string, text: string])[] = [
  ["assembly/wire/reader.ts", 'import { MAGIC } from "./layout";\nconst magic = load<u32>(ptr);'],
  ["assembly/core/body/find.ts", "const bytes = v128.load(at);"],
  ["assembly/core/table.ts", 'import { u32At } from "../wire/bytes";\n// never changetype<usize> here'],
  ["assembly/filter/vm.ts", 'import { log } from "../abi/log";\nimport { Table } from "../core/table";'],
  ["controller/src/push/a.ts", 'import { encodeTable } from "../table/encode.ts";\nimport "@grpc/grpc-js";'],
  ["controller/src/table/a.ts", 'import * as L from "../../../assembly/wire/layout.ts";'],
  ["controller/src/xds/a.test.ts", 'import { x } from "../push/publisher.ts";'],
  ["controller/src/controller.ts", 'import { x } from "./push/publisher.ts";'],
];

test("what the arrows allow is not complained about", () => {
  for (const [path, text] of ALLOWED) assert.deepEqual(violations({ path, text }), []);
});
