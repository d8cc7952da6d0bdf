import { PickerError } from "../errors.ts";
import type { Inventory } from "../model.ts";
import { readPoolsFile } from "../sources/pools-file.ts";
import { type Check, Checks, counted } from "./check.ts";

export interface PoolsFileFindings {
  readonly checks: readonly Check[];
  /** Absent for a file that is bad. */
  readonly inventory?: Inventory;
}

/** Whether the file is one that a controller with this environment would take. */
export function checkPoolsFile(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): PoolsFileFindings {
  const checks = new Checks("pools file");
  try {
    const inventory = readPoolsFile(path, env);
    const { pools, routes } = inventory;
    const endpoints = pools.reduce((sum, pool) => sum + pool.endpoints.length, 0);
    checks.ok(
      "valid",
      `${path}: ${counted(pools.length, "pool")}, ${counted(endpoints, "endpoint")}, ${counted(routes.length, "route")}`,
    );
    return { checks: checks.list, inventory };
  } catch (error) {
    if (!(error instanceof PickerError)) throw error;
    checks.failure(
      "valid",
      error.message,
      "mend the file (docs/pools-file.md has every key); variables with keys and tokens must be set here as for the controller",
    );
    return { checks: checks.list };
  }
}
