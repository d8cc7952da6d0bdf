import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ClientHttp2Session } from "node:http2";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { type Answer, request, type RequestOptions, servedOf } from "./client.ts";
import { connectHttp2, requestHttp2 } from "./client-http2.ts";
import { Gateway, until } from "./harness.ts";

const MODEL = "test-model";
const REASON = "x-inference-picker-reason";
const SIZES = { "1 KB": 1000, "220 KB": 220_000, "5 MB": 5_000_000 } as const;
/** Of the pool behind `/limited`. */
const LIMIT_BYTES = 1024 * 1024;

type Send = (options: RequestOptions) => Promise<Answer>;

describe("a request's body", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;
  let http2: ClientHttp2Session;
  let requests = 0;

  before(async () => {
    backends = await Promise.all([1, 2].map(() => Backend.start()));
    const endpoints = backends.map(({ address }) => address);
    const models = [MODEL, { name: "test-adapter", adapter: true }];
    gateway = await Gateway.start({
      name: "bodies",
      pools: {
        pools: [
          { name: "read", endpoints, models, body: { read: "always" }, knownModelsOnly: true },
          { name: "limited", endpoints, models, body: { read: "always", limit: "1MiB" } },
          { name: "required", endpoints, body: { read: "always" }, requireModel: true },
          { name: "unread", endpoints, body: { read: "never" } },
        ],
        routes: ["limited", "required", "unread", "read"].map((name) => ({
          pathPrefix: name === "read" ? "/" : `/${name}`,
          pools: [name],
        })),
      },
    });
    http2 = await connectHttp2(gateway.port);
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

  for (const [protocol, send] of Object.entries(protocols)) {
    describe(`over ${protocol}`, () => {
      for (const [size, bytes] of Object.entries(SIZES)) {
        for (const place of ["first", "last"] as const) {
          it(`of ${size} with the model ${place} arrives as it was sent, in one piece and in many`, async () => {
            const body = jsonBody(bytes, place);
            await arrives(send, body, body);
            await arrives(send, body, pieces(body, 10_007));
          });
        }
      }

      it("that trickles in byte by byte arrives as it was sent", async () => {
        const body = jsonBody(600, "last");
        await arrives(send, body, pieces(body, 1));
      });

      it("that is not read arrives as it was sent, JSON or not", async () => {
        const body = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) & 0xff));
        await arrives(send, body, body, "/unread");
      });

      it("may be absent or empty", async () => {
        for (const method of ["GET", "POST"]) {
          const answer = await send({ method, path: path() });
          assert.equal(servedOf(answer).bytes, 0);
        }
        const answer = await send({ path: path(), body: "" });
        assert.equal(servedOf(answer).bytes, 0);
      });

      it("beyond the limit whose model comes last is answered 413, clearly", async () => {
        for (const bytes of [LIMIT_BYTES + 2, 3 * LIMIT_BYTES]) {
          const body = jsonBody(bytes, "last");
          for (const form of [body, pieces(body, 10_007)]) {
            const answer = await send({ path: path("/limited"), body: form });
            assert.equal(refusal(answer, 413, "body_too_large"), "request_too_large");
          }
        }
      });

      it("at the limit, or beyond it with the model first, arrives as it was sent", async () => {
        const atLimit = jsonBody(LIMIT_BYTES, "last");
        await arrives(send, atLimit, atLimit, "/limited");
        const beyond = jsonBody(2 * LIMIT_BYTES, "first");
        await arrives(send, beyond, beyond, "/limited");
      });

      it("that is no JSON object is answered 400 and reaches no endpoint", async () => {
        const seen = count();
        for (const body of ['{"model": "test-model", ', '{"model": nope}', "[1, 2]", "no JSON"]) {
          const answer = await send({ path: path(), body });
          assert.equal(refusal(answer, 400, "malformed_body"), "invalid_json", body);
        }
        assert.equal(count(), seen);
      });

      it("that names a model that the pool does not know is answered 404", async () => {
        const seen = count();
        const answer = await send({ path: path(), body: '{"prompt": "hi", "model": "another \\"one\\""}' });
        assert.equal(refusal(answer, 404, "model_unknown"), "model_not_found");
        assert.match(answer.body.toString(), /another/);
        assert.equal(count(), seen);
        await arrives(send, jsonBody(500, "last", "test-adapter"), jsonBody(500, "last", "test-adapter"));
      });

      it("without a model is answered 400 where the pool requires one", async () => {
        const answer = await send({ path: path("/required"), body: '{"prompt": "hi"}' });
        assert.equal(refusal(answer, 400, "model_missing"), "missing_required_parameter");
        const odd = await send({ path: path("/required"), body: '{"model": 7}' });
        assert.equal(refusal(odd, 400, "model_invalid"), "invalid_type");
      });
    });
  }

  it("was picked for by the filter wherever an endpoint served it", async () => {
    const served = await until("every request is in the access log", () => {
      const entries = gateway.logged().filter((entry) => entry.served !== null);
      return entries.length >= count() && entries;
    });
    assert.ok(served.length > 40);
    assert.deepEqual(
      served.filter((entry) => entry.picked?.split(",")[0] !== entry.served),
      [],
    );
  });

  function path(prefix = "/read"): string {
    return `${prefix}/${++requests}/v1/completions`;
  }

  function count(): number {
    return backends.reduce((sum, backend) => sum + backend.received.length, 0);
  }

  async function arrives(
    send: Send,
    body: Uint8Array,
    form: Uint8Array | AsyncIterable<Uint8Array>,
    prefix?: string,
  ): Promise<void> {
    const served = servedOf(await send({ path: path(prefix), body: form }));
    assert.equal(served.bytes, body.length);
    assert.equal(served.sha256, createHash("sha256").update(body).digest("hex"));
  }
});

/** A request of exactly `bytes`, whose text is hard on a scanner that is lax about strings. */
function jsonBody(bytes: number, place: "first" | "last", model = MODEL): Buffer {
  const named = `"model":${JSON.stringify(model)}`;
  const frame = place === "first" ? `{${named},"prompt":""}` : `{"prompt":"",${named}}`;
  const unit = '\\"model\\": \\"other\\", {[ \\\\ \\u00e9 ü ';
  const room = bytes - frame.length;
  const unitBytes = Buffer.byteLength(unit);
  const text = unit.repeat(Math.floor(room / unitBytes)) + ".".repeat(room % unitBytes);
  const body = Buffer.from(frame.replace('""', () => `"${text}"`));
  assert.equal(body.length, bytes);
  return body;
}

/** One piece per turn of the event loop, so that each is a write of its own. */
async function* pieces(body: Uint8Array, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += bytes) {
    yield body.subarray(at, at + bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The error's code, of an answer by the filter. */
function refusal(answer: Answer, status: number, reason: string): string {
  assert.equal(answer.status, status, answer.body.toString());
  assert.equal(answer.headers[REASON], reason);
  assert.equal(answer.headers["content-type"], "application/json");
  const { error } = JSON.parse(answer.body.toString()) as { error: { code: string; message: string } };
  assert.ok(error.message.length > 0);
  return error.code;
}
