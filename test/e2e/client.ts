import { Agent, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import type { Served } from "./backend.ts";

export interface RequestOptions {
  /** Default POST. */
  readonly method?: string;
  /** Default /v1/completions. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length; an iterable is sent chunked, piece by piece as it yields. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** No answer, not even its head, for this long is an error. */
const SILENCE_MS = 30_000;

/** One HTTP/1.1 request to a port of 127.0.0.1. @throws Error if the connection breaks before the answer's end. */
export function request(port: number, options: RequestOptions = {}): Promise<Answer> {
  const { method = "POST", path = "/v1/completions", body, agent } = options;
  return new Promise((resolve, reject) => {
    const whole = typeof body === "string" || body instanceof Uint8Array ? Buffer.from(body) : undefined;
    const client = httpRequest(
      {
        host: "127.0.0.1",
        port,
        method,
        path,
        agent: agent ?? false,
        timeout: SILENCE_MS,
        headers: {
          ...(whole === undefined ? {} : { "content-length": whole.length }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...options.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    client.on("timeout", () => client.destroy(new Error(`no answer within ${SILENCE_MS} ms`)));
    client.on("error", reject);
    if (typeof body === "object" && !(body instanceof Uint8Array)) sendPieces(body, client).catch(reject);
    else client.end(whole);
  });
}

export async function sendPieces(
  pieces: AsyncIterable<Uint8Array>,
  to: { write(piece: Uint8Array): boolean; end(): void; once(event: "drain", heard: () => void): void },
): Promise<void> {
  for await (const piece of pieces) {
    if (!to.write(piece)) await new Promise<void>((resolve) => to.once("drain", resolve));
  }
  to.end();
}

/** What a backend said of a request that it served. @throws Error for an answer that is not a backend's. */
export function servedOf(answer: Answer): Served {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body.toString()}`);
  return JSON.parse(answer.body.toString()) as Served;
}

/** Sends `count` requests, `atOnce` at a time; who served how many, and what went wrong. */
export async function burst(
  port: number,
  count: number,
  atOnce = 4,
  options: RequestOptions = {},
): Promise<{ readonly byServer: ReadonlyMap<string, number>; readonly problems: readonly string[] }> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const byServer = new Map<string, number>();
  const problems: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next++ < count) {
      try {
        const { served } = servedOf(await request(port, { agent, ...options }));
        byServer.set(served, (byServer.get(served) ?? 0) + 1);
      } catch (error) {
        problems.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  agent.destroy();
  return { byServer, problems };
}

export interface Outcome {
  /** `performance.now()` at which the request was sent. */
  readonly startMs: number;
  readonly endMs: number;
  /** 0: the connection broke. */
  readonly status: number;
  readonly reason: string | undefined;
  /** `ip:port` of the backend; undefined unless one served it. */
  readonly served: string | undefined;
  readonly error: string | undefined;
}

/**
 * Calls `send` at a steady rate, whatever becomes of it, until the returned function is called. After a stall of this process the
 * missed calls follow, up to a second's worth.
 */
export function steadily(perSecond: number, send: () => void): () => void {
  const startMs = performance.now();
  let sent = 0;
  const timer = setInterval(
    () => {
      const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
      sent = Math.max(sent, due - perSecond);
      for (; sent < due; sent++) send();
    },
    Math.max(5, 1000 / perSecond),
  );
  return () => clearInterval(timer);
}

/** Sends requests at a steady rate, whatever becomes of them, and keeps every outcome. */
export class Traffic {
  readonly outcomes: Outcome[] = [];
  private readonly port: number;
  private readonly options: RequestOptions;
  private readonly agent = new Agent({ keepAlive: true });
  private readonly underWay = new Set<Promise<void>>();
  private readonly pause: () => void;

  /** Starts at once. */
  constructor(port: number, perSecond: number, options: RequestOptions = {}) {
    this.port = port;
    this.options = options;
    this.pause = steadily(perSecond, () => this.send());
  }

  /** Ends the traffic and waits for what is under way. */
  async stop(): Promise<readonly Outcome[]> {
    this.pause();
    await Promise.all(this.underWay);
    this.agent.destroy();
    return this.outcomes;
  }

  get failed(): readonly Outcome[] {
    return this.outcomes.filter(({ status }) => status !== 200);
  }

  private send(): void {
    const startMs = performance.now();
    const keep = (outcome: Omit<Outcome, "startMs" | "endMs">): void => {
      this.outcomes.push({ startMs, endMs: performance.now(), ...outcome });
    };
    const done = request(this.port, { agent: this.agent, ...this.options })
      .then(
        (answer): void => {
          const served = answer.status === 200 ? servedOf(answer).served : undefined;
          const reason = answer.headers["x-inference-picker-reason"];
          keep({
            status: answer.status,
            reason: typeof reason === "string" ? reason : undefined,
            served,
            error: undefined,
          });
        },
        (error: unknown) => keep({ status: 0, reason: undefined, served: undefined, error: String(error) }),
      )
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }
}
