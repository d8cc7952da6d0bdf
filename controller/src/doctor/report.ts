import { type Check, type CheckStatus, counted } from "./check.ts";

const STATUSES: readonly CheckStatus[] = ["ok", "warning", "failure", "skipped"];
const COLOURS: Readonly<Record<CheckStatus, string>> = {
  ok: "32",
  warning: "33",
  failure: "31",
  skipped: "2",
};

/** How many checks came out how. */
export function countsOf(checks: readonly Check[]): Readonly<Record<CheckStatus, number>> {
  const counts = { ok: 0, warning: 0, failure: 0, skipped: 0 };
  for (const { status } of checks) counts[status]++;
  return counts;
}

/** For people: groups under their headings, columns aligned over all of them, what to do below what was seen. */
export function textReport(checks: readonly Check[], isColoured: boolean): string {
  const paint = (status: CheckStatus, text: string) =>
    isColoured ? `\u001b[${COLOURS[status]}m${text}\u001b[0m` : text;
  const statusWidth = Math.max(...STATUSES.map((status) => status.length));
  const nameWidth = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines: string[] = [];
  let group: string | undefined;
  for (const check of checks) {
    if (check.group !== group) lines.push(...(group === undefined ? [] : [""]), check.group);
    group = check.group;
    const status = paint(check.status, check.status.padEnd(statusWidth));
    lines.push(`  ${status}  ${check.name.padEnd(nameWidth)}  ${check.seen}`.trimEnd());
    if (check.remedy !== undefined) lines.push(`${" ".repeat(statusWidth + nameWidth + 6)}→ ${check.remedy}`);
  }
  const counts = countsOf(checks);
  const sums = [
    `${counts.ok} ok`,
    counted(counts.warning, "warning"),
    counted(counts.failure, "failure"),
    ...(counts.skipped === 0 ? [] : [`${counts.skipped} not looked at`]),
  ];
  return `${lines.join("\n")}\n\n${sums.join(", ")}\n`;
}

/** For scripts: one JSON document. */
export function jsonReport(checks: readonly Check[], version: string): string {
  return `${JSON.stringify({ version, counts: countsOf(checks), checks }, null, 2)}\n`;
}
