/** What VMs and Envoys tell each other of prompts, and of what answers taught them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KIND_PREFIXES, KIND_REPORT } from "../../assembly/wire/layout.ts";
import { encodeTable } from "../../controller/src/table/encode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import {
  decodePrefixes,
  encodePrefixes,
  prefixRecord,
  secretTag,
} from "../../controller/src/table/prefixes.ts";
import { decodeReport, type LearnedPool } from "../../controller/src/table/report.ts";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { CONTROLLER, EPOCH, endpointRow, filterModule, kindOf, picksOf, poolRow, Rig } from "./filter-rig.ts";
import { SeededRandom } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";
const SECRET = 0x5ec2e7_5ec2e7n;
const TAG = secretTag(SECRET);
const ADDRESSES = Array.from({ length: 8 }, (_, index) => `10.0.0.${index + 1}:8000`);
/** Picks by where a prompt is cached, and else by chance. */
const POOL = poolRow({
  profile: "weighted",
  scorers: [{ name: "prefix-affinity", weight: 1 }],
  readBody: true,
  endpoints: ADDRESSES.map((address) =>
    endpointRow(address, { lifeEpoch: 1, kvBlocks: 4096, kvBlockTokens: 16 }),
  ),
});

/** A rig whose table has the secret, in force in every VM; each worker has had a request. */
function rigOf(pool = POOL): { rig: Rig; push: (pools?: readonly PoolRow[], secret?: bigint) => void } {
  const rig = new Rig(MODULE);
  let sequence = 0n;
  const push = (pools: readonly PoolRow[] = [pool], secret = SECRET): void => {
    sequence += 1n;
    const rows = { epoch: EPOCH, sequence, pools, routes: [], secret };
    rig.connect().push(encodeTable(rows).bytes);
    rig.process.settle();
  };
  push();
  for (const thread of ["worker-0", "worker-1"]) ask(rig, `warm ${thread}`, thread);
  rig.process.advance(200);
  return { rig, push };
}

function bodyOf(text: string): string {
  const content = Array.from({ length: 400 }, (_, index) => `${text} ${index}`).join(" ");
  return JSON.stringify({ model: "llama", messages: [{ role: "user", content }] });
}

/** Sends a prompt that begins as no other text does, answers it, and tells where it went. */
function ask(rig: Rig, text: string, thread = "worker-0"): string {
  const stream = rig.send({ thread, body: [bodyOf(text)] });
  const [picked] = picksOf(stream);
  assert.ok(picked !== undefined, "picked");
  stream.respond([[":status", "200"]], false);
  stream.respondBody("{}", true);
  stream.finish();
  return picked;
}

/** Where the worker sends each of many prompts. */
function placesOf(rig: Rig, texts: readonly string[], thread: string): readonly string[] {
  return texts.map((text) => ask(rig, text, thread));
}

const TEXTS = Array.from({ length: 12 }, (_, index) => `conversation ${index}`);

/** The messages of prompts that the Envoy has sent to its controller. */
function told(rig: Rig): readonly Uint8Array[] {
  return rig.connect().sent.filter((message) => kindOf(message) === KIND_PREFIXES);
}

const counter = (rig: Rig, name: string): bigint =>
  rig.process.metrics.counter(`inference_picker.${name}`) ?? 0n;

test("a prompt that one worker picked for is known to the other after a tick", () => {
  const { rig } = rigOf();
  const first = placesOf(rig, TEXTS, "worker-0");
  assert.ok(new Set(first).size > 2, "spread by chance");
  rig.process.advance(30);
  assert.deepEqual(placesOf(rig, TEXTS, "worker-1"), first);
  rig.process.assertClean();
});

test("another Envoy knows it by the controller, all of its workers do, and none tells it on", () => {
  const here = rigOf();
  const there = rigOf();
  const first = placesOf(here.rig, TEXTS, "worker-1");
  here.rig.process.advance(150);
  const before = told(there.rig).length;
  const messages = told(here.rig);
  assert.ok(messages.length > 0);
  for (const message of messages) {
    assert.equal(decodePrefixes(message).tag, TAG);
    there.rig.connect().push(message);
  }
  there.rig.process.settle();
  there.rig.process.advance(500);
  assert.equal(told(there.rig).length, before);
  for (const thread of ["worker-0", "worker-1"]) assert.deepEqual(placesOf(there.rig, TEXTS, thread), first);
  here.rig.process.assertClean();
  there.rig.process.assertClean();
});

test("the secret of the table is reported, and keys of prompts leave under its name alone", () => {
  const { rig, push } = rigOf();
  assert.equal(rig.report().secret, SECRET);
  push([POOL], SECRET + 1n);
  rig.process.advance(1_100);
  assert.equal(rig.report().secret, SECRET + 1n);
  const before = told(rig).length;
  placesOf(rig, TEXTS, "worker-0");
  rig.process.advance(200);
  const later = told(rig).slice(before);
  assert.ok(later.length > 0);
  for (const message of later) assert.equal(decodePrefixes(message).tag, secretTag(SECRET + 1n));
  rig.process.assertClean();
});

test("a table without a secret changes none, and before the first one no prompt is told of", () => {
  const rig = new Rig(MODULE);
  rig.push([POOL]);
  for (const thread of ["worker-0", "worker-1"]) placesOf(rig, TEXTS, thread);
  rig.process.advance(1_100);
  assert.equal(rig.report().secret, 0n);
  assert.deepEqual(told(rig), []);
  const known = rigOf();
  known.rig.connect().push(known.rig.table([POOL], EPOCH + 1n));
  known.rig.process.settle();
  known.rig.process.advance(1_100);
  assert.equal(known.rig.report().secret, SECRET);
  rig.process.assertClean();
});

test("prompts under another secret are left aside, and what cannot be read is refused and counted", () => {
  const { rig } = rigOf();
  const stream = rig.connect();
  const record = prefixRecord(fnv1a64(ADDRESSES[0]!), [1n, 2n]);
  const received = () => counter(rig, "exchange.prompts_received");
  const refused = () => counter(rig, "exchange.items_refused");
  stream.push(encodePrefixes(TAG + 1n, 1n, [record]));
  rig.process.settle();
  assert.deepEqual([received(), refused()], [0n, 0n]);
  stream.push(encodePrefixes(TAG, 2n, [record, record]));
  rig.process.settle();
  assert.deepEqual([received(), refused()], [2n, 0n]);
  const broken = encodePrefixes(TAG, 3n, [record]);
  for (const message of [broken.subarray(0, -1), broken.subarray(0, 44), new Uint8Array([...broken, 0])]) {
    stream.push(message);
  }
  rig.process.settle();
  assert.deepEqual([received(), refused()], [2n, 3n]);
  assert.equal(counter(rig, "feed.tables_refused"), 0n, "they are no tables");
  assert.equal(rig.report().tablesRefused, 0);
  rig.process.assertClean();
});

test("whatever is in a queue or in shared data, no VM traps, and picks go on", () => {
  const { rig } = rigOf();
  const random = new SeededRandom(20_261_126);
  const { queues, sharedData } = rig.process;
  const tokens = queues.names(VM_ID).map((name) => queues.resolve(VM_ID, name));
  const learnedKey = sharedData
    .keys(VM_ID)
    .find((key) => key.endsWith("/slot/0"))!
    .replace(/slot\/0$/, "learned");
  const item = (bytes: Uint8Array): void => {
    for (const token of tokens) queues.enqueue(token, bytes);
  };
  for (let round = 0; round < 400; round++) {
    const bytes = Uint8Array.from({ length: random.below(300) }, () => random.below(256));
    // Half of them have a head that fits, so that what is behind it is looked at.
    if (round % 2 === 0 && bytes.length >= 16) {
      const view = new DataView(bytes.buffer);
      const rows = random.below(bytes.length - 15);
      bytes[0] = 2 + random.below(2);
      view.setUint32(4, rows, true);
      view.setUint32(8, bytes.length - 16 - rows, true);
    }
    item(bytes);
    sharedData.set(VM_ID, learnedKey, bytes, 0);
    if (round % 20 === 0) {
      ask(rig, "something", `worker-${(round / 20) % 2}`);
      rig.process.advance(50);
    }
  }
  // A worker that starts reads what is there.
  rig.process.root(rig.deployment, "worker-0").vm.kill();
  assert.equal(rig.process.request(rig.deployment, "worker-0", { headers: [] }), undefined);
  rig.process.advance(1_100);
  for (const thread of ["worker-0", "worker-1"]) ask(rig, "the last", thread);
  rig.process.assertClean();
});

test("of two controllers only the one whose table is in use is told, and the other one when that one is gone", () => {
  const clusters = [CONTROLLER, "second-controller"];
  const rig = new Rig(MODULE, { configuration: { feeds: clusters.map((cluster) => ({ cluster })) } });
  rig.process.grpc.cluster("second-controller", "accept");
  rig.process.advance(2_000);
  const streamOf = (cluster: string) => rig.streams().find(({ request }) => request.cluster === cluster)!;
  const push = (cluster: string, epoch: bigint, sequence: bigint): void => {
    streamOf(cluster).push(encodeTable({ epoch, sequence, pools: [POOL], routes: [], secret: SECRET }).bytes);
    rig.process.settle();
  };
  const toldTo = (cluster: string): number =>
    streamOf(cluster).sent.filter((message) => kindOf(message) === KIND_PREFIXES).length;
  push(clusters[0]!, EPOCH, 1n);
  push(clusters[1]!, EPOCH + 1n, 1n);
  ask(rig, "warm");
  rig.process.advance(200);
  ask(rig, "the later one's table is in use");
  rig.process.advance(200);
  assert.deepEqual(clusters.map(toldTo), [0, 1]);
  streamOf(clusters[1]!).close(14);
  rig.process.grpc.cluster("second-controller", "refuse");
  rig.process.advance(2_100);
  push(clusters[0]!, EPOCH, 2n);
  ask(rig, "the earlier one's is");
  rig.process.advance(200);
  assert.equal(toldTo(clusters[0]!), 1);
  rig.process.assertClean();
});

test("nothing is queued for a VM that is dead", () => {
  const { rig } = rigOf();
  rig.process.root(rig.deployment, "worker-1").vm.kill();
  placesOf(rig, TEXTS, "worker-0");
  rig.process.advance(4_000);
  const backlog = rig.process.queues.backlog();
  for (let round = 0; round < 20; round++) {
    placesOf(rig, TEXTS, "worker-0");
    rig.process.advance(100);
  }
  assert.equal(rig.process.queues.backlog(), backlog);
  rig.process.assertClean();
});

test("an endpoint that restarted holds no prompt any more, and its neighbours hold theirs", () => {
  const { rig, push } = rigOf();
  const first = placesOf(rig, TEXTS, "worker-0");
  rig.process.advance(50);
  const gone = first[0]!;
  const kept = TEXTS.filter((_, index) => first[index] !== gone);
  const lives = (lifeEpoch: number): PoolRow => ({
    ...POOL,
    endpoints: POOL.endpoints.map((row) => (row.address === gone ? { ...row, lifeEpoch } : row)),
  });
  const restarts = () => counter(rig, "endpoint_restarts");
  push([lives(0)]);
  assert.equal(restarts(), 0n, "not known is no restart");
  push([lives(1_795_000_000)]);
  assert.equal(restarts(), 3n, "one a VM");
  push([lives(1)]);
  push([lives(1_795_000_000)]);
  assert.equal(restarts(), 3n, "epochs only rise");
  assert.deepEqual(
    placesOf(rig, kept, "worker-1"),
    first.filter((place) => place !== gone),
  );
  // Each of them would be back at its old place by chance alone once in eight times.
  const back = TEXTS.filter((_, index) => first[index] === gone).every(
    (text) => ask(rig, text, "worker-1") === gone,
  );
  assert.equal(back, false);
  rig.process.assertClean();
});

/** An answer streamed over 40 ms a token, with its usage at the end. */
function answerStreamed(rig: Rig, thread: string, tokens: number): void {
  const stream = rig.send({ thread, body: [bodyOf(`streamed ${thread}`)] });
  assert.ok(picksOf(stream).length > 0);
  rig.process.advance(200);
  stream.respond(
    [
      [":status", "200"],
      ["content-type", "text/event-stream"],
    ],
    false,
  );
  for (let token = 0; token < tokens; token++) {
    stream.respondBody('data: {"choices":[{"delta":{"content":"a"}}]}\n\n', false);
    rig.process.advance(40);
  }
  const usage = { prompt_tokens: 1_000, completion_tokens: tokens, total_tokens: 1_000 + tokens };
  stream.respondBody(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`, true);
  stream.finish();
}

test("what answers taught any worker is reported, once a second and not more often", () => {
  const { rig } = rigOf();
  assert.equal(rig.report().learned, undefined);
  for (const thread of ["worker-0", "worker-1", "worker-0"]) answerStreamed(rig, thread, 20);
  rig.process.advance(1_200);
  const reports = rig
    .connect()
    .sent.filter((message) => kindOf(message) === KIND_REPORT)
    .map((message) => decodeReport(message));
  const { learned } = reports.findLast((report) => report.learned !== undefined)!;
  const [pool] = learned!.pools;
  assert.equal(pool!.id, fnv1a64("default/a"));
  assert.ok(pool!.observations >= 3, `${pool!.observations} observations`);
  assert.ok(pool!.stepMs > 5.6, `${pool!.stepMs} ms, slower than the prior`);
  assert.deepEqual([...learned!.slowness.keys()].sort(), ADDRESSES.map((address) => fnv1a64(address)).sort());
  const sent = reports.length;
  for (let held = 0; held < 40; held++) {
    rig.send({ body: [bodyOf(`busy ${held}`)] });
    rig.process.advance(100);
  }
  const busy = rig
    .connect()
    .sent.filter((message) => kindOf(message) === KIND_REPORT)
    .slice(sent)
    .map((message) => decodeReport(message));
  assert.ok(busy.length >= 35, `${busy.length} reports`);
  const telling = busy.filter((report) => report.learned !== undefined).length;
  assert.ok(telling >= 3 && telling <= 5, `${telling} of them in four seconds`);
  rig.process.assertClean();
});

test("VMs that start after a trap know what was learned, though none of those that learned it lives", () => {
  const { rig } = rigOf();
  for (let round = 0; round < 5; round++) answerStreamed(rig, "worker-0", 20);
  rig.process.advance(6_000);
  const before = lastLearned(rig);
  for (const thread of rig.process.threads) rig.process.root(rig.deployment, thread).vm.kill();
  for (const thread of ["worker-0", "worker-1"]) {
    assert.equal(rig.process.request(rig.deployment, thread, { headers: [] }), undefined, "503 for a while");
  }
  rig.process.advance(1_500);
  for (const thread of ["worker-0", "worker-1"]) ask(rig, "after the trap", thread);
  rig.process.advance(2_500);
  const after = lastLearned(rig);
  // The mean of answers is worked out anew when it is taken over, and now and then only while answers come.
  assert.deepEqual({ ...after, outputTokens: 0 }, { ...before, outputTokens: 0 });
  assert.ok(after.outputTokens < 256, `${after.outputTokens} tokens, of which 256 are what nobody knows`);
  assert.ok(after.observations >= 5);
  rig.process.assertClean();
});

/** What the present stream's reports say of the pool, the newest that says anything. */
function lastLearned(rig: Rig): LearnedPool {
  const reports = rig.connect().sent.filter((message) => kindOf(message) === KIND_REPORT);
  const told = reports
    .map((message) => decodeReport(message).learned)
    .findLast((learned) => learned !== undefined);
  assert.ok(told !== undefined, "something was learned");
  return told.pools[0]!;
}

/** What the Envoy's VMs have published of what they learned. */
function learnedBytes(rig: Rig): Uint8Array | undefined {
  const { sharedData } = rig.process;
  const key = sharedData.keys(VM_ID).find((name) => name.endsWith("/learned"));
  return key === undefined ? undefined : sharedData.get(VM_ID, key)?.bytes;
}

test("a VM that goes before it took over what was learned leaves that as it is", () => {
  const { rig } = rigOf();
  for (let round = 0; round < 5; round++) answerStreamed(rig, "worker-0", 20);
  rig.process.advance(6_000);
  const before = learnedBytes(rig);
  assert.ok(before !== undefined && before.length > 100);
  const first = rig.deployment;
  const module = filterModule();
  const feeds = [{ cluster: CONTROLLER }];
  const short = rig.process.deploy({ configuration: JSON.stringify({ feeds, generation: 1 }) }, module);
  rig.process.retire(short);
  assert.deepEqual(learnedBytes(rig), before);
  rig.deployment = first;
  rig.process.assertClean();
});

test("what was learned of a thousand pools is published whole", () => {
  const pools = Array.from({ length: 1_000 }, (_, index) =>
    poolRow({
      name: `default/p${index}`,
      clusters: [`cluster-${index}`],
      endpoints: [endpointRow(`10.1.${index >> 8}.${index & 255}:80`)],
    }),
  );
  const { rig, push } = rigOf();
  push([POOL, ...pools]);
  rig.process.advance(11_000);
  const bytes = Buffer.from(learnedBytes(rig) ?? []);
  for (const { name } of pools) {
    const id = Buffer.alloc(8);
    id.writeBigUInt64LE(fnv1a64(name));
    assert.ok(bytes.includes(id), name);
  }
  rig.process.assertClean();
});

test("a VM that goes is queued nothing more, and whoever gets its slot learns nothing twice", () => {
  const { rig } = rigOf();
  const old = rig.deployment;
  const feeds = [{ cluster: CONTROLLER }];
  rig.deployment = rig.process.deploy(
    { configuration: JSON.stringify({ feeds, generation: 1 }) },
    filterModule(),
  );
  rig.process.advance(2_000);
  rig.process.retire(old);
  rig.process.advance(50);
  const backlog = rig.process.queues.backlog();
  for (let round = 0; round < 20; round++) {
    placesOf(rig, TEXTS, "worker-0");
    rig.process.advance(50);
  }
  assert.equal(rig.process.queues.backlog(), backlog);
  rig.process.assertClean();
});

test("what waits in the queue of a slot is thrown away by the VM that claims it", () => {
  const { rig } = rigOf();
  const { queues } = rig.process;
  for (const thread of rig.process.threads) rig.process.root(rig.deployment, thread).vm.kill();
  rig.process.advance(4_000);
  const names = queues.names(VM_ID);
  // Of no kind: whoever reads it counts it.
  for (const name of names) queues.enqueue(queues.resolve(VM_ID, name), Uint8Array.of(9));
  assert.ok(queues.backlog() >= names.length);
  for (const thread of ["worker-0", "worker-1"]) {
    assert.equal(rig.process.request(rig.deployment, thread, { headers: [] }), undefined, "503 for a while");
  }
  rig.process.advance(1_500);
  for (const thread of ["worker-0", "worker-1"]) ask(rig, "after the trap", thread);
  rig.process.advance(1_000);
  assert.equal(counter(rig, "exchange.items_refused"), 0n);
  assert.ok(queues.backlog() < names.length, "two of three slots are claimed");
  rig.process.assertClean();
});

test("keys that wait to be told under a secret that is no longer in use are not told", () => {
  const { rig } = rigOf();
  const stream = rig.connect();
  rig.process.advance(200);
  const before = told(rig).length;
  placesOf(rig, TEXTS, "worker-0");
  const rows = { epoch: EPOCH, sequence: 2n, pools: [POOL], routes: [], secret: SECRET + 1n };
  stream.push(encodeTable(rows).bytes);
  rig.process.settle();
  rig.process.advance(500);
  assert.deepEqual(told(rig).slice(before), []);
  rig.process.assertClean();
});

test("a message of prompts does not fetch the table from shared data", () => {
  const { rig } = rigOf();
  const stream = rig.connect();
  const { sharedData } = rig.process;
  const fetched: string[] = [];
  const get = sharedData.get.bind(sharedData);
  sharedData.get = (vmId, key) => {
    fetched.push(key);
    return get(vmId, key);
  };
  for (let sent = 1n; sent <= 5n; sent++) {
    stream.push(encodePrefixes(TAG, sent, [prefixRecord(fnv1a64(ADDRESSES[0]!), [sent])]));
  }
  rig.process.settle();
  assert.equal(counter(rig, "exchange.prompts_received"), 5n);
  assert.deepEqual(
    fetched.filter((key) => key.endsWith("/table")),
    [],
  );
  rig.process.assertClean();
});
