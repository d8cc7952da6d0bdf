import { accessSync, constants, statSync } from "node:fs";
import type { TraceRequest } from "../simulation/traces/trace-request.ts";
import { generateRequests } from "../simulation/traces/generator.ts";
import { MOONCAKE_CONVERSATION } from "../simulation/traces/profiles.ts";
import { readTraceFile } from "../simulation/traces/trace-file.ts";
import { portState } from "./processes.ts";
import type { StackPorts } from "./stack.ts";

/** What `make` passes on; `make help` documents each. */
export interface RunVariables {
  /** Logs and generated files; undefined: the command's own folder below `build/`. */
  readonly folder: string | undefined;
  readonly ports: StackPorts;
  /** First of the simulated servers' ports. */
  readonly serversPort: number;
  readonly envoy: string;
  readonly poolsFile: string | undefined;
  readonly trace: string | undefined;
  /** Arrival times of the traffic are divided by this. */
  readonly speed: number;
  /** Does the run send requests by itself? */
  readonly traffic: boolean;
}

export const SIMULATED_SERVERS = 4;
const HIGHEST_PORT = 65_535;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error with the variable, its value and the bound. */
export function runVariables(env: Environment): RunVariables {
  const poolsFile = file(env, "POOLS");
  const trace = traceFile(env);
  const on = switched(env, "TRAFFIC");
  return {
    folder: env.RUN_DIR || undefined,
    ports: {
      gateway: port(env, "GATEWAY_PORT", 8080),
      admin: port(env, "ADMIN_PORT", 9901),
      controller: port(env, "CONTROLLER_PORT", 18000),
      status: port(env, "STATUS_PORT", 18001),
    },
    serversPort: port(env, "SERVERS_PORT", 9001, HIGHEST_PORT - SIMULATED_SERVERS + 1),
    envoy: executable(env.ENVOY || "build/envoy/envoy"),
    poolsFile,
    trace,
    speed: speed(env),
    // Nobody's own servers get traffic that was not asked for.
    traffic: on && (poolsFile === undefined || trace !== undefined),
  };
}

/** The trace, or conversations from the built-in generator without end. */
export function requestsOf(
  variables: Pick<RunVariables, "trace">,
): AsyncIterable<TraceRequest> | Iterable<TraceRequest> {
  if (variables.trace !== undefined) return readTraceFile(variables.trace);
  return generateRequests({ profile: MOONCAKE_CONVERSATION, seed: 1, durationMs: Number.POSITIVE_INFINITY });
}

/** The ports that a run listens on, by the variable that moves each; `server` is the n-th simulated server. */
export function portsOf(
  variables: Pick<RunVariables, "ports" | "serversPort" | "poolsFile">,
): readonly NamedPort[] {
  const { ports, serversPort, poolsFile } = variables;
  const simulated = poolsFile === undefined ? SIMULATED_SERVERS : 0;
  return [
    { variable: "GATEWAY_PORT", port: ports.gateway, base: ports.gateway },
    { variable: "ADMIN_PORT", port: ports.admin, base: ports.admin },
    { variable: "CONTROLLER_PORT", port: ports.controller, base: ports.controller },
    { variable: "STATUS_PORT", port: ports.status, base: ports.status },
    ...Array.from({ length: simulated }, (_, i) => ({
      variable: "SERVERS_PORT",
      port: serversPort + i,
      base: serversPort,
    })),
  ];
}

export interface NamedPort {
  readonly variable: string;
  readonly port: number;
  /** The variable's value, from which the port is counted. */
  readonly base: number;
}

/** @throws Error, one line, that names the first port that cannot be had and the variable that moves it. */
export async function checkPorts(named: readonly NamedPort[]): Promise<void> {
  const taken = new Map<number, string>();
  for (const { variable, port, base } of named) {
    const other = taken.get(port);
    if (other !== undefined) throw new Error(`${variable} and ${other} both want port ${port}`);
    taken.set(port, variable);
    const state = await portState(port);
    if (state === "free") continue;
    const offer = base + 100 <= HIGHEST_PORT - 100 ? base + 100 : base - 100;
    throw new Error(
      state === "in use"
        ? `port ${port} is in use: choose another, such as ${variable}=${offer}`
        : `port ${port} may not be listened on by this user: choose one above 1023 with ${variable}`,
    );
  }
}

function port(env: Environment, name: string, fallback: number, highest = HIGHEST_PORT): number {
  const text = env[name] || String(fallback);
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= highest) return value;
  throw new Error(`${name}=${text} is not a port from 1 to ${highest}`);
}

function speed(env: Environment): number {
  const text = env.SPEED || "1";
  const value = Number(text);
  if (value > 0 && value <= 1000) return value;
  throw new Error(`SPEED=${text} is not a number above 0 and up to 1000`);
}

function switched(env: Environment, name: string): boolean {
  const text = env[name] || "on";
  if (text === "on" || text === "off") return text === "on";
  throw new Error(`${name}=${text} is neither on nor off`);
}

function traceFile(env: Environment): string | undefined {
  const path = file(env, "TRACE");
  if (path === undefined || /\.(jsonl|csv)$/.test(path)) return path;
  throw new Error(`TRACE=${path} ends neither with .jsonl (Mooncake) nor with .csv (Azure)`);
}

function file(env: Environment, name: string): string | undefined {
  const path = env[name];
  if (path === undefined || path === "") return undefined;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`${name}=${path} does not exist`);
  if (!found.isFile()) throw new Error(`${name}=${path} is not a file`);
  return path;
}

function executable(path: string): string {
  try {
    accessSync(path, constants.X_OK);
    if (statSync(path).isFile()) return path;
  } catch {
    // Said below, in one line.
  }
  throw new Error(`ENVOY=${path} is not an executable file; make setup fetches Envoy`);
}
