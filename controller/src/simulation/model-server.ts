/**
 * A simulated model server: vLLM's HTTP API in front of the continuous-batching model, in real time.
 * It computes nothing; its answers have the right lengths, times, usage and metrics.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, realClock } from "./clock.ts";
import { Completion } from "./completion.ts";
import { type Fault, NO_FAULT, parseFault } from "./fault.ts";
import { type Hardware, hardware } from "./hardware.ts";
import { chainHash, textHash } from "./hash.ts";
import { HttpMetrics } from "./http-metrics.ts";
import { metricsPage } from "./metrics-page.ts";
import type { ModelRequest } from "./model-request.ts";
import { type OutputLength, shareGptOutputLength } from "./output-length.ts";
import { blockHashesOf, chainSeed, tokensOfBytes, tokenText } from "./prompt-tokens.ts";
import { RealTimeDriver } from "./real-time-driver.ts";
import {
  type ApiKind,
  type CompletionRequest,
  errorAnswer,
  type ErrorAnswer,
  parseRequest,
} from "./request-body.ts";
import { modelList } from "./response-shapes.ts";
import { cut, ServerSocket } from "./server-socket.ts";

/** Longest body read, bytes; beyond it 413. */
export const MAX_BODY_BYTES = 100 * 1024 * 1024;

export interface ModelServerOptions {
  /** Sent as `x-served-by`. */
  readonly name: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free port. */
  readonly port?: number;
  /** Default `llama-3.1-8b-h100`. */
  readonly hardware?: Hardware;
  /** Names of the base model, the first is the one on the metrics page. Default: the hardware's name. */
  readonly models?: readonly string[];
  readonly adapters?: readonly string[];
  /** Seed of answers' lengths and texts. Default 1. */
  readonly seed?: number;
  /** Length of an answer without `max_tokens`. Default: ShareGPT's. */
  readonly outputLength?: OutputLength;
  readonly clock?: Clock;
}

const ROUTES: Readonly<Record<string, string>> = {
  "/v1/chat/completions": "POST",
  "/v1/completions": "POST",
  "/v1/models": "GET",
  "/metrics": "GET",
  "/health": "GET",
  "/version": "GET",
  "/_sim/fault": "POST",
};

export class ModelServer {
  readonly name: string;
  readonly driver: RealTimeDriver;
  readonly models: readonly string[];
  readonly adapters: readonly string[];
  readonly #hw: Hardware;
  readonly #clock: Clock;
  readonly #socket: ServerSocket;
  readonly #host: string;
  readonly #seed: number;
  readonly #idSeed: number;
  readonly #outputLength: OutputLength;
  readonly #http = new HttpMetrics();
  readonly #active = new Map<ModelRequest, Completion>();
  readonly #startedS: number;
  readonly #modelEpochS: number;
  #fault: Fault = NO_FAULT;
  #faultLeft = Number.POSITIVE_INFINITY;
  #cancelFaultEnd: (() => void) | undefined;
  #sequence = 0;

  constructor(options: ModelServerOptions) {
    this.name = options.name;
    this.#hw = options.hardware ?? hardware("llama-3.1-8b-h100");
    this.#clock = options.clock ?? realClock;
    this.#host = options.host ?? "127.0.0.1";
    this.#seed = options.seed ?? 1;
    this.#idSeed = textHash(`${options.name} ${this.#seed}`);
    this.#outputLength = options.outputLength ?? shareGptOutputLength;
    this.models = options.models ?? [this.#hw.name];
    this.adapters = options.adapters ?? [];
    const adapterHw = this.adapters.length === 0 ? { ...this.#hw, maxAdapters: 0 } : this.#hw;
    this.driver = new RealTimeDriver(adapterHw, this.#clock, (request, tokens, finished) =>
      this.#progress(request, tokens, finished),
    );
    this.#startedS = this.#clock.unixMs() / 1000;
    this.#modelEpochS = this.#startedS - this.#clock.nowMs() / 1000;
    this.#socket = new ServerSocket(this.#host, options.port ?? 0, (request, response) => {
      this.#handle(request, response).catch(() => cut(response));
    });
  }

  /** Opens the port. Rejects when it is taken. */
  async start(): Promise<void> {
    await this.#socket.listen();
  }

  /** Cuts every connection and stops. */
  async close(): Promise<void> {
    this.#cancelFaultEnd?.();
    await this.#socket.close();
    this.driver.close();
  }

  get port(): number {
    return this.#socket.port;
  }

  /** `ip:port` */
  get address(): string {
    return `${this.#host}:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  get fault(): Fault {
    return this.#fault;
  }

  /** Completion requests between their arrival and the end of their answer. */
  get inFlight(): number {
    return this.#active.size;
  }

  async setFault(fault: Fault): Promise<void> {
    this.#cancelFaultEnd?.();
    this.#cancelFaultEnd = undefined;
    this.#fault = fault;
    this.#faultLeft = fault.count ?? Number.POSITIVE_INFINITY;
    this.driver.model.slowdown = fault.mode === "slow" ? (fault.factor ?? 4) : 1;
    if (fault.durationMs !== undefined) {
      this.#cancelFaultEnd = this.#clock.after(fault.durationMs, () => void this.setFault(NO_FAULT));
    }
    if (fault.mode === "refuse") await this.#socket.close();
    else await this.#socket.listen();
  }

  /** The page that `GET /metrics` answers. */
  metricsPage(): string {
    this.driver.catchUp();
    return metricsPage({
      model: this.driver.model,
      http: this.#http,
      modelName: this.models[0] ?? this.#hw.name,
      startedS: this.#startedS,
      modelEpochS: this.#modelEpochS,
      adaptersEnabled: this.adapters.length > 0,
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Node would add `connection` and `keep-alive`; the servers simulated here send neither.
    response.removeHeader("connection");
    const startMs = this.#clock.nowMs();
    const path = (request.url ?? "/").split("?")[0]!;
    const method = request.method ?? "GET";
    const raw = await readBody(request);
    const bytes = raw?.length ?? 0;
    if (path !== "/metrics") {
      response.once("close", () => {
        const seconds = (this.#clock.nowMs() - startMs) / 1000;
        const length = Number(response.getHeader("content-length") ?? 0);
        const handler = path in ROUTES ? path : "none";
        this.#http.observe(handler, method, response.statusCode, seconds, bytes, length);
      });
    }
    const headers = this.#headers(request, raw);
    const json = (status: number, text: string, extra: Readonly<Record<string, string>> = {}): void =>
      send(response, status, "application/json", text, { ...headers, ...extra });
    if (raw === undefined) {
      json(413, JSON.stringify({ detail: "Request Entity Too Large" }));
      return;
    }
    const allowed = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
    if (allowed === undefined) {
      json(404, JSON.stringify({ detail: "Not Found" }));
      return;
    }
    if (allowed !== method) {
      json(405, JSON.stringify({ detail: "Method Not Allowed" }), { allow: allowed });
      return;
    }
    switch (path) {
      case "/metrics":
        send(response, 200, "text/plain; version=1.0.0; charset=utf-8", this.metricsPage(), headers);
        return;
      case "/health":
        send(response, 200, undefined, "", headers);
        return;
      case "/version":
        json(200, JSON.stringify({ version: "0.32.0" }));
        return;
      case "/v1/models":
        json(200, this.#modelList());
        return;
      case "/_sim/fault":
        await this.#switchFault(raw, json);
        return;
      default:
        this.#complete(path === "/v1/completions" ? "completion" : "chat", request, response, raw, headers);
    }
  }

  #complete(
    kind: ApiKind,
    request: IncomingMessage,
    response: ServerResponse,
    raw: Buffer,
    headers: Readonly<Record<string, string>>,
  ): void {
    const fault = this.#meetFault();
    if (fault === "hang") return;
    if (fault === "500") {
      const answer = errorAnswer(500, "InternalServerError", "EngineCore encountered an issue.", null);
      send(response, 500, "application/json", JSON.stringify(answer.body), headers);
      return;
    }
    const parsed = parseRequest(kind, request.headers["content-type"], raw);
    const refusal = "error" in parsed ? parsed.error : this.#refusal(parsed.ok);
    if (refusal !== undefined || "error" in parsed) {
      const { status, body } = refusal!;
      send(response, status, "application/json", JSON.stringify(body), headers);
      return;
    }
    this.#submit(parsed.ok, response, headers, fault === "reset-mid-stream");
  }

  #submit(
    asked: CompletionRequest,
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    reset: boolean,
  ): void {
    const { model } = this.driver;
    const adapter =
      asked.model !== undefined && this.adapters.includes(asked.model) ? asked.model : undefined;
    const promptTokens = Math.max(1, tokensOfBytes(asked.prompt.length));
    const seed = chainSeed(adapter ?? "", asked.cacheSalt);
    const promptHashes = blockHashesOf(asked.prompt, this.#hw.blockTokens, seed);
    const textSeed = (promptHashes.at(-1) ?? seed) + this.#seed + asked.prompt.length;
    const room = model.maxRequestTokens - promptTokens;
    const outputTokens = Math.max(1, Math.min(asked.maxTokens ?? this.#outputLength(textSeed), room));
    this.#sequence++;
    const id = chainHash(this.#idSeed, this.#sequence).toString(16).padStart(16, "0");
    const completion = new Completion({
      asked,
      head: {
        kind: asked.kind,
        id: `${asked.kind === "chat" ? "chatcmpl" : "cmpl"}-${id}`,
        created: Math.floor(this.#clock.unixMs() / 1000),
        model: asked.model ?? this.models[0] ?? this.#hw.name,
      },
      response,
      textSeed,
      blockTokens: this.#hw.blockTokens,
      finish: asked.maxTokens === undefined ? "stop" : "length",
      headers,
    });
    const blockHashes = sequenceHashes(asked.prompt, textSeed, outputTokens, this.#hw.blockTokens, seed);
    const request = this.driver.submit({
      promptTokens,
      outputTokens,
      blockHashes,
      stops: asked.maxTokens === undefined,
      ...(adapter === undefined ? {} : { adapter }),
    });
    this.#active.set(request, completion);
    completion.open();
    if (reset) this.#resets.add(request);
    response.once("close", () => {
      this.#resets.delete(request);
      if (this.#active.delete(request)) this.driver.cancel(request);
    });
  }

  readonly #resets = new Set<ModelRequest>();

  #progress(request: ModelRequest, tokens: number, finished: boolean): void {
    const completion = this.#active.get(request);
    if (completion === undefined) return;
    if (this.#resets.has(request)) {
      // The first tokens reach the client; the next ones find the connection cut.
      if (request.generated === tokens && !finished && completion.context.asked.stream) {
        completion.progress(request, tokens, false);
      } else {
        cut(completion.context.response);
      }
      return;
    }
    if (finished) this.#active.delete(request);
    completion.progress(request, tokens, finished);
  }

  #refusal(asked: CompletionRequest): ErrorAnswer | undefined {
    const { model } = asked;
    if (model !== undefined && !this.models.includes(model) && !this.adapters.includes(model)) {
      const message = `The model \`${model}\` does not exist. Valid aliases: ${this.models.join(", ")}.`;
      return errorAnswer(404, "NotFoundError", message, "model");
    }
    const limit = this.driver.model.maxRequestTokens;
    if (asked.maxTokens !== undefined && asked.maxTokens > limit) {
      const message =
        `max_tokens=${asked.maxTokens} cannot be greater than max_model_len=${limit}. ` +
        `Please request fewer output tokens. (parameter=max_tokens, value=${asked.maxTokens})`;
      return errorAnswer(400, "BadRequestError", message, "max_tokens");
    }
    const promptTokens = tokensOfBytes(asked.prompt.length);
    if (promptTokens + (asked.maxTokens ?? 1) <= limit) return undefined;
    const value = Math.min(promptTokens, limit + 1);
    const message =
      promptTokens >= limit
        ? `This model's maximum context length is ${limit} tokens. However, your prompt contains at least ` +
          `${value} input tokens, which exceeds this limit even without any output tokens. ` +
          `Please reduce the length of the input prompt. (parameter=input_tokens, value=${value})`
        : `This model's maximum context length is ${limit} tokens. However, you requested ` +
          `${asked.maxTokens} output tokens and your prompt contains ${value} input tokens. ` +
          `(parameter=input_tokens, value=${value})`;
    return errorAnswer(400, "BadRequestError", message, "input_tokens");
  }

  #meetFault(): Fault["mode"] {
    const { mode } = this.#fault;
    if (mode === "none" || mode === "slow" || mode === "refuse") return "none";
    this.#faultLeft--;
    if (this.#faultLeft <= 0) this.#fault = NO_FAULT;
    return mode;
  }

  async #switchFault(raw: Buffer, json: (status: number, text: string) => void): Promise<void> {
    let fault: Fault;
    try {
      fault = parseFault(JSON.parse(raw.toString("utf8")));
    } catch (error) {
      json(400, JSON.stringify({ detail: error instanceof Error ? error.message : String(error) }));
      return;
    }
    json(200, JSON.stringify({ name: this.name, fault }));
    await this.setFault(fault);
  }

  #modelList(): string {
    const parent = this.models[0] ?? this.#hw.name;
    const served = [...this.models.map((id) => ({ id })), ...this.adapters.map((id) => ({ id, parent }))];
    return modelList(served, Math.floor(this.#startedS), this.driver.model.maxRequestTokens);
  }

  #headers(request: IncomingMessage, raw: Buffer | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      date: new Date(this.#clock.unixMs()).toUTCString(),
      server: "uvicorn",
      "x-served-by": this.name,
    };
    if (request.headers["x-echo-sha256"] === "1" && raw !== undefined) {
      headers["x-body-sha256"] = createHash("sha256").update(raw).digest("hex");
    }
    return headers;
  }
}

/** Hashes of prompt and answer together; the answer's text is known as soon as its seed is. */
function sequenceHashes(
  prompt: Buffer,
  textSeed: number,
  outputTokens: number,
  blockTokens: number,
  seed: number,
): number[] {
  let text = " ".repeat((4 - (prompt.length % 4)) % 4);
  for (let i = 0; i < outputTokens; i++) text += tokenText(textSeed, i);
  return blockHashesOf(Buffer.concat([prompt, Buffer.from(text)]), blockTokens, seed);
}

/** The whole body, or nothing when it is longer than the limit (it is read to its end all the same). */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  return bytes > MAX_BODY_BYTES ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes);
}

function send(
  response: ServerResponse,
  status: number,
  contentType: string | undefined,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, {
    ...headers,
    "content-length": String(Buffer.byteLength(text)),
    ...(contentType === undefined ? {} : { "content-type": contentType, vary: "Origin" }),
  });
  response.end(text);
}
