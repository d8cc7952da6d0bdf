import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import { PageUnreachable, pageReader } from "./page.ts";

let server: Server | undefined;

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function unreachable(message: RegExp) {
  return (error: unknown) => error instanceof PageUnreachable && message.test(error.message);
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

describe("a page", () => {
  it("comes with its status, whatever that is", async () => {
    const url = await serve((_, response) => response.writeHead(503).end("not yet"));
    assert.deepEqual(await pageReader(1000)(url), { status: 503, body: "not yet" });
  });

  it("that does not begin in time is given up", async () => {
    const url = await serve(() => {});
    await assert.rejects(pageReader(100)(url), unreachable(/^no answer in 100 ms$/));
  });

  it("that does not end in time is given up", async () => {
    const url = await serve((_, response) => response.write("half"));
    await assert.rejects(pageReader(100)(url), unreachable(/^no answer in 100 ms$/));
  });

  it("of a port that nobody listens on is unreachable, in words", async () => {
    const url = await serve(() => {});
    await new Promise((resolve) => server!.close(resolve));
    await assert.rejects(pageReader(1000)(url), unreachable(/^connection refused$/));
  });

  it("of a connection that is cut off is unreachable", async () => {
    const url = await serve((request) => request.socket.destroy());
    await assert.rejects(pageReader(1000)(url), unreachable(/./));
  });
});
