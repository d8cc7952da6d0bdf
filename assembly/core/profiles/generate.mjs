/**
 * Writes `registry.ts` from the list in `assembly/wire/profiles.ts`: the profile `net-goodput` is the class `NetGoodput` of
 * `net_goodput.ts`. `node --import tsx assembly/core/profiles/generate.mjs [assembly]`, where `assembly` is the folder
 * to work on (default: the one that this file is in).
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** The text of the registry of these profiles, whose files are in `folder`. */
export function registryOf(names, folder) {
  const profiles = names.map((name) => {
    if (!NAME.test(name)) throw new RangeError(`"${name}" is not a profile's name: ${NAME}`);
    const file = name.replaceAll("-", "_");
    if (!existsSync(join(folder, `${file}.ts`))) {
      throw new RangeError(`profile "${name}" is listed, and ${join(folder, `${file}.ts`)} is not there`);
    }
    const type = name.replaceAll(/(?:^|-)(.)/g, (_, first) => first.toUpperCase());
    return { file, type };
  });
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) throw new RangeError(`profile "${repeated}" is listed twice`);
  const imports = [...profiles, { file: "profile", type: "Profile" }]
    .sort((left, right) => (left.file < right.file ? -1 : 1))
    .map(({ file, type }) => `import { ${type} } from "./${file}";`);
  return [
    "// Written by generate.mjs from the list in assembly/wire/profiles.ts.",
    ...imports,
    "",
    "/** One of each, at its number less 1. */",
    "export function allProfiles(): StaticArray<Profile> {",
    `  const profiles = new StaticArray<Profile>(${profiles.length});`,
    ...profiles.map(({ type }, place) => `  profiles[${place}] = new ${type}();`),
    "  return profiles;",
    "}",
    "",
  ].join("\n");
}

/** Writes the registry below this `assembly` folder where it is not as the list has it. */
export async function generate(assembly) {
  const { PROFILE_LIST } = await import(pathToFileURL(join(resolve(assembly), "wire/profiles.ts")).href);
  const folder = join(assembly, "core/profiles");
  const path = join(folder, "registry.ts");
  const text = registryOf(PROFILE_LIST, folder);
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await generate(process.argv[2] ?? fileURLToPath(new URL("../..", import.meta.url)));
}
