/**
 * Writes `<name>.bin` for every golden case, or for those named on the command line:
 * `npx tsx test/golden/write.ts [name…]`. An existing file that would change stops the run unless
 * `--replace` is given: bytes that readers in the field know must keep their meaning.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { caseBytes, caseFile, loadCases } from "./case.ts";

const replace = process.argv.includes("--replace");
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
for (const golden of loadCases()) {
  if (names.length > 0 && !names.includes(golden.name)) continue;
  const path = caseFile(golden.name, "bin");
  const bytes = caseBytes(golden);
  if (existsSync(path)) {
    if (readFileSync(path).equals(bytes)) continue;
    if (!replace) throw new Error(`${golden.name}.bin would change; --replace writes it`);
  }
  writeFileSync(path, bytes);
  process.stdout.write(`${golden.name}.bin ${bytes.length} bytes\n`);
}
