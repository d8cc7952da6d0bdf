import { type Check, Checks } from "./check.ts";
import { checkController } from "./controller-checks.ts";
import { checkEnvoy } from "./envoy-checks.ts";
import type { ExamineDeps } from "./examine-deps.ts";
import { pageReader } from "./page.ts";
import { checkPools } from "./pool-checks.ts";
import { checkPoolsFile } from "./pools-file-checks.ts";
import type { DoctorSettings } from "./settings.ts";

/** Looks at everything that the settings name, all at once; the checks come in the order of the report. */
export async function examine(settings: DoctorSettings, deps: ExamineDeps): Promise<readonly Check[]> {
  const read = pageReader(settings.timeoutMs);
  const controller =
    settings.controller === undefined
      ? Promise.resolve({ checks: [], table: undefined })
      : checkController(settings.controller, deps.version, read);
  const envoys = settings.envoyAdmins.map(async (admin) => checkEnvoy(admin, (await controller).table, read));
  const [sourceChecks, controllerFindings, ...envoyChecks] = await Promise.all([
    checkSource(settings, deps),
    controller,
    ...envoys,
  ]);
  return [...checkProgram(deps), ...sourceChecks, ...controllerFindings.checks, ...envoyChecks.flat()];
}

function checkProgram({ nodeVersion, nodeRange, version }: ExamineDeps): readonly Check[] {
  const checks = new Checks("program");
  checks.ok("version", version);
  const least = nodeRange.replace(/^>=/, "");
  if (isAtLeast(nodeVersion, least)) checks.ok("Node", nodeVersion);
  else checks.failure("Node", `${nodeVersion} is below ${least}`, `run Node ${least} or newer`);
  return checks.list;
}

async function checkSource(settings: DoctorSettings, deps: ExamineDeps): Promise<readonly Check[]> {
  const { source, poolsFile, timeoutMs } = settings;
  if (source === "kubernetes") {
    const { checkCluster } = await import("./kubernetes-checks.ts");
    return checkCluster(settings, deps);
  }
  if (source === "file" && poolsFile !== undefined) {
    const { checks, inventory } = checkPoolsFile(poolsFile, deps.env);
    return inventory === undefined ? checks : [...checks, ...(await checkPools(inventory, timeoutMs, deps))];
  }
  const checks = new Checks("pools");
  checks.skipped("pools", "name them with --pools-file, or the cluster with --source kubernetes");
  return checks.list;
}

/** Versions of numbers and dots; what is missing counts as 0. */
function isAtLeast(version: string, least: string): boolean {
  const numbers = (text: string) => text.split(".").map(Number);
  const [own, bound] = [numbers(version), numbers(least)];
  for (let index = 0; index < bound.length; index++) {
    const difference = (own[index] ?? 0) - bound[index]!;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
