import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { after, afterEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TestAuthority } from "../push/test-certificates.ts";
import { type KubernetesClient, KubernetesError, loadClient } from "./client.ts";

const folder = mkdtempSync(join(tmpdir(), "picker-client-"));
const servers: { close(): unknown; closeAllConnections(): void }[] = [];
const clients: KubernetesClient[] = [];

after(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

type Answer = (seen: Seen, response: ServerResponse) => void;

async function serve(answer: Answer): Promise<{ readonly url: string; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const one = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
    seen.push(one);
    answer(one, response);
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, seen };
}

/** Takes connections and says nothing. */
function createMuteServer(): Server & { closeAllConnections(): void } {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => sockets.add(socket));
  return Object.assign(server, {
    closeAllConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
  });
}

async function listen(server: Server & { closeAllConnections(): void }): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

let files = 0;
function file(text: string): string {
  const path = join(folder, `file-${++files}`);
  writeFileSync(path, text);
  return path;
}

function clientOf(cluster: object, user: object = {}): KubernetesClient {
  const document = {
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "models" } }],
    "current-context": "x",
  };
  const client = loadClient({ kubeconfig: file(JSON.stringify(document)) }, {});
  clients.push(client);
  return client;
}

async function failureOf(promise: Promise<unknown>): Promise<KubernetesError> {
  const error = await promise.then(
    () => assert.fail("it succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof KubernetesError, String(error));
  return error;
}

const GET = { method: "GET", path: "/api/v1/pods" } as const;

describe("the client", () => {
  it("asks with query, token and names, and gives the answer", async () => {
    const { url, seen } = await serve((_, response) => response.end('{"items":[]}'));
    const client = clientOf({ server: url }, { token: "t-1" });
    assert.equal(client.namespace, "models");
    const answer = await client.request({ ...GET, query: { labelSelector: "a=b,c", limit: "5" } });
    assert.deepEqual(answer, { items: [] });
    assert.equal(seen[0]?.url, "/api/v1/pods?labelSelector=a%3Db%2Cc&limit=5");
    assert.equal(seen[0]?.headers.authorization, "Bearer t-1");
    assert.equal(seen[0]?.headers["user-agent"], "inference-picker");
  });

  it("sends a patch as a merge patch unless told otherwise, and other bodies as JSON", async () => {
    const { url, seen } = await serve((_, response) => response.end());
    const client = clientOf({ server: url });
    assert.equal(await client.request({ method: "PATCH", path: "/x", body: { a: 1 } }), undefined);
    const contentType = "application/apply-patch+yaml";
    await client.request({ method: "PATCH", path: "/x", body: {}, contentType });
    await client.request({ method: "POST", path: "/x", body: {} });
    const types = seen.map(({ headers }) => headers["content-type"]);
    assert.deepEqual(types, ["application/merge-patch+json", contentType, "application/json"]);
    assert.equal(seen[0]?.body, '{"a":1}');
  });

  it("tells status, reason, message and wait of what the server refuses", async () => {
    const status = { kind: "Status", code: 409, reason: "Conflict", message: "the object has been modified" };
    const answers: readonly (readonly [number, string, string, string])[] = [
      [409, JSON.stringify(status), "Conflict", "PUT /x: 409 Conflict: the object has been modified"],
      [404, "404 page not found\n", "NotFound", "PUT /x: 404 NotFound: 404 page not found"],
      [503, "", "ServiceUnavailable", "PUT /x: 503 ServiceUnavailable: no message"],
      [418, "[]", "Unknown", "PUT /x: 418 Unknown: []"],
    ];
    for (const [code, body, reason, message] of answers) {
      const { url } = await serve((_, response) =>
        response.writeHead(code, { "retry-after": "3" }).end(body),
      );
      const error = await failureOf(clientOf({ server: url }).request({ method: "PUT", path: "/x" }));
      const { status: got, reason: word, message: text, retryAfterMs } = error;
      assert.deepEqual([got, word, text, retryAfterMs], [code, reason, message, 3000]);
    }
  });

  it("has status 0 and the reason for whatever is no whole answer", async () => {
    const silent = await serve(() => {});
    const stalling = await serve((_, response) => void response.write('{"items":['));
    const torn = await serve((_, response) => void response.write("{", () => response.destroy()));
    const garbage = await serve((_, response) => response.end("<html>"));
    const closed = await serve(() => {});
    const server = servers.at(-1);
    server?.closeAllConnections();
    server?.close();
    const cases = [
      [silent.url, "Timeout", /no answer within 50 ms/],
      [stalling.url, "Timeout", /no answer within 50 ms/],
      [torn.url, "Unreachable", /GET \/api\/v1\/pods: /],
      [garbage.url, "Malformed", /GET \/api\/v1\/pods: /],
      [closed.url, "Unreachable", /ECONNREFUSED/],
    ] as const;
    for (const [url, reason, message] of cases) {
      const client = clientOf({ server: url });
      const error = await failureOf(
        client.request({ ...GET, timeoutMs: reason === "Timeout" ? 50 : 10_000 }),
      );
      assert.deepEqual([error.status, error.reason], [0, reason]);
      assert.match(error.message, message);
    }
  });

  it("gives up when its signal says so, before and during a request", async () => {
    const { url, seen } = await serve(() => {});
    const client = clientOf({ server: url });
    const error = await failureOf(client.request({ ...GET, signal: AbortSignal.abort() }));
    assert.equal(error.reason, "Aborted");
    assert.equal(seen.length, 0);
    const abort = new AbortController();
    const pending = failureOf(client.request({ ...GET, signal: abort.signal }));
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    assert.equal((await pending).reason, "Aborted");
  });

  it("gives up in its time while a server takes connections and says nothing", async () => {
    const port = await listen(createMuteServer());
    const client = clientOf({ server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true });
    // The first request of all loads the library, for longer than what is measured here.
    const { url } = await serve((_, response) => response.end("{}"));
    await clientOf({ server: url }).request({ method: "GET", path: "/version" });
    const startMs = performance.now();
    await assert.rejects(client.request({ method: "GET", path: "/version", timeoutMs: 300 }), {
      reason: "Timeout",
      message: "GET /version: no answer within 300 ms",
    });
    // The limit of dialling is 5 s.
    assert.ok(performance.now() - startMs < 2500);
  });

  it("streams what comes, and says how the stream ended", async () => {
    let response: ServerResponse | undefined;
    const { url } = await serve((_, opened) => {
      response = opened;
      opened.write("one");
    });
    const client = clientOf({ server: url });
    const abort = new AbortController();
    const heard: string[] = [];
    const end = await failureOf(
      (async () => {
        for await (const chunk of await client.stream({ path: "/w", signal: abort.signal })) {
          heard.push(Buffer.from(chunk).toString());
          if (heard.length === 1) response?.write("two");
          else response?.destroy();
        }
      })(),
    );
    assert.deepEqual(heard, ["one", "two"]);
    assert.equal(end.reason, "Unreachable");
  });

  it("uses connections again", async () => {
    const { url } = await serve((_, response) => response.end("{}"));
    let connections = 0;
    (servers.at(-1) as unknown as Server).on("connection", () => connections++);
    const client = clientOf({ server: url });
    for (let requests = 0; requests < 10; requests++) await client.request(GET);
    assert.ok(connections <= 3, `${connections} connections for 10 requests`);
  });

  it("goes on with a rotated token at once, and takes a refusal of the one it has", async () => {
    const tokenFile = file("old\n");
    const { url, seen } = await serve(({ headers }, response) => {
      response.writeHead(headers.authorization === `Bearer ${accepted}` ? 200 : 401).end();
    });
    let accepted = "old";
    const client = clientOf({ server: url }, { tokenFile });
    await client.request(GET);
    writeFileSync(tokenFile, "new\n");
    accepted = "new";
    await client.request(GET);
    const tokens = seen.map(({ headers }) => headers.authorization);
    assert.deepEqual(tokens, ["Bearer old", "Bearer old", "Bearer new"]);
    accepted = "none";
    assert.equal((await failureOf(client.request(GET))).reason, "Unauthorized");
    assert.equal(seen.length, 4);
  });

  it("runs a plugin once for all that ask, and again when its token is refused", async () => {
    const count = join(folder, "runs");
    const command = file(
      `#!/bin/sh\necho run >> ${count}\nn=$(grep -c run ${count})\n` +
        `echo "{\\"status\\":{\\"token\\":\\"t-$n\\"}}"\n`,
    );
    chmodSync(command, 0o700);
    let accepted = "t-1";
    const { url, seen } = await serve(({ headers }, response) => {
      response.writeHead(headers.authorization === `Bearer ${accepted}` ? 200 : 401).end();
    });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command };
    const client = clientOf({ server: url }, { exec });
    await Promise.all([client.request(GET), client.request(GET), client.request(GET)]);
    assert.deepEqual(new Set(seen.map(({ headers }) => headers.authorization)), new Set(["Bearer t-1"]));
    accepted = "t-2";
    await client.request(GET);
  });

  it("says that there are no credentials when a plugin fails", async () => {
    const { url } = await serve((_, response) => response.end());
    const exec = { command: "/bin/false" };
    assert.equal(
      (await failureOf(clientOf({ server: url }, { exec }).request(GET))).reason,
      "Unauthenticated",
    );
  });

  it("holds no connection when the credentials that follow a refusal do not come", async () => {
    const runs = join(folder, "odd-runs");
    const command = file(
      `#!/bin/sh\necho run >> ${runs}\nn=$(grep -c run ${runs})\n[ $((n % 2)) = 1 ] || exit 1\n` +
        `echo "{\\"status\\":{\\"token\\":\\"t-$n\\"}}"\n`,
    );
    chmodSync(command, 0o700);
    // More than is read ahead of the reader, so that an answer that nobody reads keeps its connection.
    const { url, seen } = await serve((_, response) => response.writeHead(401).end("x".repeat(100_000)));
    let connections = 0;
    (servers.at(-1) as unknown as Server).on("connection", () => connections++);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command };
    const client = clientOf({ server: url }, { exec });
    for (let requests = 0; requests < 5; requests++)
      assert.equal((await failureOf(client.request(GET))).reason, "Unauthenticated");
    assert.equal(seen.length, 5);
    assert.ok(connections <= 2, `${connections} connections for 5 requests`);
  });

  it("speaks TLS with the cluster's authority and a certificate that may be rotated, and trusts no other", async () => {
    const authority = new TestAuthority();
    try {
      const own = authority.issue("IP:127.0.0.1");
      const [first, second] = [authority.issue("DNS:a"), authority.issue("DNS:b")];
      const options = { key: readFileSync(own.keyFile), cert: readFileSync(own.certFile) };
      const ca = readFileSync(authority.caFile);
      const server = createTlsServer({ ...options, ca, requestCert: true }, (request, response) => {
        response.end(JSON.stringify((request.socket as TLSSocket).getPeerCertificate().subjectaltname));
      });
      const url = `https://127.0.0.1:${await listen(server)}`;
      const [cert, key] = [
        file(readFileSync(first.certFile, "utf8")),
        file(readFileSync(first.keyFile, "utf8")),
      ];
      const user = { "client-certificate": cert, "client-key": key };
      const client = clientOf({ server: url, "certificate-authority": authority.caFile }, user);
      assert.equal(await client.request(GET), "DNS:a");
      copyFileSync(second.certFile, cert);
      copyFileSync(second.keyFile, key);
      assert.equal(await client.request(GET), "DNS:b");
      const error = await failureOf(clientOf({ server: url }).request(GET));
      assert.equal(error.reason, "Unreachable");
      assert.equal(
        await clientOf({ server: url, "insecure-skip-tls-verify": true }, user).request(GET),
        "DNS:b",
      );
    } finally {
      authority.remove();
    }
  });

  it("is the only one that loads the library, and that only when it asks", () => {
    const root = fileURLToPath(new URL("..", import.meta.url));
    const importing = readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !/(^|\/)test-|\.test\.ts$/.test(name))
      .flatMap(
        (name) => readFileSync(join(root, name), "utf8").match(/^.*["']@kubernetes\/client-node.*$/gm) ?? [],
      );
    const atOnce = importing.filter((line) => !/^import type |await import\(/.test(line));
    assert.deepEqual(atOnce, []);
    assert.ok(importing.length > 0);
  });
});
