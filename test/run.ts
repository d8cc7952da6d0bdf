/**
 * Runs every suite and adds them up: as-pect for `assembly/`, node:test for the rest. The last line is
 * `N passed, N failed`. A suite that dies, or that counts nothing, is a failure.
 *
 *   node --import tsx test/run.ts [folder or file …]     the node:test files below them only
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";

interface Count {
  passed: number;
  failed: number;
}

async function main(): Promise<void> {
  const only = process.argv.slice(2);
  const total: Count = { passed: 0, failed: 0 };
  if (only.length === 0)
    add(total, await suite("as-pect", ["--import", "tsx", "test/as-pect.ts"], plainCount));
  const groups =
    only.length > 0
      ? [only]
      : [
          ["controller/src"],
          [
            "test/layout.test.ts",
            "test/docs.test.ts",
            "test/golden",
            "test/core",
            "test/emulator",
            "test/fuzz",
            "test/bench",
            "test/policies",
          ],
          ["test/e2e", "test/cli", "test/deploy"],
        ];
  for (const group of groups) {
    // Files with a real Envoy or API server in them share two cores: one at a time.
    const concurrency = group.some((place) => /^test\/(?:e2e|kubernetes|istio)/.test(place)) ? 1 : 2;
    const flags = ["--import", "tsx", "--test", "--test-reporter=spec", `--test-concurrency=${concurrency}`];
    add(total, await suite(group.join(" "), [...flags, ...group.flatMap(testFiles)], nodeCount));
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

function testFiles(place: string): readonly string[] {
  if (place.endsWith(".test.ts")) return [place];
  const names = readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".test.ts"),
  );
  return names.sort().map((name) => `${place}/${name}`);
}

function suite(name: string, args: readonly string[], count: (output: string) => Count): Promise<Count> {
  console.log(`\n=== ${name}`);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      output += chunk.toString();
    });
    child.on("close", (code, signal) => {
      const counted = count(output);
      const broken = counted.passed === 0 || (code !== 0 && counted.failed === 0);
      if (broken) console.log(`${name}: ended with ${signal ?? code} after ${counted.passed} passed`);
      resolve(broken ? { ...counted, failed: counted.failed + 1 } : counted);
    });
  });
}

function nodeCount(output: string): Count {
  const last = (key: string): number => {
    const found = [...output.matchAll(new RegExp(`^(?:#|ℹ) ${key} (\\d+)$`, "gm"))].at(-1);
    return found === undefined ? 0 : Number(found[1]);
  };
  // A skipped, cancelled or unfinished test counts as failed: nothing skips silently.
  return { passed: last("pass"), failed: last("fail") + last("cancelled") + last("skipped") + last("todo") };
}

function plainCount(output: string): Count {
  const found = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  return { passed: Number(found?.[1] ?? 0), failed: Number(found?.[2] ?? 0) };
}

function add(total: Count, more: Count): void {
  total.passed += more.passed;
  total.failed += more.failed;
}

await main();
