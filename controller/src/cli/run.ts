/** `make run`: the whole stack in one terminal, with a live table. Ctrl-C ends what it started and nothing else. */
import { Traffic } from "../simulation/traffic.ts";
import { AccessLogReader, ServedFigures } from "./access-log.ts";
import { renderTable, type TableView } from "./live-table.ts";
import { type Stack, startStack } from "./stack.ts";
import { checkPorts, requestsOf, type RunVariables, runVariables } from "./variables.ts";

const SERVERS = 4;
const FOLDER = "build/run";
/** Envoy's workers: more than one, so that what they share is in use. */
const WORKERS = 2;
const REFRESH_TERMINAL_MS = 1000;
const REFRESH_LOG_MS = 5000;

async function main(): Promise<void> {
  const variables = runVariables(process.env);
  const { ports } = variables;
  const servers = Array.from(
    { length: SERVERS },
    (_, i) => ["SERVERS_PORT", variables.serversPort + i] as const,
  );
  let stack: Stack | undefined;
  let traffic: Traffic | undefined;
  let ending: Promise<void> | undefined;
  const end = (exitCode: number, why?: string): Promise<void> => {
    ending ??= (async () => {
      if (why !== undefined) console.error(why);
      process.exitCode = exitCode;
      await traffic?.close();
      await stack?.stop();
      process.exit();
    })();
    return ending;
  };
  stack = await startStack(
    {
      folder: FOLDER,
      ports,
      envoy: variables.envoy,
      wasmFile: "build/inference-picker.wasm",
      workers: WORKERS,
      backends:
        variables.poolsFile !== undefined
          ? { poolsFile: variables.poolsFile }
          : { simulated: { count: SERVERS, basePort: variables.serversPort, speed: 1 } },
      beforeStart: () =>
        checkPorts([
          ["GATEWAY_PORT", ports.gateway],
          ["ADMIN_PORT", ports.admin],
          ["CONTROLLER_PORT", ports.controller],
          ["STATUS_PORT", ports.status],
          ...(variables.poolsFile === undefined ? servers : []),
        ]),
    },
    (why) => void end(1, why),
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
  greet(stack, variables);
  if (variables.traffic) {
    traffic = new Traffic({
      url: stack.gatewayUrl,
      requests: requestsOf(variables),
      speed: variables.speed,
      body: { api: "chat", stream: true, ...(stack.model === undefined ? {} : { model: stack.model }) },
    });
    traffic.finished.then(
      () => console.log("the trace has been played to its end"),
      (error: unknown) => void end(1, `the traffic ended: ${String(error)}`),
    );
    listenForKeys(traffic, () => void end(0));
  }
  await show(stack, traffic);
}

function greet(stack: Stack, variables: RunVariables): void {
  const body = JSON.stringify({
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 16,
    model: stack.model ?? "your-model",
  });
  console.log(`gateway     ${stack.gatewayUrl}`);
  console.log(`Envoy       ${stack.adminUrl}`);
  console.log(`controller  ${stack.statusUrl}/table`);
  console.log(`traffic     ${trafficLine(variables)}`);
  console.log(
    `\nTry:\n  curl ${stack.gatewayUrl}/v1/chat/completions -H 'content-type: application/json' -d '${body}'\n`,
  );
}

function trafficLine({ traffic, trace, speed, poolsFile }: RunVariables): string {
  if (!traffic) return poolsFile === undefined ? "off" : "yours";
  const what = trace === undefined ? "conversations from the built-in generator" : `${trace} as recorded`;
  return `${what}${speed === 1 ? "" : `, ${speed} times as fast`} (TRAFFIC=off for none)`;
}

/** `t` stops and resumes the traffic, `q` ends the run. */
function listenForKeys(traffic: Traffic, quit: () => void): void {
  if (!process.stdin.isTTY) return;
  process.stdin.setRawMode(true);
  process.stdin.on("data", (key: Buffer) => {
    const pressed = key.toString();
    if (pressed === "t") traffic.paused ? traffic.resume() : traffic.pause();
    if (pressed === "q" || pressed === "\u0003") quit();
  });
}

/** Redraws in place on a terminal; elsewhere prints the table every five seconds. */
async function show(stack: Stack, traffic: Traffic | undefined): Promise<never> {
  const log = new AccessLogReader(stack.accessLog);
  const served = new ServedFigures();
  const terminal = process.stdout.isTTY;
  let drawn = 0;
  while (true) {
    const nowMs = performance.now();
    served.add(log.read(), nowMs);
    const view = await tableView(stack.statusUrl);
    if (view !== undefined) {
      const keys =
        terminal && traffic !== undefined
          ? `   t: ${traffic.paused ? "resume" : "stop"} traffic, q: quit`
          : "";
      const lines = [
        ...renderTable(view, served, nowMs),
        `${served.requests} requests, ${served.unpicked} not picked by the filter${keys}`,
      ];
      if (terminal && drawn > 0) process.stdout.write(`\u001b[${drawn}A\u001b[J`);
      process.stdout.write(`${lines.join("\n")}\n`);
      drawn = lines.length;
    }
    await new Promise((resolve) => setTimeout(resolve, terminal ? REFRESH_TERMINAL_MS : REFRESH_LOG_MS));
  }
}

async function tableView(statusUrl: string): Promise<TableView | undefined> {
  try {
    return (await (await fetch(`${statusUrl}/table`)).json()) as TableView;
  } catch {
    return undefined;
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
