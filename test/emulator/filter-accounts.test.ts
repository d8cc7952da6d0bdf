/** What the VMs of an Envoy count reaches its controllers and Envoy's page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HISTOGRAM_FIRST_TOKEN, HISTOGRAM_OUTPUT } from "../../assembly/wire/accounts.ts";
import * as L from "../../assembly/wire/layout.ts";
import {
  countKey,
  decodeAccounts,
  encodeAccounts,
  messageKind,
} from "../../controller/src/table/accounts.ts";
import { type AccountTotals, AccountsTotals } from "../../controller/src/telemetry/accounts-totals.ts";
import { BODY_POOL, CONTROLLER, filterModule, picksOf, Rig, type RigOptions } from "./filter-rig.ts";
import type { GrpcStream, Stream, Vm } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";
const REQUESTS = countKey(L.GROUP_COUNTERS, L.COUNTER_REQUESTS);
const PICKED = countKey(L.GROUP_COUNTERS, L.COUNTER_PICKED);
const ROW = "model_name=llama;target_model_name=llama;pool=default/a;";
const ANSWER =
  'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\ndata: [DONE]\n\n';

function rigOf(options: RigOptions = {}): Rig {
  const rig = new Rig(MODULE, options);
  rig.push([BODY_POOL]);
  return rig;
}

function ask(rig: Rig, thread = "worker-0", model = "llama"): Stream {
  const stream = rig.send({ thread, body: [`{"model":"${model}","messages":[]}`] });
  assert.equal(picksOf(stream).length > 0, true);
  return stream;
}

/** A whole request: first token after 90 ms, end 30 ms later. */
function answer(rig: Rig, stream: Stream): void {
  rig.process.advance(90);
  stream.respond(
    [
      [":status", "200"],
      ["content-type", "text/event-stream"],
    ],
    false,
  );
  stream.respondBody(ANSWER.slice(0, 50), false);
  rig.process.advance(30);
  stream.respondBody(ANSWER.slice(50), true);
  stream.finish();
}

/** A whole answer in one piece, at once. */
function answerWhole(stream: Stream): void {
  stream.respond([[":status", "200"]], false);
  stream.respondBody('{"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}', true);
  stream.finish();
}

/** A controller that takes accounts from the Envoy's streams, each message once, in the order of their sending. */
class Listener {
  readonly totals: AccountsTotals;
  messages = 0;
  #taken = new Map<GrpcStream, number>();

  constructor(readonly rig: Rig) {
    this.totals = new AccountsTotals(() => Number(rig.process.clock.monotonicNs / 1_000_000n));
  }

  listen(stream: GrpcStream): void {
    const from = this.#taken.get(stream) ?? 0;
    this.#taken.set(stream, stream.sent.length);
    for (const message of stream.sent.slice(from)) {
      if (messageKind(message) !== L.KIND_ACCOUNTS) continue;
      this.messages++;
      this.totals.add(decodeAccounts(message));
    }
  }

  rows(cluster = CONTROLLER): readonly AccountTotals[] {
    for (const stream of this.rig.process.grpc.streams) {
      if (stream.request.cluster === cluster) this.listen(stream);
    }
    return this.totals.list().filter(({ pool }) => pool !== "");
  }

  counts(model = "llama"): ReadonlyMap<number, number> {
    return this.rows().find((row) => row.model === model)?.counts ?? new Map();
  }
}

function holderOf(rig: Rig): Vm {
  const [stream] = rig.streams();
  return rig.process.vms.find((vm) => [...vm.roots.values()].some((root) => root.grpc.has(stream!.token)))!;
}

function gauge(rig: Rig): bigint | undefined {
  return rig.process.metrics.gauge(`inference_objective_running_requests;${ROW}`);
}

test("a finished request reaches the controller within two seconds, with its times and tokens", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  answer(rig, ask(rig));
  rig.process.advance(2_000);
  const counts = listener.counts();
  assert.equal(counts.get(REQUESTS), 1);
  assert.equal(counts.get(PICKED), 1);
  assert.equal(counts.get(countKey(L.GROUP_SUMS, HISTOGRAM_FIRST_TOKEN)), 90_000);
  assert.equal(counts.get(countKey(L.GROUP_SUMS, HISTOGRAM_OUTPUT)), 4);
  rig.process.assertClean();
});

test("what every VM counts counts once, whoever holds the feed and whoever dies", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  let sent = 0;
  const round = (): void => {
    for (const vm of rig.process.liveVms()) {
      if (vm.thread === "main") continue;
      answer(rig, ask(rig, vm.thread));
      sent++;
    }
    rig.process.advance(2_500);
  };
  for (let turn = 0; turn < 6; turn++) {
    round();
    assert.equal(listener.counts().get(REQUESTS), sent, `round ${turn}`);
    holderOf(rig).kill();
    rig.process.advance(2_500);
    // Whose VM died is reloaded by its next request.
    for (const thread of ["worker-0", "worker-1"]) {
      rig.process.request(rig.deployment, thread, { headers: [] })?.finish();
      rig.process.advance(1_100);
      rig.process.request(rig.deployment, thread, { headers: [] })?.finish();
    }
    rig.process.advance(500);
    if (rig.streams().length === 0) rig.process.advance(2_000);
  }
  assert.ok(sent >= 10, `${sent} requests`);
  assert.ok(listener.totals.size > 4, `${listener.totals.size} VMs`);
});

test("what a VM counted last is counted, though the VM goes with its configuration right after", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  answer(rig, ask(rig));
  rig.process.advance(2_000);
  const old = rig.deployment;
  const feeds = [{ cluster: CONTROLLER, authority: "controller.test" }];
  const configuration = JSON.stringify({ generation: 1, feeds });
  rig.deployment = rig.process.deploy({ configuration }, filterModule());
  rig.process.advance(1_500);
  const next = rig.deployment;
  rig.deployment = old;
  answer(rig, ask(rig));
  rig.process.retire(old);
  rig.deployment = next;
  rig.process.advance(6_000);
  assert.equal(listener.counts().get(REQUESTS), 2);
  assert.equal(listener.counts().get(PICKED), 2);
  rig.process.assertClean();
});

test("a stream that opens later is told everything, and nobody is told the same twice", () => {
  const feeds = [
    { cluster: CONTROLLER, authority: "one" },
    { cluster: "second", authority: "two" },
  ];
  const rig = new Rig(MODULE);
  rig.process.grpc.cluster("second", "refuse");
  rig.process.retire(rig.deployment);
  rig.deploy({ feeds });
  rig.push([BODY_POOL]);
  const first = new Listener(rig);
  answer(rig, ask(rig));
  answer(rig, ask(rig, "worker-1"));
  rig.process.advance(2_000);
  assert.equal(first.counts().get(REQUESTS), 2);
  const before = first.messages;
  rig.process.grpc.cluster("second", "accept");
  rig.process.advance(2_000);
  const second = new Listener(rig);
  second.rows("second");
  assert.equal(second.totals.size, 3);
  first.rows();
  assert.ok(first.messages - before <= 3, `${first.messages - before} to the first one meanwhile`);
  rig.process.assertClean();
});

test("a controller that is refused again and again costs the other one nothing", () => {
  const feeds = [
    { cluster: CONTROLLER, authority: "one" },
    { cluster: "second", authority: "two" },
  ];
  const rig = new Rig(MODULE);
  rig.process.grpc.cluster("second", "accept");
  rig.process.retire(rig.deployment);
  rig.deploy({ feeds });
  const dropSecond = (): void => {
    for (const stream of rig.process.grpc.open()) if (stream.request.cluster === "second") stream.close(14);
  };
  rig.process.advance(1_000);
  const listener = new Listener(rig);
  listener.rows();
  const before = listener.messages;
  for (let tick = 0; tick < 400; tick++) {
    rig.process.advance(25);
    dropSecond();
  }
  listener.rows();
  const perVm = (listener.messages - before) / 3;
  assert.ok(perVm >= 1 && perVm <= 3, `${perVm} messages a VM in ten idle seconds`);
});

test("VMs on which nothing changes say so every five seconds, no more", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  rig.process.advance(6_000);
  listener.rows();
  const before = listener.messages;
  rig.process.advance(20_000);
  listener.rows();
  assert.equal(listener.messages - before, 3 * 4);
});

test("accounts that are no accounts, or of another VM, go nowhere", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  answer(rig, ask(rig));
  rig.process.advance(2_500);
  assert.equal(listener.counts().get(REQUESTS), 1);
  const keys = rig.process.sharedData.keys(VM_ID).filter((key) => key.includes("/accounts/"));
  assert.equal(keys.length, 3);
  const foreign = Uint8Array.from(rig.process.sharedData.get(VM_ID, keys[0]!)!.bytes);
  new DataView(foreign.buffer).setBigUint64(L.HEADER_EPOCH, 77n, true);
  new DataView(foreign.buffer).setBigUint64(L.HEADER_SEQUENCE, 1_000_000n, true);
  rig.process.sharedData.set(VM_ID, keys[0]!, foreign, 0);
  rig.process.sharedData.set(VM_ID, keys[1]!, foreign.subarray(0, 90), 0);
  rig.process.sharedData.set(VM_ID, keys[2]!, new Uint8Array(5), 0);
  const before = rig.process.grpc.streams.flatMap(({ sent }) => sent).length;
  rig.process.advance(1_200);
  const since = rig.process.grpc.streams.flatMap(({ sent }) => sent).slice(before);
  assert.deepEqual(
    since.filter((message) => messageKind(message) !== L.KIND_REPORT),
    [],
  );
  answer(rig, ask(rig));
  rig.process.advance(6_000);
  assert.equal(listener.counts().get(REQUESTS), 2, "the next ones are good again");
  rig.process.assertClean();
});

test("what a VM published last is passed on after its death, over the streams that know it, and once", () => {
  const rig = rigOf();
  const { sharedData, grpc } = rig.process;
  const listener = new Listener(rig);
  const threads = ["worker-0", "worker-1"];
  for (const thread of threads) answer(rig, ask(rig, thread));
  rig.process.advance(2_500);
  assert.equal(listener.counts().get(REQUESTS), 2);
  const before = new Map(
    sharedData
      .keys(VM_ID)
      .filter((key) => key.includes("/accounts/"))
      .map((key) => [key, decodeAccounts(sharedData.get(VM_ID, key)!.bytes)]),
  );
  const holder = holderOf(rig);
  const { vm } = threads
    .map((thread) => rig.process.root(rig.deployment, thread))
    .find((root) => root.vm !== holder)!;
  vm.kill();
  rig.process.advance(6_000);
  // Its slot is the one whose accounts stood still.
  const [key, last] = [...before].find(([each, { sequence }]) => {
    return decodeAccounts(sharedData.get(VM_ID, each)!.bytes).sequence === sequence;
  })!;
  const rows = last.rows.map((row) =>
    row.model === "llama" ? { ...row, counts: new Map([...row.counts, [REQUESTS, 4]]) } : row,
  );
  sharedData.set(VM_ID, key, encodeAccounts({ ...last, sequence: last.sequence + 1n, rows }), 0);
  rig.process.advance(2_500);
  assert.equal(listener.counts().get(REQUESTS), 5);
  const sentOf = () =>
    grpc.streams
      .flatMap(({ sent }) => sent)
      .filter((message) => messageKind(message) === L.KIND_ACCOUNTS && decodeAccounts(message).vm === last.vm)
      .length;
  const sent = sentOf();
  for (const stream of grpc.open()) stream.close(14);
  rig.process.advance(10_000);
  assert.ok(rig.streams().length > 0);
  assert.equal(sentOf(), sent, "a stream that opens later is told nothing of the dead");
  rig.process.assertClean();
});

test("Envoy's page has the request's counters after a tick, and its histograms at its end", () => {
  const rig = rigOf();
  const { metrics } = rig.process;
  answer(rig, ask(rig));
  rig.process.advance(50);
  assert.equal(metrics.counter(`inference_objective_request_total;${ROW}`), 1n);
  assert.equal(metrics.counter("inference_extension_scheduler_attempts_total;status=success;"), 1n);
  const recorded = Object.fromEntries(
    metrics
      .all()
      .filter(({ recorded: values }) => values.length > 0)
      .map(({ name, recorded: values }) => [name, values]),
  );
  assert.deepEqual(recorded, {
    [`inference_objective_request_duration_ms;${ROW}`]: [120n],
    [`inference_objective_request_sizes;${ROW}`]: [31n],
    [`inference_objective_input_tokens;${ROW}`]: [9n],
    [`inference_objective_output_tokens;${ROW}`]: [4n],
    [`inference_objective_request_ttft_ms;${ROW}`]: [90n],
    [`inference_objective_request_tpot_us;${ROW}`]: [10_000n],
  });
  rig.process.assertClean();
});

test("Envoy's page is told in ticks: six values a request, and counters as sums however many requests there are", () => {
  const rig = rigOf();
  answer(rig, ask(rig));
  rig.process.advance(2_000);
  answerWhole(ask(rig));
  const { calls } = rig.process;
  const records = () => calls.get("proxy_record_metric");
  const streams = Array.from({ length: 50 }, () => ask(rig));
  rig.process.advance(50);
  const [recordsBefore, incrementsBefore, definesBefore] = [
    records(),
    calls.get("proxy_increment_metric"),
    calls.get("proxy_define_metric"),
  ];
  for (const stream of streams) answerWhole(stream);
  assert.equal(records(), recordsBefore, "nothing is told between ticks");
  assert.equal(calls.get("proxy_increment_metric"), incrementsBefore);
  rig.process.advance(25);
  assert.equal(records() - recordsBefore, 50 * 6);
  assert.ok(calls.get("proxy_increment_metric") - incrementsBefore <= 3);
  assert.equal(calls.get("proxy_define_metric"), definesBefore);
  rig.process.assertClean();
});

test("an answer of the filter's own counts as an error of the request, by its word", () => {
  const rig = rigOf();
  const refused = rig.send({ body: ['{"model":"made-up","messages":[]}'] });
  assert.equal(refused.localResponse?.status, 404);
  refused.finish();
  rig.process.advance(50);
  const errors = rig.process.metrics.names().filter((name) => name.includes("_error_total"));
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /;pool=default\/a;error_code=BadRequest;$/);
  assert.equal(rig.process.metrics.counter(errors[0]!), 1n);
  assert.equal(errors[0]!.includes("made-up"), false, "a client's own word is in no name");
  assert.match(errors[0]!, /;model_name=other;/);
  const attempts = rig.process.metrics.names().filter((name) => name.includes("scheduler_attempts"));
  assert.deepEqual(attempts, [], "no endpoint was looked for");
  rig.process.assertClean();
});

test("with metrics none Envoy's page has nothing of requests, and the controller everything", () => {
  const rig = rigOf({ configuration: { metrics: "none" } });
  const listener = new Listener(rig);
  answer(rig, ask(rig));
  rig.process.advance(2_000);
  assert.deepEqual(
    rig.process.metrics.names().filter((name) => name.includes(";")),
    [],
  );
  assert.equal(listener.counts().get(REQUESTS), 1);
  rig.process.assertClean();
});

test("requests under way show within two seconds, and those of a VM that trapped go with it", () => {
  const rig = rigOf();
  const listener = new Listener(rig);
  const running = () => listener.rows().find(({ model }) => model === "llama")?.running;
  for (const thread of ["worker-0", "worker-0", "worker-1"]) ask(rig, thread);
  rig.process.advance(2_500);
  assert.equal(gauge(rig), 3n);
  assert.equal(running(), 3);
  const holder = holderOf(rig);
  for (const thread of ["worker-0", "worker-1"]) {
    const { vm } = rig.process.root(rig.deployment, thread);
    if (vm !== holder) vm.kill();
  }
  rig.process.advance(6_000);
  const left = [...holder.streams.values()].length;
  assert.equal(gauge(rig), BigInt(left), "what the holder itself has");
  holder.kill();
  rig.process.advance(1_000);
  // The main thread, or a worker that is loaded again, holds the feed.
  for (const thread of ["worker-0", "worker-1"]) {
    rig.process.request(rig.deployment, thread, { headers: [] })?.finish();
    rig.process.advance(1_100);
    rig.process.request(rig.deployment, thread, { headers: [] })?.finish();
  }
  rig.process.advance(7_000);
  assert.equal(gauge(rig), 0n);
  rig.process.advance(60_000);
  assert.equal(running(), 0);
});
