/** Many simulated model servers in one process. */
import type { Clock } from "./clock.ts";
import { type Hardware, type HardwareName, hardware, withSpeed } from "./hardware.ts";
import { ModelServer } from "./model-server.ts";
import { SimulationError } from "./simulation-error.ts";

export interface FleetOptions {
  /** 1 to 10,000 */
  readonly count: number;
  /** Server i listens on `basePort + i`; 0 (default): each on a free port. */
  readonly basePort?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** A preset or whole hardware. Default `llama-3.1-8b-h100`. */
  readonly hardware?: HardwareName | Hardware;
  /** Steps this many times as fast, > 0. Default 1. */
  readonly speed?: number;
  /** Equal seeds give equal answers. Default 1. */
  readonly seed?: number;
  readonly models?: readonly string[];
  readonly adapters?: readonly string[];
  /** See `ModelServerOptions.chunkBytes`. */
  readonly chunkBytes?: number;
  /** Server i is named `<prefix>-<i>`. Default `server`. */
  readonly namePrefix?: string;
  readonly clock?: Clock;
}

export interface Fleet {
  readonly servers: readonly ModelServer[];
  /** `ip:port` of each. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

/** Starts the servers; when one cannot start, those that did are closed again. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const {
    count,
    basePort = 0,
    host,
    models,
    adapters,
    seed,
    chunkBytes,
    clock,
    namePrefix = "server",
  } = options;
  if (!Number.isInteger(count) || count < 1 || count > 10_000) {
    throw new SimulationError("bad-option", "count", count, "an integer from 1 to 10000");
  }
  if (!Number.isInteger(basePort) || basePort < 0 || basePort + count > 65_536) {
    throw new SimulationError("bad-option", "basePort", basePort, `0 to ${65_536 - count}`);
  }
  if (chunkBytes !== undefined && (!Number.isInteger(chunkBytes) || chunkBytes < 0)) {
    throw new SimulationError("bad-option", "chunkBytes", chunkBytes, "an integer ≥ 0");
  }
  const chosen = options.hardware ?? "llama-3.1-8b-h100";
  const hw = withSpeed(typeof chosen === "string" ? hardware(chosen) : chosen, options.speed ?? 1);
  const servers: ModelServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    for (let i = 0; i < count; i++) {
      const server = new ModelServer({
        name: `${namePrefix}-${i}`,
        port: basePort === 0 ? 0 : basePort + i,
        hardware: hw,
        ...(host === undefined ? {} : { host }),
        ...(seed === undefined ? {} : { seed }),
        ...(models === undefined ? {} : { models }),
        ...(adapters === undefined ? {} : { adapters }),
        ...(chunkBytes === undefined ? {} : { chunkBytes }),
        ...(clock === undefined ? {} : { clock }),
      });
      await server.start();
      servers.push(server);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { servers, addresses: servers.map((server) => server.address), close };
}
