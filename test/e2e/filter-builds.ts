import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Compiles a build of the filter that differs from the product's, below `build/test/`.
 * @throws Error with the compiler's output.
 */
export function compileFilter(name: string, entry: string, flags: readonly string[] = []): string {
  mkdirSync(join(ROOT, "build/test"), { recursive: true });
  const outFile = `build/test/${name}.wasm`;
  const args = ["--no-install", "asc", entry, "--target", "filter", "--outFile", outFile, ...flags];
  execFileSync("npx", args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  return join(ROOT, outFile);
}

/** Writes the module at `from` to `to` at once, with a custom section that makes its bytes differ by `mark`. */
export function installModule(from: string, to: string, mark: string): void {
  const name = Buffer.from(mark);
  const section = Buffer.concat([Buffer.from([0, name.length + 1, name.length]), name]);
  writeFileSync(`${to}.part`, Buffer.concat([readFileSync(from), section]));
  renameSync(`${to}.part`, to);
}
