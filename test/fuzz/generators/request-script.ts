import type { HeaderPair } from "../../emulator/host.ts";
import type { Dice } from "../dice.ts";
import { eventStream, jsonAnswer } from "./answers.ts";
import { hostileHeaders, hostileText } from "./headers.ts";
import { mutated } from "./mutations.ts";
import { requestBody } from "./request-body.ts";
import { splitEnds } from "./splits.ts";

/**
 * One thing that happens to a request. Bodies are latin1 text, a byte a letter, so that a script is JSON; what cannot
 * happen where it stands (an answer before the request went on) is passed over.
 */
export type Step =
  | { readonly do: "headers"; readonly headers: readonly HeaderPair[]; readonly end: boolean }
  | { readonly do: "body"; readonly bytes: string; readonly end: boolean }
  | { readonly do: "trailers"; readonly headers: readonly HeaderPair[] }
  | { readonly do: "respond"; readonly headers: readonly HeaderPair[]; readonly end: boolean }
  | { readonly do: "respondBody"; readonly bytes: string; readonly end: boolean }
  | { readonly do: "advance"; readonly ms: number };

/** A request from its first header to its end; a client or a server that goes away leaves steps out. */
export interface RequestScript {
  readonly cluster: string;
  /** Names of the route and of the pools in its metadata and in the cluster's; "" where there is none. */
  readonly route: string;
  readonly routePool: string;
  readonly clusterPool: string;
  readonly failureMode: string;
  readonly steps: readonly Step[];
}

const PATHS = [
  ...[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/models",
  ],
  ...[
    "/v1/messages/count_tokens",
    "/v1/audio/transcriptions",
    "/v1/images/edits",
    "/rerank",
    "/score",
    "/tokenize",
  ],
  ...["/openai/deployments/llama/chat/completions?api-version=1", "/v1/models/llama", "/own/llama/generate"],
  ...[
    "/",
    "",
    "*",
    "/v1/chat/completions/",
    "/v1/chat/completions?a=/v1/messages",
    "//",
    "/deployments//embeddings",
  ],
];
const CONTENT_TYPES = [
  ...["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", ""],
  ...[
    "multipart/form-data; boundary=xx",
    'multipart/form-data; Boundary="a b"',
    "multipart/form-data; boundary=",
  ],
  ...["multipart/form-data", "application/x-www-form-urlencoded", "text/event-stream", "application/jsonl"],
];
/** Chunks of a body: each costs calls, and the scanners are cut more finely on their own. */
const MOST_CHUNKS = 12;
const CLUSTERS = [
  ...["cluster-a", "cluster-b", "cluster-models", "cluster-edited", "cluster-one", "cluster-two"],
  ...["cluster-open", "unknown", ""],
];
const POOLS = [
  "",
  "",
  "",
  "default/a",
  "default/b",
  "default/models",
  "default/edited",
  "default/nobody",
  "x/\u0000",
];

/** A request with hostile headers, a body that may be anything, and an answer that may be anything. */
export function requestScript(dice: Dice): RequestScript {
  const steps: Step[] = [];
  const hasBody = dice.percent(75);
  const body = hasBody ? someBody(dice) : "";
  steps.push({ do: "headers", headers: requestHeaders(dice, body, hasBody), end: !hasBody });
  if (hasBody) steps.push(...bodySteps(dice, "body", body));
  if (hasBody && dice.percent(5)) endWithTrailers(dice, steps);
  const answer = answerSteps(dice);
  // Servers may answer before they have read everything.
  if (dice.percent(8)) steps.splice(1 + dice.below(steps.length), 0, ...answer.slice(0, 1));
  else steps.push(...answer);
  if (dice.percent(3))
    steps.splice(dice.below(steps.length + 1), 0, { do: "advance", ms: dice.pick([0, 25, 3000]) });
  if (dice.percent(10)) steps.length = 1 + dice.below(steps.length);
  return {
    cluster: dice.percent(95) ? dice.pick(CLUSTERS) : hostileText(dice),
    route: dice.percent(50) ? "route" : dice.pick(["by-model", "", hostileText(dice)]),
    routePool: dice.pick(POOLS),
    clusterPool: dice.pick(POOLS),
    failureMode: dice.pick(["", "FailOpen", "FailClose", "failopen", "FailOpen\u0000"]),
    steps,
  };
}

function someBody(dice: Dice): string {
  const kind = dice.below(20);
  if (kind === 0) return "";
  if (kind === 1) return hostileText(dice);
  if (kind === 2) return eventStream(dice).toString("latin1");
  const body = requestBody(dice, kind < 5 ? 1 : 0);
  return (kind < 8 ? mutated(dice, body, requestBody(dice)) : body).toString("latin1");
}

function requestHeaders(dice: Dice, body: string, hasBody: boolean): readonly HeaderPair[] {
  const headers: HeaderPair[] = [];
  if (dice.percent(98))
    headers.push([":method", dice.pick([hasBody ? "POST" : "GET", "PUT", "OPTIONS", ""])]);
  if (dice.percent(98)) headers.push([":path", dice.percent(90) ? dice.pick(PATHS) : hostileText(dice)]);
  headers.push([":authority", "models.test"]);
  if (hasBody && dice.percent(90)) {
    headers.push(["content-type", dice.percent(70) ? "application/json" : dice.pick(CONTENT_TYPES)]);
  }
  // Envoy's codec refuses a length that is not the body's.
  if (hasBody && dice.percent(60)) headers.push(["content-length", String(body.length)]);
  headers.push(...hostileHeaders(dice, "request"));
  if (dice.percent(10)) dice.shuffle(headers);
  return headers;
}

function bodySteps(dice: Dice, what: "body" | "respondBody", text: string): readonly Step[] {
  const emptyEnd = dice.percent(20);
  const ends = splitEnds(dice, text.length, MOST_CHUNKS);
  let from = 0;
  const steps: Step[] = ends.map((end, index) => {
    const bytes = text.slice(from, end);
    from = end;
    return { do: what, bytes, end: !emptyEnd && index === ends.length - 1 };
  });
  if (emptyEnd) steps.push({ do: what, bytes: "", end: true });
  return steps;
}

function endWithTrailers(dice: Dice, steps: Step[]): void {
  const last = steps.at(-1)!;
  if (last.do === "body") steps[steps.length - 1] = { ...last, end: false };
  steps.push({ do: "trailers", headers: hostileHeaders(dice, "request") });
}

function answerSteps(dice: Dice): readonly Step[] {
  const stream = dice.percent(50);
  const body = stream ? eventStream(dice) : jsonAnswer(dice);
  const bytes = dice.percent(20) ? mutated(dice, body, jsonAnswer(dice)) : body;
  const type = stream ? "text/event-stream; charset=utf-8" : "application/json";
  const status = dice.percent(85)
    ? "200"
    : dice.pick(["404", "500", "503", "429", "abc", "", "99999", "-1", "1e3"]);
  const headers: HeaderPair[] = [[":status", status]];
  if (dice.percent(95)) headers.push(["content-type", dice.percent(90) ? type : dice.pick(CONTENT_TYPES)]);
  headers.push(...hostileHeaders(dice, "response"));
  const end = dice.percent(5);
  const first: Step = { do: "respond", headers, end };
  return end ? [first] : [first, ...bodySteps(dice, "respondBody", bytes.toString("latin1"))];
}
