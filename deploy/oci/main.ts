/**
 * Writes the filter's module as an OCI image layout and prints the manifest's digest.
 *
 *   node --import tsx deploy/oci/main.ts build/inference-picker.wasm build/oci
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { imageLayout } from "./image-layout.ts";

const [moduleFile, folder, ...more] = process.argv.slice(2);
if (moduleFile === undefined || folder === undefined || more.length > 0) {
  process.stderr.write("deploy/oci/main.ts MODULE FOLDER: two arguments are needed\n");
  process.exit(2);
}
const { digest, files } = imageLayout(readFileSync(moduleFile), packageJson.version);
// Blobs of an earlier module would be pushed along by some tools.
rmSync(join(folder, "blobs"), { recursive: true, force: true });
for (const [path, bytes] of files) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}
process.stdout.write(`${folder}:${packageJson.version} ${digest}\n`);
