/** Surroundings for a `make run` beside whatever else runs on the machine. */
import { freePorts, portState } from "../../controller/src/cli/processes.ts";

/** The environment without what an outer make passed on. */
export function outside(): NodeJS.ProcessEnv {
  const { MAKEFLAGS, MAKELEVEL, MFLAGS, POOLS, TRACE, SPEED, TRAFFIC, QUICK, ...rest } = process.env;
  return rest;
}

/** Free ports by their variables. */
export async function runPorts(): Promise<Record<string, string>> {
  const names = ["GATEWAY_PORT", "ADMIN_PORT", "CONTROLLER_PORT", "STATUS_PORT"];
  const free = await freePorts(names.length);
  for (let first = 20_000; ; first += 4) {
    const row = await Promise.all([0, 1, 2, 3].map((i) => portState(first + i)));
    if (row.some((state) => state !== "free")) continue;
    return {
      ...Object.fromEntries(names.map((name, i) => [name, String(free[i])])),
      SERVERS_PORT: String(first),
    };
  }
}
