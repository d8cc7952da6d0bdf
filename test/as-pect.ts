/**
 * Runs as-pect over `assembly/`, passes its output on and counts it: as-pect itself ends without a line
 * that says how many tests passed. The last line is `N passed, N failed`; the exit code is 1 if one
 * failed, if as-pect died, or if a spec file ran no test.
 *
 *   node --import tsx test/as-pect.ts
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ASPECT = fileURLToPath(new URL("../node_modules/@as-pect/cli/bin/asp.js", import.meta.url));

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Adds up the `[Summary]: N pass, N fail, N total` lines, one a spec file; other tests of a file failed. */
function count(output: string): Counts & { readonly files: number } {
  const summaries = [...output.matchAll(/\[Summary\]:\s+(\d+) pass,\s+(\d+) fail,\s+(\d+) total/g)];
  let passed = 0;
  let total = 0;
  let files = 0;
  for (const [, pass, , all] of summaries) {
    passed += Number(pass);
    total += Number(all);
    if (Number(all) > 0) files++;
  }
  return { passed, failed: total - passed, files };
}

function run(): Promise<{ readonly output: string; readonly code: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [ASPECT, "--verbose", "--no-logo"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const take = (text: string): void => {
      process.stdout.write(text);
      output += stripVTControlCharacters(text);
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", reject);
    child.on("close", (code) => resolve({ output, code: code ?? 1 }));
  });
}

const specs = readdirSync(`${ROOT}/assembly`, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".spec.ts"),
);
const { output, code } = await run();
// as-pect leaves its last line open.
console.log();
const counted = count(output);
let { failed } = counted;
if (counted.files !== specs.length) {
  console.log(`${counted.files} of ${specs.length} spec files ran tests`);
  failed++;
}
if (code !== 0 && failed === 0) {
  console.log(`as-pect ended with ${code}`);
  failed++;
}
console.log(`${counted.passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
