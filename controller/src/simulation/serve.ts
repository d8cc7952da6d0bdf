/**
 * Starts simulated model servers and prints one line of JSON when all of them listen:
 *
 *     node --import tsx controller/src/simulation/serve.ts --count 4 --port 9001
 *
 * SIGINT and SIGTERM end it.
 */
import { parseArgs } from "node:util";
import { type FleetOptions, startFleet } from "./fleet.ts";
import { HARDWARE_NAMES, isHardwareName } from "./hardware.ts";

const USAGE = `usage: serve [--count 1] [--port 0] [--host 127.0.0.1] [--hardware ${HARDWARE_NAMES.join("|")}]
             [--speed 1] [--seed 1] [--models name,…] [--adapters name,…] [--name-prefix server]
             [--chunk-bytes 0]`;

function options(args: readonly string[]): FleetOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: "string", default: "1" },
      port: { type: "string", default: "0" },
      host: { type: "string", default: "127.0.0.1" },
      hardware: { type: "string", default: "llama-3.1-8b-h100" },
      speed: { type: "string", default: "1" },
      seed: { type: "string", default: "1" },
      models: { type: "string" },
      adapters: { type: "string" },
      "chunk-bytes": { type: "string", default: "0" },
      "name-prefix": { type: "string", default: "server" },
    },
  });
  if (!isHardwareName(values.hardware)) {
    throw new Error(`--hardware is ${values.hardware}, known are ${HARDWARE_NAMES.join(", ")}`);
  }
  return {
    count: Number(values.count),
    basePort: Number(values.port),
    host: values.host,
    hardware: values.hardware,
    speed: Number(values.speed),
    seed: Number(values.seed),
    namePrefix: values["name-prefix"],
    chunkBytes: Number(values["chunk-bytes"]),
    ...(values.models === undefined ? {} : { models: values.models.split(",") }),
    ...(values.adapters === undefined ? {} : { adapters: values.adapters.split(",") }),
  };
}

try {
  const fleet = await startFleet(options(process.argv.slice(2)));
  const servers = fleet.servers.map(({ name, address, models, adapters }) => ({
    name,
    address,
    models,
    adapters,
  }));
  process.stdout.write(`${JSON.stringify({ ready: true, servers })}\n`);
  const stop = (): void => void fleet.close();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
