import { HEADER_KIND, KIND_REPORT } from "../../../assembly/wire/layout.ts";
import { decodeReport } from "../../../controller/src/table/report.ts";
import type { PoolRow } from "../../../controller/src/table/rows.ts";
import { endpointRow, EPOCH, filterModule, POOL_B, poolRow, Rig } from "../../emulator/filter-rig.ts";
import type { Stream } from "../../emulator/host.ts";
import type { Dice } from "../dice.ts";
import { type RequestScript, requestScript, type Step } from "../generators/request-script.ts";
import { shrinkList } from "../shrink.ts";
import { agree, type Target, type Verdict } from "../target.ts";

const MODELS = [
  { name: "llama", adapter: false },
  { name: "llama-3.1-8b", adapter: false },
  { name: "tuned", adapter: true },
];

/** Pools of every kind that the filter treats differently, under the clusters that the scripts name. */
function pools(): readonly PoolRow[] {
  return [
    poolRow({ objectives: [{ name: "batch", priority: -10 }] }),
    poolRow({
      name: "default/b",
      clusters: ["cluster-b"],
      readBody: true,
      bodyWindowBytes: 64,
      bodyLimitBytes: 4096,
      endpoints: POOL_B.map((address) => endpointRow(address)),
    }),
    poolRow({
      name: "default/models",
      clusters: ["cluster-models"],
      readBody: true,
      requireModel: true,
      knownModelsOnly: true,
      models: MODELS,
    }),
    // Bodies are changed, and answers are changed back.
    poolRow({
      name: "default/edited",
      clusters: ["cluster-edited"],
      readBody: true,
      models: MODELS,
      rewrites: [
        { model: "llama", targets: [{ model: "tuned", weight: 1 }] },
        {
          model: "",
          targets: [
            { model: 'a "longer" name', weight: 1 },
            { model: "m", weight: 3 },
          ],
        },
      ],
      restoreModel: true,
      addUsage: true,
      apis: [{ suffix: "/own/{model}/generate", api: "openai-chat" }],
    }),
    // The model chooses among the pools of a route.
    poolRow({
      name: "default/one",
      clusters: ["cluster-one"],
      readBody: true,
      byModel: true,
      models: MODELS,
    }),
    poolRow({
      name: "default/two",
      clusters: ["cluster-two"],
      readBody: true,
      byModel: true,
      models: [{ name: "m", adapter: false }],
      endpoints: POOL_B.map((address) => endpointRow(address)),
    }),
    poolRow({ name: "default/open", clusters: ["cluster-open"], failureMode: "FailOpen", endpoints: [] }),
  ];
}

const ROUTES = [{ name: "by-model", pools: ["default/one", "default/two"] }];
/** Of a pool that changes bodies. */
const EDITED = ["cluster-edited", "default/edited"];

/** Requests after which the Envoy and its VMs are new, so that what the emulator notes down stays small. */
const REQUESTS_PER_RIG = 10_000;
/** Requests between two tables and ticks. */
const REQUESTS_PER_TABLE = 500;
/** Ten times the memory of a VM that has just started. */
const MOST_MEMORY_BYTES = 64 * 1_048_576;

/**
 * Whole requests through the built filter in the emulated Envoy: whatever comes, no callback traps, no host call is
 * made that Envoy forbids, a body that goes on is the client's own, and nothing stays in flight.
 */
export class Requests implements Target<RequestScript> {
  readonly name = "requests";
  readonly #module = filterModule();
  readonly #seed: number;
  #rig: Rig | undefined;
  #requests = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  generate(dice: Dice): RequestScript {
    return requestScript(dice);
  }

  check(script: RequestScript, dice: Dice): Verdict {
    const rig = this.#readyRig();
    try {
      return run(rig, script, dice);
    } catch (error) {
      // What comes after a trap or a violation is not the next request's fault.
      this.#rig = undefined;
      throw error;
    }
  }

  shrink(script: RequestScript, fails: (script: RequestScript) => boolean): RequestScript {
    let best = { ...script, steps: shrinkList(script.steps, (steps) => fails({ ...script, steps })) };
    for (let index = 0; index < best.steps.length; index++) {
      const smaller = (step: Step): boolean => {
        const steps = best.steps.map((other, at) => (at === index ? step : other));
        if (!fails({ ...best, steps })) return false;
        best = { ...best, steps };
        return true;
      };
      const step = best.steps[index]!;
      if ("headers" in step) shrinkList(step.headers, (headers) => smaller({ ...step, headers }));
      if ("bytes" in step)
        shrinkList([...step.bytes], (bytes) => smaller({ ...step, bytes: bytes.join("") }));
    }
    return best;
  }

  encode(script: RequestScript): Uint8Array {
    return Buffer.from(`${JSON.stringify(script, undefined, 1)}\n`);
  }

  decode(bytes: Uint8Array): RequestScript {
    return JSON.parse(Buffer.from(bytes).toString()) as RequestScript;
  }

  #readyRig(): Rig {
    if (this.#requests % REQUESTS_PER_RIG === 0) this.#rig = undefined;
    if (this.#rig === undefined) {
      this.#rig = new Rig(this.#module, { workers: 1, seed: this.#seed });
      this.#rig.push(pools(), EPOCH, ROUTES);
    } else if (this.#requests % REQUESTS_PER_TABLE === 0) {
      checkIdle(this.#rig);
      this.#rig.push(pools(), EPOCH, ROUTES);
    }
    this.#requests++;
    return this.#rig;
  }
}

function run(rig: Rig, script: RequestScript, dice: Dice): Verdict {
  const stream = openStream(rig, script);
  const sent: Sent = { begun: false, ended: false };
  for (const step of script.steps) take(rig, stream, step, sent);
  if (!stream.over) stream.finish();
  // Now and then, so that what was said to the controller is looked at as well.
  if (dice.percent(1)) rig.process.advance(25);
  const [violation] = rig.process.violations;
  if (violation !== undefined) throw violation;
  const [trap] = rig.process.traps;
  if (trap !== undefined) throw trap.error;
  const mayBeEdited = [script.cluster, script.routePool].some((name) => EDITED.includes(name));
  if (stream.upstreamHeaders !== undefined && !mayBeEdited) checkBody(script, stream);
  return stream.localResponse === undefined ? "accepted" : "refused";
}

function openStream(rig: Rig, script: RequestScript): Stream {
  const namespace = (pool: string): Record<string, Record<string, string>> =>
    pool === "" ? {} : { "inference-picker": { pool, failureMode: script.failureMode } };
  // Envoy's codec lets no other length through: a script from which chunks were left out has the right one too.
  const bodyBytes = script.steps.reduce((sum, step) => sum + (step.do === "body" ? step.bytes.length : 0), 0);
  const headers = script.steps.flatMap((step) => (step.do === "headers" ? step.headers : []));
  const stream = rig.process.request(rig.deployment, "worker-0", {
    headers: headers.map(([name, value]) => [name, name === "content-length" ? `${bodyBytes}` : value]),
    properties: {
      xds: {
        cluster_name: script.cluster,
        route_name: script.route,
        cluster_metadata: { filter_metadata: namespace(script.clusterPool) },
        route_metadata: { filter_metadata: namespace(script.routePool) },
      },
    },
    bodyBufferLimit: 16 * 1_048_576,
  });
  if (stream === undefined) throw new Error("the worker has no VM");
  return stream;
}

/** How much the client has sent. */
interface Sent {
  begun: boolean;
  ended: boolean;
}

/** One step, if the stream is where it can happen. */
function take(rig: Rig, stream: Stream, step: Step, sent: Sent): void {
  const canSend = sent.begun && !sent.ended;
  const canRespond = stream.upstreamHeaders !== undefined && !stream.answered && !stream.failed;
  switch (step.do) {
    case "headers":
      if (!sent.begun) stream.sendHeaders(step.end);
      sent.ended ||= step.end;
      sent.begun = true;
      break;
    case "body":
      if (canSend) stream.sendBody(Buffer.from(step.bytes, "latin1"), step.end);
      sent.ended ||= step.end;
      break;
    case "trailers":
      if (canSend) stream.sendTrailers(step.headers);
      sent.ended = true;
      break;
    case "respond":
      if (canRespond && stream.responseHeaders === undefined) stream.respond(step.headers, step.end);
      break;
    case "respondBody":
      if (canRespond && stream.responseHeaders !== undefined) {
        stream.respondBody(Buffer.from(step.bytes, "latin1"), step.end);
      }
      break;
    case "advance":
      rig.process.advance(step.ms);
      break;
  }
}

/** What went upstream is what the client sent, or the beginning of it. */
function checkBody(script: RequestScript, stream: Stream): void {
  const sent = script.steps.map((step) => (step.do === "body" ? step.bytes : "")).join("");
  const upstream = Buffer.from(stream.upstreamBody).toString("latin1");
  agree("the body upstream", sent.slice(0, upstream.length), upstream);
  if (stream.upstreamEnded) agree("the length of the body upstream", sent.length, upstream.length);
}

function checkIdle(rig: Rig): void {
  // A round of ticks and reports: what is in flight is told to the controller.
  rig.process.advance(1_100);
  const report = rig.connect().sent.findLast((message) => message[HEADER_KIND] === KIND_REPORT);
  if (report === undefined) throw new Error("nothing was reported to the controller");
  const busy = decodeReport(report).endpoints.filter(({ requests }) => requests > 0);
  agree("endpoints with requests in flight", 0, busy.length);
  for (const vm of rig.process.liveVms()) {
    const bytes = vm.memory.bytes;
    if (bytes > MOST_MEMORY_BYTES) agree("memory of a VM, at most", MOST_MEMORY_BYTES, bytes);
  }
}
