import { existsSync } from "node:fs";
import type { TraceRequest } from "../simulation/traces/trace-request.ts";
import { generateRequests } from "../simulation/traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../simulation/traces/profiles.ts";
import { readTraceFile } from "../simulation/traces/trace-file.ts";
import { portIsFree } from "./processes.ts";
import type { StackPorts } from "./stack.ts";

/** What `make` passes on; `make help` documents each. */
export interface RunVariables {
  readonly ports: StackPorts;
  readonly serversPort: number;
  readonly envoy: string;
  readonly poolsFile: string | undefined;
  readonly trace: string | undefined;
  readonly speed: number;
  readonly traffic: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error with the variable, its value and the bound. */
export function runVariables(env: Environment): RunVariables {
  const poolsFile = file(env, "POOLS");
  const trace = file(env, "TRACE");
  return {
    ports: {
      gateway: port(env, "GATEWAY_PORT", 8080),
      admin: port(env, "ADMIN_PORT", 9901),
      controller: port(env, "CONTROLLER_PORT", 18000),
      status: port(env, "STATUS_PORT", 18001),
    },
    serversPort: port(env, "SERVERS_PORT", 9001),
    envoy: env.ENVOY ?? "build/envoy/envoy",
    poolsFile,
    trace,
    speed: speed(env),
    // Nobody's own servers get traffic that was not asked for.
    traffic: poolsFile === undefined ? env.TRAFFIC !== "off" : trace !== undefined,
  };
}

/** The trace, or conversations from the built-in generator without end. */
export function requestsOf(
  variables: Pick<RunVariables, "trace">,
): AsyncIterable<TraceRequest> | Iterable<TraceRequest> {
  if (variables.trace !== undefined) return readTraceFile(variables.trace);
  return generateRequests({ profile: MOONCAKE_CONVERSATION, seed: 1, durationMs: Number.POSITIVE_INFINITY });
}

/** @throws Error that names the first port in use and the variable that moves it. */
export async function checkPorts(
  named: readonly (readonly [variable: string, port: number])[],
): Promise<void> {
  for (const [variable, number] of named) {
    if (!(await portIsFree(number))) {
      throw new Error(`port ${number} is in use: choose another, such as ${variable}=${number + 100}`);
    }
  }
}

function port(env: Environment, name: string, fallback: number): number {
  const text = env[name] || String(fallback);
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 65_530) return value;
  throw new Error(`${name}=${text} is not a port from 1 to 65530`);
}

function speed(env: Environment): number {
  const text = env.SPEED || "1";
  const value = Number(text);
  if (value > 0 && value <= 1000) return value;
  throw new Error(`SPEED=${text} is not a number above 0 and up to 1000`);
}

function file(env: Environment, name: string): string | undefined {
  const path = env[name];
  if (path === undefined || path === "") return undefined;
  if (!existsSync(path)) throw new Error(`${name}=${path} does not exist`);
  return path;
}
