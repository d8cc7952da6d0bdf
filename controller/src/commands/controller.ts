import { readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { startController } from "../controller.ts";
import { PickerError } from "../errors.ts";
import { parseSettings, type Settings, settingsHelp } from "../settings.ts";
import { createLogger, type Logger } from "../telemetry/logger.ts";
import { processTimer } from "../timer.ts";
import { renderBootstrap } from "../xds/bootstrap.ts";
import { type CommandContext, EXIT_USAGE } from "./command.ts";

/** 0: ended by a signal, 1: ended by a second one, 2: wrong settings. @throws what keeps it from starting */
export async function runController(context: CommandContext): Promise<number> {
  const { args, env, stdout, stderr } = context;
  if (args.includes("--help")) {
    stdout.write(`inference-picker controller\n\n${settingsHelp()}`);
    return 0;
  }
  const settings = settingsOf(args, env);
  if (settings instanceof PickerError) {
    stderr.write(`${settings.message}\n`);
    return EXIT_USAGE;
  }
  const logger = createLogger(settings.logLevel);
  const controller = await startController(settings, {
    logger,
    env,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    random: () => Math.random(),
    setTimer: processTimer,
  });
  if (settings.bootstrapOut !== undefined)
    writeBootstrap(settings, settings.bootstrapOut, controller.rpcPort, logger);
  return new Promise((resolve, reject) => {
    let closing = false;
    context.onSignal((signal) => {
      // A second signal means now.
      if (closing) {
        resolve(1);
        return;
      }
      closing = true;
      logger.info({ signal }, "shutting down");
      controller.close().then(() => resolve(0), reject);
    });
  });
}

function settingsOf(args: readonly string[], env: CommandContext["env"]): Settings | PickerError {
  try {
    return parseSettings(args, env);
  } catch (error) {
    if (error instanceof PickerError) return error;
    throw error;
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
