import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CoreAccounts, type Ending, type ReadableRow } from "../core/accounts.ts";
import { Core } from "../core/core.ts";
import { pool, tableBytes } from "../core/tables.ts";
import { applyEdit, type Edit } from "./case.ts";

/**
 * A golden case of accounts: requests that the filter's core counts, what is done to the bytes that it writes
 * of them, and what a reader must make of these. `<name>.bin` beside it holds the exact bytes.
 */
export interface AccountsCase {
  readonly name: string;
  readonly about: string;
  readonly node: string;
  readonly ageMs: number;
  /** Models by pool. */
  readonly pools: Readonly<Record<string, readonly string[]>>;
  readonly requests: readonly (Ending & {
    readonly pool: string;
    readonly model?: string;
    readonly target?: string;
    /** Default 1. */
    readonly times?: number;
    /** Does not end. */
    readonly runs?: true;
  })[];
  readonly edits?: readonly Edit[];
  readonly expect: {
    /** ACCEPTED or the name of a REFUSED_* constant. */
    readonly verdict: string;
    /** The filter relays what has sound sections: it does not look into rows. */
    readonly relayed?: true;
    readonly rows?: readonly ReadableRow[];
  };
}

const CASES = new URL("accounts/", import.meta.url);
/** The VM's number in every case. */
export const VM = 0xfeed_0001_0002_0003n;

export function accountsFile(name: string, suffix: "json" | "bin"): string {
  return fileURLToPath(new URL(`${name}.${suffix}`, CASES));
}

/** All cases, in order of their names. */
export function loadAccountsCases(): readonly AccountsCase[] {
  return readdirSync(CASES)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -".json".length);
      return { ...(JSON.parse(readFileSync(accountsFile(name, "json"), "utf8")) as AccountsCase), name };
    });
}

/** The bytes of a case as the built core writes them, edited as it says. */
export function accountsBytes(golden: AccountsCase): Uint8Array {
  const core = new Core();
  const rows = Object.entries(golden.pools).map(([name, models]) =>
    pool(name, [], { models: models.map((model) => ({ name: model, adapter: false })) }),
  );
  core.decode(tableBytes(rows));
  const accounts = new CoreAccounts(core);
  for (const { pool: name, model, target, times, runs, ...ending } of golden.requests) {
    const row = accounts.row(name, model, target);
    for (let time = 0; time < (times ?? 1); time++) {
      if (runs === true) accounts.start(row);
      else accounts.request(row, ending);
    }
  }
  let bytes = accounts.bytes(VM, golden.node, golden.ageMs);
  for (const edit of golden.edits ?? []) bytes = applyEdit(bytes, edit);
  return bytes;
}
