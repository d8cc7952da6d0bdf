/**
 * `make smoke`: the stack on free ports (or in front of the servers of POOLS), 400 requests of every kind (or
 * the first 400 of TRACE), one line of JSON. Exits non-zero if any was lost or was not picked by the filter.
 */
import type { TraceRequest } from "../simulation/traces/trace-request.ts";
import { Traffic } from "../simulation/traffic.ts";
import { type AccessLogEntry, AccessLogReader, wasPicked } from "./access-log.ts";
import { Ending, endOnSignals } from "./ending.ts";
import { endWithLauncher } from "./launcher-watch.ts";
import { freePorts } from "./processes.ts";
import { type Stack, startStack } from "./stack.ts";
import { requestsOf, type RunVariables, runVariables, SIMULATED_SERVERS } from "./variables.ts";

const REQUESTS = 400;
const AT_ONCE = 16;
const WORKERS = 2;
/** Of what went wrong; the counts tell how often. */
const PROBLEMS_SHOWN = 10;

interface Outcome {
  requests: number;
  ok: number;
  readonly problems: string[];
}

async function main(): Promise<void> {
  const ending = new Ending();
  endOnSignals(ending, process, 1, (signal) => `ended by ${signal}`);
  const launcherPid = endWithLauncher(ending, process, 1);
  const outcome: Outcome = { requests: 0, ok: 0, problems: [] };
  let entries: readonly AccessLogEntry[] = [];
  let stack: Stack | undefined;
  try {
    const variables = runVariables(process.env);
    stack = await start(variables, ending, launcherPid);
    await (variables.trace === undefined
      ? mixed(stack, outcome, ending.signal)
      : replay(stack, variables.trace, variables.speed, outcome, ending.signal));
  } catch (error) {
    ending.end(1, error instanceof Error ? error.message : String(error));
  } finally {
    await stack?.stop();
  }
  // Envoy has ended, so its log is whole.
  if (stack !== undefined) entries = new AccessLogReader(stack.accessLog).read();
  const picked = entries.filter(wasPicked);
  const { requests, ok, problems } = outcome;
  console.log(
    JSON.stringify({
      requests,
      ok,
      picksByEndpoint: byEndpoint(picked),
      pickedInProcess: picked.length,
    }),
  );
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) console.error(problem);
  if (problems.length > PROBLEMS_SHOWN) console.error(`… and ${problems.length - PROBLEMS_SHOWN} more`);
  if (ending.why !== undefined) console.error(ending.why);
  else if (requests === 0) console.error("no request was sent");
  else if (picked.length !== requests)
    console.error(`${picked.length} of ${requests} requests were picked by the filter`);
  const whole = requests > 0 && ok === requests && picked.length === requests;
  process.exit(whole && !ending.signal.aborted ? 0 : 1);
}

async function start(
  variables: RunVariables,
  ending: Ending,
  launcherPid: number | undefined,
): Promise<Stack> {
  const [gateway, admin, controller, status] = await freePorts(4);
  return startStack(
    {
      folder: variables.folder ?? "build/smoke",
      ports: { gateway: gateway!, admin: admin!, controller: controller!, status: status! },
      envoy: variables.envoy,
      wasmFile: "build/inference-picker.wasm",
      workers: WORKERS,
      backends:
        variables.poolsFile !== undefined
          ? { poolsFile: variables.poolsFile }
          : { simulated: { count: SIMULATED_SERVERS, basePort: 0, speed: 1 } },
      abort: ending.signal,
      ...(launcherPid === undefined ? {} : { launcherPid }),
    },
    (why) => ending.end(1, why),
  );
}

/** Chats and completions, streamed and not, with and without an adapter, and requests without a body. */
async function mixed(stack: Stack, outcome: Outcome, abort: AbortSignal): Promise<void> {
  const worker = async () => {
    while (outcome.requests < REQUESTS && !abort.aborted) {
      const i = outcome.requests++;
      const problem = await one(stack, i, abort);
      if (problem === undefined) outcome.ok++;
      else outcome.problems.push(`request ${i}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** What went wrong; undefined for a whole answer with status 200. */
async function one(stack: Stack, i: number, abort: AbortSignal): Promise<string | undefined> {
  const simulated = stack.servers.length > 0;
  const model = simulated && i % 5 === 4 ? "sql-adapter" : stack.model;
  const stream = i % 2 === 0;
  const prompt = `Question ${i}: ${"what is the best way to route this? ".repeat(1 + (i % 40))}`;
  const common = { max_tokens: 1 + (i % 16), stream, model };
  const init = (body: object): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const [path, request] =
    i % 10 === 9
      ? ["/v1/models", {}]
      : i % 3 === 0
        ? ["/v1/completions", init({ prompt, ...common })]
        : ["/v1/chat/completions", init({ messages: [{ role: "user", content: prompt }], ...common })];
  try {
    const response = await fetch(`${stack.gatewayUrl}${path}`, { ...request, signal: abort });
    const text = await response.text();
    if (response.status !== 200) return `${response.status} ${text}`;
    if (path !== "/v1/models" && stream && !text.trimEnd().endsWith("data: [DONE]"))
      return "the stream was cut";
    return undefined;
  } catch (error) {
    return String(error instanceof Error && error.cause instanceof Error ? error.cause : error);
  }
}

/** The first requests of a recorded trace, at their times. */
async function replay(
  stack: Stack,
  trace: string,
  speed: number,
  outcome: Outcome,
  abort: AbortSignal,
): Promise<void> {
  const traffic = new Traffic({
    url: stack.gatewayUrl,
    requests: firstOf(requestsOf({ trace }), REQUESTS),
    speed,
    body: { api: "chat", stream: true, ...(stack.model === undefined ? {} : { model: stack.model }) },
    onResult: ({ index, status, error }) => {
      outcome.requests++;
      if (error === undefined) outcome.ok++;
      else outcome.problems.push(`request ${index}: ${status} ${error}`);
    },
  });
  const close = () => void traffic.close();
  abort.addEventListener("abort", close, { once: true });
  try {
    await traffic.finished;
  } finally {
    abort.removeEventListener("abort", close);
    await traffic.close();
  }
}

async function* firstOf(
  requests: Iterable<TraceRequest> | AsyncIterable<TraceRequest>,
  count: number,
): AsyncGenerator<TraceRequest> {
  let given = 0;
  for await (const request of requests) {
    yield request;
    if (++given === count) return;
  }
}

function byEndpoint(entries: readonly AccessLogEntry[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { served } of entries) if (served !== null) counts[served] = (counts[served] ?? 0) + 1;
  return counts;
}

await main();
