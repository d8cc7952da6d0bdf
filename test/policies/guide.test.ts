import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as L from "../../assembly/wire/layout.ts";
import { Core } from "../core/core.ts";
import { addressOf, endpoint, pool, tableBytes } from "../core/tables.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const copy = mkdtempSync(join(tmpdir(), "policy-guide-"));
after(() => rmSync(copy, { recursive: true }));

/** The block of the guide under `<!-- mark: path -->`, without the indentation that a list gives it. */
function block(guide: string, mark: string): { readonly path: string; readonly text: string } {
  const found = new RegExp(`^( *)<!-- ${mark}: (\\S+) -->\\n *\`\`\`ts\\n([\\s\\S]*?)^ *\`\`\`$`, "m").exec(
    guide,
  );
  assert.ok(found !== null, `the guide has no block for a ${mark}`);
  const [, indent, path, text] = found;
  return { path: path!, text: text!.replaceAll(new RegExp(`^${indent}`, "gm"), "") };
}

test("a policy that is added as the guide says is compiled and picks", () => {
  const guide = readFileSync(join(ROOT, "docs/policies.md"), "utf8");
  cpSync(join(ROOT, "assembly"), join(copy, "assembly"), { recursive: true });
  for (const file of ["asconfig.json", "package.json"]) cpSync(join(ROOT, file), join(copy, file));
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));

  const file = block(guide, "file");
  writeFileSync(join(copy, file.path), file.text);
  const line = block(guide, "line");
  const list = readFileSync(join(copy, line.path), "utf8");
  const end = list.indexOf("\n];");
  const names = [...list.slice(0, end).matchAll(/^ {2}"([a-z0-9-]+)",/gm)].map(([, name]) => name!);
  writeFileSync(join(copy, line.path), `${list.slice(0, end + 1)}${line.text}${list.slice(end + 1)}`);

  // What `make build` does with it.
  const run = (...args: readonly string[]): void => {
    execFileSync(process.execPath, args, { cwd: copy, stdio: "pipe" });
  };
  run("--import", "tsx", "assembly/core/profiles/generate.mjs");
  run(
    "node_modules/assemblyscript/bin/asc.js",
    "assembly/core/index.ts",
    "--target",
    "core",
    "--outFile",
    "core.wasm",
  );

  const core = new Core(1n, new WebAssembly.Module(readFileSync(join(copy, "core.wasm"))));
  const usedRatios = [0.9, 0.2, 0.5, undefined] as const;
  const rows = usedRatios.map((kvUsedRatio, index) => {
    const { kvUsedRatio: _, ...measured } = endpoint(addressOf(index));
    return kvUsedRatio === undefined ? measured : { ...measured, kvUsedRatio };
  });
  const bytes = tableBytes([pool("ns/a", rows, { profile: "random" })]).slice();
  setProfile(bytes, names.length + 1);
  assert.equal(core.decode(bytes, 0), 0);
  assert.deepEqual(core.pick(0), [1, 2, 0].map(addressOf));
});

/** The controller here does not know the new name: its number is written in the place of another's. */
function setProfile(bytes: Uint8Array, number: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entry = L.HEADER_FIXED_BYTES + L.SECTION_POOLS * L.DIRECTORY_ENTRY_BYTES;
  view.setUint16(view.getUint32(entry + L.ENTRY_OFFSET, true) + L.POOL_PROFILE, number, true);
}
