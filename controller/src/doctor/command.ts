import { performance } from "node:perf_hooks";
import packageJson from "../../../package.json" with { type: "json" };
import { type CommandContext, EXIT_USAGE } from "../commands/command.ts";
import { PickerError } from "../errors.ts";
import type { SetTimer } from "../timer.ts";
import { exitCodeOf } from "./check.ts";
import { jsonReport, textReport } from "./report.ts";
import { type DoctorSettings, doctorHelp, parseDoctorSettings } from "./settings.ts";

/** Keeps the process alive: the doctor waits for nothing but answers and their deadlines. */
const waitingTimer: SetTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** 0: nothing is wrong, 1: failures, 2: wrong flags, 3: warnings alone. */
export async function runDoctor({ args, env, stdout, stderr }: CommandContext): Promise<number> {
  if (args.includes("--help")) {
    stdout.write(`inference-picker doctor\n\n${doctorHelp()}`);
    return 0;
  }
  const settings = settingsOf(args, env);
  if (settings instanceof PickerError) {
    stderr.write(`${settings.message}\n`);
    return EXIT_USAGE;
  }
  // Behind the help and the flags' errors, which need nothing of it.
  const { examine } = await import("./examine.ts");
  const checks = await examine(settings, {
    env,
    version: packageJson.version,
    nodeVersion: process.versions.node,
    nodeRange: packageJson.engines.node,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    setTimer: waitingTimer,
  });
  const isColoured = stdout.isTTY === true && (env.NO_COLOR ?? "") === "";
  stdout.write(settings.json ? jsonReport(checks, packageJson.version) : textReport(checks, isColoured));
  return exitCodeOf(checks);
}

function settingsOf(args: readonly string[], env: CommandContext["env"]): DoctorSettings | PickerError {
  try {
    return parseDoctorSettings(args, env);
  } catch (error) {
    if (error instanceof PickerError) return error;
    throw error;
  }
}
