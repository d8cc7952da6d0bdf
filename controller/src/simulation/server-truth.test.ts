import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "./fleet.ts";
import type { ModelServer } from "./model-server.ts";
import { call, events, json, until } from "./test-client.ts";

const PATH = "/v1/chat/completions";
const chat = (more: object = {}): object => ({
  messages: [{ role: "user", content: "Tell me of the sea." }],
  max_tokens: 8,
  ...more,
});

describe("what a simulated server tells of what it saw and did", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base", "ünï/codé 1%"], adapters: ["lora"], speed: 50 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  test("the totals are those of the answers, apart by model, by API and by what clients were told", async () => {
    const own = await startFleet({ count: 1, models: ["base"], adapters: ["lora"], speed: 50 });
    try {
      const [other] = own.servers as [ModelServer];
      const told = { prompt: 0, completion: 0, cached: 0 };
      for (const model of ["base", "base", "lora"]) {
        const { usage } = await json(other, PATH, chat({ model }));
        if (model !== "base") continue;
        told.prompt += usage.prompt_tokens;
        told.completion += usage.completion_tokens;
        told.cached += usage.prompt_tokens_details.cached_tokens;
      }
      await call(other, PATH, chat({ stream: true }));
      await json(other, "/v1/embeddings", { input: ["four", "four"] });
      await call(other, PATH, chat({ model: "nope" }));
      const { name, rows } = await json(other, "/_sim/totals");
      assert.equal(name, "server-0");
      assert.deepEqual(
        rows.map(({ model, api, requests }: (typeof rows)[0]) => [model, api, requests]),
        [
          ["base", "openai-chat", 3],
          ["lora", "openai-chat", 1],
          ["base", "openai-embeddings", 1],
        ],
      );
      const [base, lora, embedded] = rows;
      assert.deepEqual(base.told, {
        answers: 2,
        promptTokens: told.prompt,
        completionTokens: told.completion,
        cachedTokens: told.cached,
      });
      assert.equal(base.promptTokens, (told.prompt / 2) * 3);
      assert.equal(base.completionTokens, 24);
      assert.equal(lora.told.completionTokens, 8);
      assert.deepEqual([embedded.promptTokens, embedded.completionTokens], [2, 0]);
      assert.equal(embedded.told.promptTokens, 2);
    } finally {
      await own.close();
    }
  });

  test("an answer that its client leaves counts as cut, with the tokens that it got", async () => {
    const request = http.request(`${server.url}${PATH}`, { method: "POST" });
    request.on("error", () => undefined);
    request.end(JSON.stringify(chat({ model: "lora", max_tokens: 100_000, stream: true })));
    await until(() => server.driver.model.metrics.generationTokens > 0);
    request.destroy();
    await until(() => server.inFlight === 0);
    const row = server.totals().find(({ model }) => model === "lora");
    assert.ok(row !== undefined && row.completionTokens < 100_000);
    assert.deepEqual([row.requests, row.whole, row.cut, row.told.answers], [1, 0, 1, 0]);
  });

  test("the model comes back as the server saw it, and none where none was named", async () => {
    const named = await call(server, PATH, chat({ model: "ünï/codé 1%" }));
    assert.equal(decodeURIComponent(String(named.headers["x-sim-model"])), "ünï/codé 1%");
    assert.equal((await call(server, PATH, chat({ model: "nope" }))).headers["x-sim-model"], "nope");
    assert.equal((await call(server, PATH, chat())).headers["x-sim-model"], undefined);
  });

  test("a body far too long to be kept is hashed, answered, and leaves the memory as it was", async () => {
    const bytes = 200 * 1024 * 1024;
    const piece = Buffer.alloc(1 << 20, "All work and no play. ");
    const hash = createHash("sha256");
    const usedBefore = process.memoryUsage().arrayBuffers;
    let usedMost = 0;
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = { "content-type": "application/json", "x-sim-hash": "1" };
      const request = http.request(`${server.url}${PATH}`, { method: "POST", headers }, resolve);
      request.on("error", reject);
      void (async () => {
        let sent = 0;
        const send = async (part: Buffer): Promise<void> => {
          hash.update(part);
          sent += part.length;
          if (!request.write(part)) await new Promise((drained) => request.once("drain", drained));
          usedMost = Math.max(usedMost, process.memoryUsage().arrayBuffers);
        };
        await send(Buffer.from('{"model":"base","messages":[{"role":"user","content":"'));
        while (sent < bytes) await send(piece);
        await send(Buffer.from('"}],"max_tokens":3,"stream":true,"stream_options":{"include_usage":true}}'));
        request.end();
      })();
    });
    let text = "";
    for await (const chunk of answer) text += String(chunk);
    assert.equal(answer.statusCode, 200, text);
    assert.equal(answer.headers["x-sim-body-sha256"], hash.digest("hex"));
    assert.ok(Number(answer.headers["x-sim-body-bytes"]) > bytes);
    assert.equal(answer.headers["x-sim-model"], "base");
    const { usage } = events(text).at(-2);
    assert.equal(usage.completion_tokens, 3);
    assert.ok(usage.prompt_tokens > 100_000);
    assert.ok(usedMost - usedBefore < bytes / 2, `${usedMost - usedBefore} bytes`);
  });

  for (const protocol of ["HTTP/1.1", "HTTP/2"] as const) {
    test(`answers over ${protocol} come in pieces of at most the bytes asked for, and are the same`, async () => {
      const asked = chat({ stream: true, max_tokens: 4, stream_options: { include_usage: true } });
      const text = (sent: string): string =>
        events(sent)
          .flatMap((each) => each.choices ?? [])
          .map(({ delta }) => delta.content)
          .join("");
      const whole = (await call(server, PATH, asked)).text;
      const pieces = await (protocol === "HTTP/2" ? piecesOfHttp2 : piecesOfHttp1)(server, asked);
      const joined = Buffer.concat(pieces).toString();
      assert.equal(text(joined), text(whole));
      assert.equal(events(joined).at(-1), "[DONE]");
      assert.ok(pieces.every(({ length }) => length <= 5));
      assert.ok(pieces.length > joined.length / 5);
    });
  }

  test("a server can be told to write all its answers in pieces", async () => {
    const own = await startFleet({ count: 1, speed: 50, chunkBytes: 3 });
    try {
      const { choices } = await json(own.servers[0]!, PATH, chat());
      assert.equal(choices[0].message.content.length, 32);
    } finally {
      await own.close();
    }
    await assert.rejects(startFleet({ count: 1, chunkBytes: -1 }), { code: "bad-option", value: -1 });
  });
});

/** The frames of a chunked answer, as they stand on the wire. */
async function piecesOfHttp1(server: ModelServer, body: object): Promise<Buffer[]> {
  const payload = JSON.stringify(body);
  const socket = net.connect(server.port, "127.0.0.1");
  socket.write(
    `POST ${PATH} HTTP/1.1\r\nhost: x\r\nx-sim-chunk-bytes: 5\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}`,
  );
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.includes("\r\n0\r\n\r\n")) break;
  }
  let at = received.indexOf("\r\n\r\n") + 4;
  const pieces: Buffer[] = [];
  for (;;) {
    const end = received.indexOf("\r\n", at);
    const bytes = Number.parseInt(received.subarray(at, end).toString(), 16);
    if (bytes === 0) return pieces;
    pieces.push(received.subarray(end + 2, end + 2 + bytes));
    at = end + 2 + bytes + 2;
  }
}

async function piecesOfHttp2(server: ModelServer, body: object): Promise<Buffer[]> {
  const session = http2.connect(server.url);
  try {
    const stream = session.request({ ":method": "POST", ":path": PATH, "x-sim-chunk-bytes": "5" });
    stream.end(JSON.stringify(body));
    const pieces: Buffer[] = [];
    for await (const chunk of stream) pieces.push(chunk as Buffer);
    return pieces;
  } finally {
    session.close();
  }
}
