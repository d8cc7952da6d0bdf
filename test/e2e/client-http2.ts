import { type ClientHttp2Session, connect, constants } from "node:http2";
import { type Answer, type RequestOptions, sendPieces } from "./client.ts";

/** HTTP/2 without TLS, by prior knowledge, to a port of 127.0.0.1. */
export function connectHttp2(port: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20 } });
    session.once("error", reject);
    session.once("connect", () => {
      session.off("error", reject);
      // Streams fail with it, and say so.
      session.on("error", () => {});
      resolve(session);
    });
  });
}

/** One request on the session. @throws Error if the stream breaks before the answer's end. */
export function requestHttp2(
  session: ClientHttp2Session,
  options: Omit<RequestOptions, "agent"> = {},
): Promise<Answer> {
  const { method = "POST", path = "/v1/completions", body } = options;
  return new Promise((resolve, reject) => {
    const stream = session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: method,
        [constants.HTTP2_HEADER_PATH]: path,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      { endStream: body === undefined },
    );
    const chunks: Buffer[] = [];
    let status: number | undefined;
    let headers: Answer["headers"] = {};
    stream.on("response", (response) => {
      status = Number(response[":status"]);
      headers = response;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === undefined) reject(new Error("the stream ended without an answer"));
      else resolve({ status, headers, body: Buffer.concat(chunks) });
    });
    if (body === undefined) return;
    if (typeof body === "string" || body instanceof Uint8Array) stream.end(body);
    else sendPieces(body, stream).catch(reject);
  });
}
