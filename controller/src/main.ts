#!/usr/bin/env node
import { readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { startController } from "./controller.ts";
import { PickerError } from "./errors.ts";
import { processTimer } from "./timer.ts";
import { parseSettings, type Settings, settingsHelp } from "./settings.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";
import { renderBootstrap } from "./xds/bootstrap.ts";

/** Exit codes: 0 ended by a signal, 1 failed at the start, 2 wrong settings. */
async function main(): Promise<void> {
  if (process.argv.includes("--help")) {
    process.stdout.write(`inference-picker controller\n\n${settingsHelp()}`);
    return;
  }
  const settings = settingsOrExit();
  const logger = createLogger(settings.logLevel);
  const controller = await startController(settings, {
    logger,
    env: process.env,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    random: () => Math.random(),
    setTimer: processTimer,
  });
  if (settings.bootstrapOut !== undefined)
    writeBootstrap(settings, settings.bootstrapOut, controller.rpcPort, logger);
  let closing = false;
  const end = (signal: NodeJS.Signals): void => {
    // A second signal means now.
    if (closing) process.exit(1);
    closing = true;
    logger.info({ signal }, "shutting down");
    controller.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
}

function settingsOrExit(): Settings {
  try {
    return parseSettings(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof PickerError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

function writeBootstrap(settings: Settings, out: string, rpcPort: number, logger: Logger): void {
  const template = readFileSync(settings.bootstrapTemplate, "utf8");
  const text = renderBootstrap(template, {
    nodeId: settings.nodeId,
    gateway: settings.gateway,
    admin: settings.admin,
    controller: { host: reachable(settings.rpc.host), port: rpcPort },
    controllerTls: settings.envoyTls,
    accessLog: settings.accessLog,
    maxHeapBytes: settings.maxHeapBytes,
    maxConnections: settings.maxConnections,
  });
  // TLS keys are named, not held, in it; still nobody else's to change.
  writeFileSync(out, text, { mode: 0o644 });
  logger.info({ file: out }, "Envoy's configuration written");
}

/** A wildcard address is listened on, not dialled. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

function fail(error: unknown): never {
  // One line, however many mistakes a file has: whoever starts us shows the last one.
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message.replaceAll("\n", "; ")}\n`);
  process.exit(1);
}

main().catch(fail);
