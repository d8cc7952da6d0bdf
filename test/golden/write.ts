/**
 * Writes `<name>.bin` for every golden case, of tables and of accounts, or for those named on the command line:
 * `npx tsx test/golden/write.ts [name…]`. An existing file that would change stops the run unless
 * `--replace` is given: bytes that readers in the field know must keep their meaning.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { accountsBytes, accountsFile, loadAccountsCases } from "./accounts-case.ts";
import { caseBytes, caseFile, loadCases } from "./case.ts";

const replace = process.argv.includes("--replace");
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
for (const golden of loadCases()) write(golden.name, caseFile(golden.name, "bin"), () => caseBytes(golden));
for (const golden of loadAccountsCases()) {
  write(golden.name, accountsFile(golden.name, "bin"), () => accountsBytes(golden));
}

function write(name: string, path: string, encode: () => Uint8Array): void {
  if (names.length > 0 && !names.includes(name)) return;
  const bytes = encode();
  if (existsSync(path)) {
    if (readFileSync(path).equals(bytes)) return;
    if (!replace) throw new Error(`${name}.bin would change; --replace writes it`);
  }
  writeFileSync(path, bytes);
  process.stdout.write(`${name}.bin ${bytes.length} bytes\n`);
}
