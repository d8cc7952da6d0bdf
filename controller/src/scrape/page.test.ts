import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { processTimer } from "../timer.ts";
import { ScrapeAgents } from "./agents.ts";
import { failureOf, fetchPage, type PageRequest } from "./page.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();
const agents = new ScrapeAgents(() => performance.now());

after(async () => {
  await agents.close();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

/** Calls `answer` at each request, which is one piece here. */
async function serve(answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket.setNoDelay(true).on("error", () => {}));
    socket.on("data", () => answer(socket));
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function head(bytes: number): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n`;
}

function requestTo(port: number, changes: Partial<PageRequest> = {}): PageRequest {
  const endpoint = {
    pool: "default/llama",
    spec: { name: "e", host: "127.0.0.1", port, engine: "vllm" as const },
    ip: "127.0.0.1",
    address: `127.0.0.1:${port}`,
    ready: true,
    draining: false,
  };
  return {
    agent: agents.of({ endpoint, scrape: { timeoutMs: 5000 } }),
    endpoint,
    isTls: false,
    port,
    path: "/metrics",
    headers: {},
    timeoutMs: 5000,
    maxBytes: 1024 * 1024,
    signal: new AbortController().signal,
    setTimer: processTimer,
    ...changes,
  };
}

function fetchFrom(port: number, changes: Partial<PageRequest> = {}): Promise<string> {
  return fetchPage(requestTo(port, changes), (page) => page.toString("latin1"));
}

/** Writes the pieces one by one, each in a turn of the event loop of its own. */
function writeApart(socket: Socket, pieces: readonly (string | Buffer)[], next = 0): void {
  if (next === pieces.length || socket.destroyed) return;
  socket.write(pieces[next]!, () => setImmediate(() => writeApart(socket, pieces, next + 1)));
}

describe("fetching a page", () => {
  it("never mixes the pages of endpoints that answer at once, in pieces small and large", async () => {
    const fetched: Promise<void>[] = [];
    for (let index = 0; index < 24; index++) {
      const page = Buffer.alloc(200_000, String.fromCharCode(97 + index));
      const pieces: (string | Buffer)[] = [head(page.length)];
      for (let from = 0, bytes = 100 + index; from < page.length; from += bytes, bytes = (bytes * 7) % 70_001)
        pieces.push(page.subarray(from, from + bytes));
      const port = await serve((socket) => writeApart(socket, pieces));
      const expected = page.toString("latin1");
      const check = async (): Promise<void> => {
        for (let round = 0; round < 3; round++)
          assert.ok((await fetchFrom(port)) === expected, `page ${index}`);
      };
      fetched.push(check());
    }
    await Promise.all(fetched);
  });

  it("reads heads in pieces, an interim answer, chunks of one byte, an empty page and one that ends with its connection", async () => {
    const chunks = [..."vllm:a 1\n"].map((byte) => `1\r\n${byte}\r\n`);
    const cases: readonly (readonly [readonly string[], string])[] = [
      [["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 3\r\nx-a", "b: c\r\n\r\n", "abc"], "abc"],
      [[`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${head(3)}abc`], "abc"],
      [["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", ...chunks, "0\r\n\r\n"], "vllm:a 1\n"],
      [[head(0)], ""],
    ];
    for (const [pieces, expected] of cases) {
      const port = await serve((socket) => writeApart(socket, pieces));
      assert.equal(await fetchFrom(port), expected);
      assert.equal(await fetchFrom(port), expected);
    }
    const port = await serve((socket) => socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"));
    assert.equal(await fetchFrom(port), "abc");
    assert.equal(await fetchFrom(port), "abc");
  });

  it("takes a page of just its bound, and cuts the connection of one a byte above", async () => {
    const port = await serve((socket) => socket.write(`${head(70_000)}${"x".repeat(70_000)}`));
    assert.equal((await fetchFrom(port, { maxBytes: 70_000 })).length, 70_000);
    const cut = nextClose(port);
    await assert.rejects(fetchFrom(port, { maxBytes: 69_999 }), (cause) => failureOf(cause) === "too-large");
    await cut;
  });

  it("cuts the connection of an answer that is late, of another status or no longer wanted", async () => {
    const silent = await serve(() => {});
    const endless = await serve((socket) => socket.write(`${head(70_000)}x`));
    const missing = await serve((socket) =>
      socket.write("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n"),
    );
    for (const [port, failure] of [
      [silent, "timeout"],
      [endless, "timeout"],
      [missing, "status"],
    ] as const) {
      const cut = nextClose(port);
      await assert.rejects(fetchFrom(port, { timeoutMs: 100 }), (cause) => failureOf(cause) === failure);
      await cut;
    }
    const abort = new AbortController();
    const unwanted = await serve(() => abort.abort());
    const cut = nextClose(unwanted);
    await assert.rejects(fetchFrom(unwanted, { signal: abort.signal }), { name: "AbortError" });
    await cut;
    await assert.rejects(fetchFrom(unwanted, { signal: abort.signal }), { name: "AbortError" });
  });

  it("tells what reading threw, and reads the next page of that connection", async () => {
    let connections = 0;
    const port = await serve((socket) => socket.write(`${head(3)}abc`));
    servers.at(-1)!.on("connection", () => connections++);
    await fetchFrom(port);
    const before = connections;
    const failing = fetchPage(requestTo(port), () => {
      throw new Error("unreadable");
    });
    await assert.rejects(failing, /^Error: unreadable$/);
    assert.equal(await fetchFrom(port), "abc");
    assert.equal(connections, before);
  });

  it("leaves no timer and no listener behind", async () => {
    const port = await serve((socket) => socket.write(`${head(3)}abc`));
    const abort = new AbortController();
    let [set, cancelled, listeners] = [0, 0, 0];
    const { signal } = abort;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const setTimer: PageRequest["setTimer"] = () => {
      set++;
      return () => cancelled++;
    };
    await fetchFrom(port, { signal, setTimer });
    await assert.rejects(fetchFrom(port, { signal, setTimer, maxBytes: 2 }));
    assert.deepEqual([set, cancelled, listeners], [2, 2, 0]);
  });
});

/** Resolves when the server of `port` sees a connection closed. */
function nextClose(port: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = (socket: Socket): void => {
      if (socket.localPort === port) socket.once("close", () => resolve());
    };
    for (const server of servers) server.on("connection", watch);
    for (const socket of sockets) if (!socket.destroyed) watch(socket);
  });
}
