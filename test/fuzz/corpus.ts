import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("corpus/", import.meta.url));

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The inputs kept for a target, by name: what was wrong once, and what is worth trying on every run. */
export function corpusOf(target: string): readonly CorpusFile[] {
  const folder = `${FOLDER}${folderOf(target)}`;
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(`${folder}/${name}`) }));
}

/** Keeps an input; the path of its file from the root of the tree. */
export function keep(target: string, name: string, bytes: Uint8Array): string {
  const folder = `${FOLDER}${folderOf(target)}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}`, bytes);
  return `test/fuzz/corpus/${folderOf(target)}/${name}`;
}

function folderOf(target: string): string {
  return target.replaceAll(" ", "-");
}
