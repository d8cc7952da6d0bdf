import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { ApiObject } from "./api-client.ts";

/** A Pod with it runs simulated model servers; its value is YAML, `{}` for all defaults. */
export const SERVER_ANNOTATION = "fake-kubelet.test/server";

/** What the annotation may say; the defaults are those of the simulated servers. */
export interface ServerSettings {
  /** One server each. Default 8000. */
  readonly ports?: readonly number[];
  readonly models?: readonly string[];
  readonly adapters?: readonly string[];
  /** Times as fast as the hardware. */
  readonly speed?: number;
  readonly hardware?: string;
}

/** A program of a Pod, and where it listens once it is ready. */
export interface PodProgram {
  readonly command: readonly string[];
  readonly port: number;
}

const MODEL_SERVERS = fileURLToPath(new URL("../../build/js/model-servers.js", import.meta.url));
const PROBE_TIMEOUT_MS = 1000;

/** The servers that a Pod's annotation asks for; none without it. They say who they are: `x-served-by: POD-PORT-0`. */
export function simulatedServers(pod: ApiObject, ip: string): readonly PodProgram[] {
  const text = pod.metadata.annotations?.[SERVER_ANNOTATION];
  if (text === undefined) return [];
  const { ports = [8000], ...settings } = (parse(text) ?? {}) as ServerSettings;
  const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  return ports.map((port) => ({
    command: [
      ...[process.execPath, MODEL_SERVERS, "--host", ip, "--port", String(port)],
      ...["--name-prefix", `${pod.metadata.name}-${port}`, ...flags],
    ],
    port,
  }));
}

/** Does something listen there? */
export function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const done = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", () => done(true));
    socket.once("timeout", () => done(false));
    socket.once("error", () => done(false));
  });
}

/** Requests running and waiting, by the server's own metrics; 0 when it has none, or does not answer. */
export async function openRequests(host: string, port: number): Promise<number> {
  try {
    const answer = await fetch(`http://${host}:${port}/metrics`, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    const page = await answer.text();
    const counts = page.matchAll(/^vllm:num_requests_(?:running|waiting)\{[^\n]*\} ([\d.e+]+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  } catch {
    return 0;
  }
}
