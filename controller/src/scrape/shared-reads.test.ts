import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { Agent } from "undici";
import { connectWithSharedReads } from "./shared-reads.ts";

const agent = new Agent({ connections: 1, connect: connectWithSharedReads(5000) });
const server = createServer((request, response) => response.end("x".repeat(Number(request.url?.slice(1)))));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

after(async () => {
  await agent.destroy();
  server.closeAllConnections();
  server.close();
});

/** Length of the page of that many bytes, whose reader stops at its head and goes on a turn later. */
function lengthWithPause(bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let length = 0;
    agent.dispatch(
      { origin, path: `/${bytes}`, method: "GET" },
      {
        onRequestStart: () => {},
        onResponseStart: (controller) => {
          controller.pause();
          setImmediate(() => controller.resume());
        },
        onResponseData: (_, chunk) => {
          length += chunk.length;
        },
        onResponseEnd: () => resolve(length),
        onResponseError: (_, cause) => reject(cause),
      },
    );
  });
}

describe("reading into one buffer", () => {
  it("leaves a short answer whole to a reader that takes it later", async () => {
    assert.equal(await lengthWithPause(10_000), 10_000);
  });

  it("cuts the connection of a long answer that is not taken at once", async () => {
    await assert.rejects(lengthWithPause(60_000), /\d+ bytes of the last read were not taken at once/);
  });

  it("tells of a connection that is refused", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const refused = agent.request({ origin: `http://127.0.0.1:${port}`, path: "/", method: "GET" });
    await assert.rejects(refused, { code: "ECONNREFUSED" });
  });
});
