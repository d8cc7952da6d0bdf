/**
 * `make smoke`: the stack on free ports, 400 requests of every kind (or the first 400 of TRACE), one line of
 * JSON. Exits non-zero if any was lost or was not picked by the filter.
 */
import type { TraceRequest } from "../simulation/traces/trace-request.ts";
import { Traffic } from "../simulation/traffic.ts";
import { type AccessLogEntry, AccessLogReader, wasPicked } from "./access-log.ts";
import { freePorts } from "./processes.ts";
import { type Stack, startStack } from "./stack.ts";
import { requestsOf, runVariables } from "./variables.ts";

const REQUESTS = 400;
const AT_ONCE = 16;

interface Outcome {
  readonly ok: number;
  readonly problems: readonly string[];
}

async function main(): Promise<void> {
  const variables = runVariables(process.env);
  const [gateway, admin, controller, status] = await freePorts(4);
  let broken: string | undefined;
  const stack = await startStack(
    {
      folder: "build/smoke",
      ports: { gateway: gateway!, admin: admin!, controller: controller!, status: status! },
      envoy: variables.envoy,
      wasmFile: "build/inference-picker.wasm",
      workers: 2,
      backends: { simulated: { count: 4, basePort: 0, speed: 1 } },
    },
    (why) => {
      broken ??= why;
    },
  );
  let outcome: Outcome;
  try {
    outcome =
      variables.trace === undefined
        ? await mixed(stack)
        : await replay(stack, variables.trace, variables.speed);
  } finally {
    await stack.stop();
  }
  // Envoy has ended, so its log is whole.
  const entries = new AccessLogReader(stack.accessLog).read();
  const pickedInProcess = entries.filter(wasPicked).length;
  console.log(
    JSON.stringify({
      requests: REQUESTS,
      ok: outcome.ok,
      picksByEndpoint: byEndpoint(entries),
      pickedInProcess,
    }),
  );
  for (const problem of [...outcome.problems, ...(broken === undefined ? [] : [broken])])
    console.error(problem);
  process.exitCode = outcome.ok === REQUESTS && pickedInProcess === REQUESTS && broken === undefined ? 0 : 1;
}

/** Chats and completions, streamed and not, with and without an adapter, and requests without a body. */
async function mixed(stack: Stack): Promise<Outcome> {
  const problems: string[] = [];
  let ok = 0;
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < REQUESTS; i = next++) {
      const problem = await one(stack, i);
      if (problem === undefined) ok++;
      else problems.push(`request ${i}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { ok, problems };
}

async function one(stack: Stack, i: number): Promise<string | undefined> {
  const model = i % 5 === 4 ? "sql-adapter" : stack.model;
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
    const response = await fetch(`${stack.gatewayUrl}${path}`, request);
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
async function replay(stack: Stack, trace: string, speed: number): Promise<Outcome> {
  const problems: string[] = [];
  let ok = 0;
  const traffic = new Traffic({
    url: stack.gatewayUrl,
    requests: firstOf(requestsOf({ trace }), REQUESTS),
    speed,
    body: { api: "chat", stream: true, model: stack.model! },
    onResult: ({ index, status, error }) => {
      if (error === undefined) ok++;
      else problems.push(`request ${index}: ${status} ${error}`);
    },
  });
  await traffic.finished;
  await traffic.close();
  return { ok, problems };
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
