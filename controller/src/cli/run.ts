/** `make run`: the whole stack in one terminal, with a live table. Ctrl-C ends what it started and nothing else. */
import { setTimeout as delay } from "node:timers/promises";
import { Traffic } from "../simulation/traffic.ts";
import { AccessLogReader } from "./access-log.ts";
import { Ending, endOnSignals } from "./ending.ts";
import { endWithLauncher } from "./launcher-watch.ts";
import { LiveTable, type Room, type TableView } from "./live-table.ts";
import { isInForeground } from "./process-identity.ts";
import { Screen } from "./screen.ts";
import { type Stack, startStack } from "./stack.ts";
import { cut } from "./text-table.ts";
import {
  checkPorts,
  portsOf,
  requestsOf,
  type RunVariables,
  runVariables,
  SIMULATED_SERVERS,
} from "./variables.ts";

/** Envoy's workers: more than one, so that what they share is in use. */
const WORKERS = 2;
const REFRESH_TERMINAL_MS = 1000;
const REFRESH_LOG_MS = 5000;
const TABLE_WITHIN_MS = 1000;
/** Of a log: enough for a screenful, whatever the number of endpoints. */
const LOG_ROOM: Room = { width: 160, height: 40 };

/** What the keys act on. */
interface Session {
  traffic: Traffic | undefined;
  redraw: () => void;
}

async function main(): Promise<void> {
  const ending = new Ending();
  endOnSignals(ending, process, 0, () => undefined);
  const launcherPid = endWithLauncher(ending, process, 0);
  const session: Session = { traffic: undefined, redraw: () => undefined };
  const forgetKeys = listenForKeys(session, () => ending.end(0));
  let stack: Stack | undefined;
  try {
    const variables = runVariables(process.env);
    stack = await startStack(
      {
        folder: variables.folder ?? "build/run",
        ports: variables.ports,
        envoy: variables.envoy,
        wasmFile: "build/inference-picker.wasm",
        workers: WORKERS,
        backends:
          variables.poolsFile !== undefined
            ? { poolsFile: variables.poolsFile }
            : { simulated: { count: SIMULATED_SERVERS, basePort: variables.serversPort, speed: 1 } },
        beforeStart: () => checkPorts(portsOf(variables)),
        abort: ending.signal,
        ...(launcherPid === undefined ? {} : { launcherPid }),
      },
      (why) => ending.end(1, why),
    );
    await show(stack, variables, session, ending);
  } catch (error) {
    // After the end this is only its echo.
    ending.end(1, error instanceof Error ? error.message : String(error));
  } finally {
    forgetKeys();
    await Promise.all([session.traffic?.close(), stack?.stop()]);
  }
  if (ending.why !== undefined) console.error(ending.why);
  process.exit(ending.exitCode);
}

/** `t` stops and resumes the traffic, `q` and Ctrl-C end the run. Returns what gives the terminal back. */
function listenForKeys(session: Session, quit: () => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY || !isInForeground(process.pid)) return () => undefined;
  stdin.setRawMode(true);
  stdin.on("error", quit);
  stdin.on("end", quit);
  stdin.on("data", (keys: Buffer) => {
    for (const key of keys.toString()) {
      if (key === "q" || key === "\u0003") quit();
      if (key === "t" && session.traffic !== undefined) {
        if (session.traffic.paused) session.traffic.resume();
        else session.traffic.pause();
        session.redraw();
      }
    }
  });
  return () => {
    stdin.pause();
    try {
      stdin.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
  };
}

/** Shows the stack and sends the traffic until the end: in place on a terminal, elsewhere every five seconds. */
async function show(stack: Stack, variables: RunVariables, session: Session, ending: Ending): Promise<void> {
  const { stdout } = process;
  const live = stdout.isTTY && process.env.TERM !== "dumb";
  const screen = live ? new Screen(stdout) : undefined;
  const print = (text: string) => (screen === undefined ? console.log(text) : screen.print(text));
  const table = new LiveTable();
  const log = new AccessLogReader(stack.accessLog);
  const draw = () => {
    if (screen === undefined) {
      console.log([...table.lines(LOG_ROOM), ""].join("\n"));
      return;
    }
    const width = stdout.columns || 80;
    // One line for the keys, and one for the cursor.
    const lines = table.lines({ width, height: (stdout.rows || 24) - 2 });
    screen.draw([...lines, cut(keysLine(session.traffic), width)]);
  };
  if (screen !== undefined) {
    session.redraw = draw;
    stdout.on("resize", () => {
      screen.clear();
      screen.print(greeting(stack, variables));
      draw();
    });
  }
  print(greeting(stack, variables));
  if (variables.traffic) session.traffic = startTraffic(stack, variables, ending, print);
  while (!ending.signal.aborted) {
    table.update(await tableView(stack.statusUrl), log.read(), performance.now());
    if (ending.signal.aborted) return;
    draw();
    await delay(live ? REFRESH_TERMINAL_MS : REFRESH_LOG_MS, undefined, { signal: ending.signal }).catch(
      () => undefined,
    );
  }
}

function startTraffic(
  stack: Stack,
  variables: RunVariables,
  ending: Ending,
  print: (text: string) => void,
): Traffic {
  const traffic = new Traffic({
    url: stack.gatewayUrl,
    requests: requestsOf(variables),
    speed: variables.speed,
    body: { api: "chat", stream: true, ...(stack.model === undefined ? {} : { model: stack.model }) },
  });
  traffic.finished.then(
    () => {
      const { succeeded, failed } = traffic.summary();
      if (!ending.signal.aborted)
        print(`the trace has been played to its end: ${succeeded} answered, ${failed} failed`);
    },
    (error: unknown) =>
      ending.end(1, `the traffic ended: ${error instanceof Error ? error.message : String(error)}`),
  );
  return traffic;
}

function greeting(stack: Stack, variables: RunVariables): string {
  const body = JSON.stringify({
    messages: [{ role: "user", content: "Hello" }],
    max_tokens: 16,
    ...(stack.model === undefined ? {} : { model: stack.model }),
  });
  return [
    `gateway     ${stack.gatewayUrl}`,
    `Envoy       ${stack.adminUrl}`,
    `controller  ${stack.statusUrl}/table`,
    `traffic     ${trafficLine(variables)}`,
    "",
    "Try:",
    `  curl ${stack.gatewayUrl}/v1/chat/completions -H 'content-type: application/json' -d '${body.replaceAll("'", "'\\''")}'`,
    "",
  ].join("\n");
}

function trafficLine({ traffic, trace, speed, poolsFile }: RunVariables): string {
  if (!traffic) return poolsFile === undefined ? "off" : "only what you send";
  const what = trace === undefined ? "conversations from the built-in generator" : `${trace} as recorded`;
  return `${what}${speed === 1 ? "" : `, ${speed} times as fast`} (TRAFFIC=off for none)`;
}

function keysLine(traffic: Traffic | undefined): string {
  if (traffic === undefined) return "q: quit";
  return `q: quit   t: ${traffic.paused ? "resume" : "stop"} traffic`;
}

async function tableView(statusUrl: string): Promise<TableView | undefined> {
  try {
    const response = await fetch(`${statusUrl}/table`, { signal: AbortSignal.timeout(TABLE_WITHIN_MS) });
    return (await response.json()) as TableView;
  } catch {
    return undefined;
  }
}

await main();
