#!/usr/bin/env node
import packageJson from "../../package.json" with { type: "json" };
import type { Command } from "./commands/command.ts";
import { dispatch } from "./commands/dispatch.ts";

const CONTROLLER: Command = {
  name: "controller",
  summary: "feeds the filters of its Envoys with the table",
  load: async () => (await import("./commands/controller.ts")).runController,
};

const COMMANDS: readonly Command[] = [
  CONTROLLER,
  {
    name: "doctor",
    summary: "looks for what is wrong, and says what to do about it",
    load: async () => (await import("./doctor/command.ts")).runDoctor,
  },
  {
    name: "istio",
    summary: "generate: prints the objects by which a gateway of Istio's picks",
    load: async () => (await import("./commands/istio.ts")).runIstio,
  },
  {
    name: "simulate",
    summary: "replays a trace against simulated servers: what each policy makes of it",
    load: async () => (await import("./commands/simulate.ts")).runSimulate,
  },
];

function exit(code: number): void {
  // What was written to a pipe is read before the end.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

dispatch(COMMANDS, CONTROLLER, packageJson.version, {
  args: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal: (callback) => {
    process.on("SIGINT", callback);
    process.on("SIGTERM", callback);
  },
}).then(exit, (error: unknown) => {
  // One line, however many mistakes a file has: whoever starts us shows the last one.
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message.replaceAll("\n", "; ")}\n`);
  exit(1);
});
