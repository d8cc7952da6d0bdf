/** Reads the documentation's Markdown, as far as its test needs to. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A file of the repository, by its path from the root. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export interface Block {
  readonly language: string;
  readonly text: string;
  /** The line before it. */
  readonly mark: string;
}

/** The fenced blocks. */
export function blocks(page: string): readonly Block[] {
  const found = page.matchAll(/(?:^|\n)([^\n]*)\n```(\w*)\n([\s\S]*?)\n```(?=\n|$)/g);
  return [...found].map(([, mark, language, text]) => ({ language: language!, text: text!, mark: mark! }));
}

/** The page without its fenced blocks. */
export function prose(page: string): string {
  return page.replace(/\n```[\s\S]*?\n```(?=\n|$)/g, "\n");
}

/** What stands between backticks. */
export function spans(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
}

/** The rows of the table whose head begins with these titles, below the heading if one is given. */
export function table(page: string, head: string, heading?: string): readonly (readonly string[])[] {
  const from = heading === undefined ? 0 : page.indexOf(`\n${heading}\n`);
  assert.ok(from >= 0, `there is no ${heading}`);
  const lines = page.slice(from).split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  assert.ok(start >= 0, `no table | ${head} |`);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(0, end < 0 ? undefined : end).map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim()),
  );
}

/** A cell without its backticks. */
export function plain(cell: string | undefined): string {
  return (cell ?? "").replaceAll("`", "");
}
