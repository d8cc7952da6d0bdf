/** Requests to simulated servers, and how tests look at the answers. */
import assert from "node:assert/strict";
import http from "node:http";
import type { ModelServer } from "./model-server.ts";

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly bytes: Buffer;
  readonly text: string;
}

/** What `JSON.parse` gives: a test names the fields that it expects. */
export type ParsedJson = ReturnType<typeof JSON.parse>;

/** One request; POST with a body, which is sent as JSON unless it is a text or bytes. */
export function call(
  server: ModelServer,
  path: string,
  body?: unknown,
  options: http.RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${server.url}${path}`,
      {
        method: body === undefined ? "GET" : "POST",
        ...options,
        headers: { "content-type": "application/json", ...(options.headers as http.OutgoingHttpHeaders) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const { statusCode: status = 0, headers, rawHeaders } = response;
          resolve({ status, headers, rawHeaders, bytes, text: bytes.toString("utf8") });
        });
      },
    );
    request.on("error", reject);
    const isWhole = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    request.end(isWhole ? body : JSON.stringify(body));
  });
}

/** The JSON of an answer with status 200. */
export async function json(server: ModelServer, path: string, body?: unknown): Promise<ParsedJson> {
  const answer = await call(server, path, body);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

/** Sends a form as `fetch` encodes it. */
export async function sendForm(server: ModelServer, path: string, form: FormData): Promise<Answer> {
  const encoded = new Request("http://form", { method: "POST", body: form });
  const headers = { "content-type": encoded.headers.get("content-type")! };
  return call(server, path, Buffer.from(await encoded.arrayBuffer()), { headers });
}

/** Paths and types of a JSON value, so that shapes are compared and values are not. */
export function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shape(each)]));
}

/** The data of a stream without event names. */
export function events(text: string): ParsedJson[] {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      assert.ok(event.startsWith("data: "), event);
      return event === "data: [DONE]" ? "[DONE]" : JSON.parse(event.slice(6));
    });
}

/** The data of a stream whose events have names, each of which is also the `type` of its data. */
export function namedEvents(text: string): ParsedJson[] {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(event) ?? assert.fail(event);
      const json = JSON.parse(data!);
      assert.equal(json.type, name);
      return json;
    });
}

export async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < limit, "the condition did not come true within 5 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
