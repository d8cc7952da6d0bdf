import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ClientHttp2Session } from "node:http2";
import { after, afterEach, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { Backend } from "./backend.ts";
import { BigBody } from "./big-body.ts";
import { type Answer, request, type RequestOptions, servedOf } from "./client.ts";
import { connectHttp2, requestHttp2 } from "./client-http2.ts";
import { Gateway, until } from "./harness.ts";

const MODEL = "test-model";
/** What the pool behind `/rewritten` makes of it. */
const TARGET = "another model, of a longer name";
const MB = 1_000_000;
const MIB = 1024 * 1024;
/** The default of `body.limit`, and what Envoy keeps of a body for a retry. */
const LIMIT_BYTES = 16 * MIB;
/**
 * By how much Envoy may grow over all of this: a body of 16 MiB held for its model and kept for a retry at
 * a time, or two bodies of 100 MB of which it keeps as much until more comes, with the slack of an allocator.
 */
const GROWTH_BOUND_BYTES = 80 * MIB;

type Send = (options: RequestOptions) => Promise<Answer>;

describe("a big body", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;
  let http2: ClientHttp2Session;
  let requests = 0;
  let residentAtFirst = 0;
  const fiveFirst = new BigBody(5 * MB, "first", MODEL);
  const fiveLast = new BigBody(5 * MB, "last", MODEL);
  const hundredFirst = new BigBody(100 * MB, "first", MODEL);

  before(async () => {
    backends = await Promise.all([1, 2].map(() => Backend.start()));
    const own = {
      scrape: { interval: "200ms" },
      endpoints: backends.map(({ address }) => address),
      body: { read: "always" },
    };
    gateway = await Gateway.start({
      name: "big-bodies",
      pools: {
        pools: [
          { name: "test", ...own, models: [MODEL, { name: "test-adapter", adapter: true }] },
          { name: "rewritten", ...own, rewrites: [{ models: [MODEL], targets: [TARGET] }] },
        ],
        routes: [{ pathPrefix: "/rewritten", pools: ["rewritten"] }, { pools: ["test"] }],
      },
    });
    http2 = await connectHttp2(gateway.port);
    residentAtFirst = gateway.residentBytes(gateway.envoy!);
  });

  afterEach(() => {
    for (const backend of backends) backend.behaviour = { kind: "serve" };
  });

  after(async () => {
    http2?.close();
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  const protocols: Readonly<Record<string, Send>> = {
    "HTTP/1.1": (options) => request(gateway.port, options),
    "HTTP/2": (options) => requestHttp2(http2, options),
  };
  const bodies: Readonly<Record<string, BigBody>> = {
    "5 MB with the model first": fiveFirst,
    "5 MB with the model last": fiveLast,
    "100 MB with the model first": hundredFirst,
  };

  for (const [protocol, send] of Object.entries(protocols)) {
    describe(`over ${protocol}`, () => {
      for (const [what, body] of Object.entries(bodies)) {
        it(`of ${what} arrives as it was sent, with its length or without`, async () => {
          await arrives(send, body, { "content-length": String(body.bytes) });
          await arrives(send, body);
        });
      }

      for (const [what, body] of Object.entries(bodies)) {
        it(`of ${what} has that model replaced and is else as it was`, async () => {
          const place = body === fiveLast ? "last" : "first";
          const due = new BigBody(body.bytes + TARGET.length - MODEL.length, place, TARGET);
          for (const headers of [{}, { "content-length": String(body.bytes) }]) {
            const at = path("/rewritten");
            const served = servedOf(await send({ path: at, body: body.pieces(), headers }));
            assert.equal(served.bytes, due.bytes);
            assert.equal(served.sha256, due.sha256);
          }
        });
      }

      it("beyond the limit whose model comes last is answered 413, and reaches no endpoint", async () => {
        const seen = received();
        const body = new BigBody(LIMIT_BYTES + 4 * MB, "last", MODEL);
        for (const [prefix, headers] of [
          ["", {}],
          ["", { "content-length": String(body.bytes) }],
          ["/rewritten", {}],
          ["/rewritten", { "content-length": String(body.bytes) }],
        ] as const) {
          const answer = await send({ path: path(prefix), body: body.pieces(), headers });
          assert.equal(answer.status, 413, answer.body.toString());
          assert.equal(answer.headers["x-inference-picker-reason"], "body_too_large");
          const { error } = JSON.parse(answer.body.toString()) as {
            error: { code: string; message: string };
          };
          assert.equal(error.code, "request_too_large");
          assert.match(error.message, /16777216/);
        }
        assert.equal(received(), seen);
      });

      it("at the limit with the model last arrives as it was sent", async () => {
        await arrives(send, new BigBody(LIMIT_BYTES, "last", MODEL));
      });

      it("that is compressed is picked for by load and arrives as it was sent", async () => {
        const plain = JSON.stringify({ prompt: randomBytes(3 * MB).toString("base64"), model: MODEL });
        for (const text of ['{"prompt":"hello","model":"test-model"}', plain]) {
          const packed = gzipSync(text, { level: 1 });
          const at = path();
          const answer = await send({ path: at, body: packed, headers: { "content-encoding": "gzip" } });
          const served = servedOf(answer);
          assert.equal(served.bytes, packed.length);
          assert.equal(served.sha256, createHash("sha256").update(packed).digest("hex"));
          const entry = await gateway.entryOf(at);
          assert.equal(entry.picked?.split(",")[0], entry.served);
        }
      });

      for (const [what, body] of Object.entries(bodies)) {
        const held = body.bytes <= LIMIT_BYTES;
        it(`of ${what} is sent ${held ? "again, whole, where" : "once even if"} an endpoint fails`, async () => {
          const [first, second] = backends as [Backend, Backend];
          await prefer(first, second);
          first.behaviour = { kind: "status", status: 503 };
          const at = path();
          const answer = await send({ path: at, body: body.pieces() });
          const entry = await gateway.entryOf(at);
          assert.equal(entry.attempts, held ? 2 : 1);
          assert.equal(answer.status, held ? 200 : 503);
          const last = (held ? second : first).received.at(-1)!;
          assert.equal(last.path, at);
          assert.equal(last.bytes, body.bytes);
          assert.equal(last.sha256, body.sha256);
          assert.equal(entry.served, (held ? second : first).address);
        });
      }
    });
  }

  it("leaves the filter's memory as it was and Envoy's bounded, two of 100 MB at a time", async (t) => {
    const twoBodies = () => Promise.all(Object.values(protocols).map((send) => arrives(send, hundredFirst)));
    await twoBodies();
    const growthBefore = await gateway.stat("inference_picker.memory_growth_bytes");
    for (let round = 0; round < 3; round++) await twoBodies();
    const growth = (await gateway.stat("inference_picker.memory_growth_bytes")) - growthBefore;
    const peak = peakBytes(gateway.envoy!.pid!);
    t.diagnostic(
      `filter's memory +${growth} bytes over 600 MB; Envoy's resident memory ${mib(residentAtFirst)} at first, ` +
        `${mib(gateway.residentBytes(gateway.envoy!))} at last, ${mib(peak)} at its highest`,
    );
    assert.equal(growth, 0);
    assert.ok(peak - residentAtFirst < GROWTH_BOUND_BYTES, `${mib(peak)} after ${mib(residentAtFirst)}`);
  });

  it("was picked for by the filter wherever an endpoint served it", async () => {
    const served = await until("every request is in the access log", () => {
      const entries = gateway.logged().filter((entry) => entry.served !== null);
      return entries.reduce((sum, { attempts }) => sum + attempts, 0) >= received() && entries;
    });
    const unpicked = served.filter(
      ({ picked, served, attempts }) => picked?.split(",")[attempts - 1] !== served,
    );
    assert.deepEqual(unpicked, []);
  });

  function path(prefix = ""): string {
    return `${prefix}/${++requests}/v1/completions`;
  }

  function received(): number {
    return backends.reduce((sum, backend) => sum + backend.received.length, 0);
  }

  async function arrives(send: Send, body: BigBody, headers: RequestOptions["headers"] = {}): Promise<void> {
    const served = servedOf(await send({ path: path(), body: body.pieces(), headers }));
    assert.equal(served.bytes, body.bytes);
    assert.equal(served.sha256, body.sha256);
  }

  /** Makes `first` the first of every list, in every worker: so many in a row, each over a connection of its own. */
  async function prefer(first: Backend, second: Backend): Promise<void> {
    second.load = { queue: 40, running: 0, kv: 0 };
    const body = JSON.stringify({ prompt: "hi", model: MODEL });
    let inARow = 0;
    await until("the first server is picked", async () => {
      const { served } = servedOf(await request(gateway.port, { path: path(), body }));
      inARow = served === first.address ? inARow + 1 : 0;
      return inARow >= 20;
    });
  }
});

/** The most resident memory that the process has had, in bytes. */
function peakBytes(pid: number): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (found === null) throw new Error(`process ${pid} has no VmHWM`);
  return Number(found[1]) * 1024;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
