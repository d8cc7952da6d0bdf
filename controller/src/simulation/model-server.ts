/**
 * A simulated model server: the HTTP APIs of model servers in front of the continuous-batching model, in real
 * time. It computes nothing; its answers have the right shapes, lengths, times, usage and metrics.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { AnswerOutput, type Pieces } from "./answer-output.ts";
import { apiOf } from "./apis/index.ts";
import type { Api, Call } from "./apis/api.ts";
import { MAX_BODY_BYTES, type ReceivedBody, readBody } from "./body-reader.ts";
import { sketchOf } from "./body-sketch.ts";
import { type Clock, realClock } from "./clock.ts";
import { Engine } from "./engine.ts";
import { type Fault, NO_FAULT, parseFault } from "./fault.ts";
import { type Hardware, hardware } from "./hardware.ts";
import { HttpMetrics } from "./http-metrics.ts";
import { metricsPage } from "./metrics-page.ts";
import { NO_FORM } from "./multipart.ts";
import { type OutputLength, shareGptOutputLength } from "./output-length.ts";
import { tokensOfBytes } from "./prompt-tokens.ts";
import { seededRandom } from "./random.ts";
import { type ApiError, Refusal } from "./refusal.ts";
import type { RealTimeDriver } from "./real-time-driver.ts";
import { type Json, parseJson, requireJson } from "./request-fields.ts";
import { cut, ServerSocket } from "./server-socket.ts";
import type { TotalsRow } from "./totals.ts";

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
  /** Length of an answer without a limit. Default: ShareGPT's. */
  readonly outputLength?: OutputLength;
  /**
   * Writes every answer in pieces of 1 to so many bytes, so that events are cut anywhere; 0 (default): as they
   * come. A request's `x-sim-chunk-bytes` overrides it.
   */
  readonly chunkBytes?: number;
  readonly clock?: Clock;
}

/** Of a server's own pages; no API has them. */
const PAGES: Readonly<Record<string, "GET" | "POST">> = {
  "/metrics": "GET",
  "/health": "GET",
  "/version": "GET",
  "/_sim/fault": "POST",
  "/_sim/totals": "GET",
};

/** Of the sampled answer that a prompt too long to be parsed leaves room for. */
const ROOM_TOKENS = 1024;

export class ModelServer {
  readonly name: string;
  readonly models: readonly string[];
  readonly adapters: readonly string[];
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #socket: ServerSocket;
  readonly #host: string;
  readonly #seed: number;
  readonly #chunkBytes: number;
  readonly #http = new HttpMetrics();
  readonly #startedS: number;
  readonly #modelEpochS: number;
  #requests = 0;
  #fault: Fault = NO_FAULT;
  #faultLeft = Number.POSITIVE_INFINITY;
  #cancelFaultEnd: (() => void) | undefined;

  constructor(options: ModelServerOptions) {
    const hw = options.hardware ?? hardware("llama-3.1-8b-h100");
    this.name = options.name;
    this.models = options.models ?? [hw.name];
    this.adapters = options.adapters ?? [];
    this.#clock = options.clock ?? realClock;
    this.#host = options.host ?? "127.0.0.1";
    this.#seed = options.seed ?? 1;
    this.#chunkBytes = options.chunkBytes ?? 0;
    this.#engine = new Engine({
      name: this.name,
      hardware: hw,
      models: this.models,
      adapters: this.adapters,
      seed: this.#seed,
      outputLength: options.outputLength ?? shareGptOutputLength,
      clock: this.#clock,
    });
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

  get driver(): RealTimeDriver {
    return this.#engine.driver;
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

  /** Requests for work between their arrival and the end of their answer. */
  get inFlight(): number {
    return this.#engine.inFlight;
  }

  /** What has been answered, by model and API. */
  totals(): readonly TotalsRow[] {
    return this.#engine.totals.rows();
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
      modelName: this.models[0] ?? this.driver.model.hw.name,
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
    const found = apiOf(path);
    const body = await readBody(request, request.headers["x-sim-hash"] === "1");
    if (path !== "/metrics") {
      response.once("close", () => {
        const seconds = (this.#clock.nowMs() - startMs) / 1000;
        const length = Number(response.getHeader("content-length") ?? 0);
        const handler = found?.path ?? (Object.hasOwn(PAGES, path) ? path : "none");
        this.#http.observe(handler, method, response.statusCode, seconds, body.bytes, length);
      });
    }
    const headers = this.#headers(body);
    const output = (more: Readonly<Record<string, string>> = {}): AnswerOutput =>
      new AnswerOutput(response, { ...headers, ...more }, this.#pieces(request));
    const allowed = found?.api.method ?? (Object.hasOwn(PAGES, path) ? PAGES[path] : undefined);
    if (body.bytes > MAX_BODY_BYTES) {
      output().json(413, { detail: "Request Entity Too Large" });
    } else if (allowed === undefined) {
      output().json(404, { detail: "Not Found" });
    } else if (allowed !== method) {
      output().json(405, { detail: "Method Not Allowed" }, { allow: allowed });
    } else if (found === undefined) {
      await this.#page(path, body, output());
    } else {
      this.#call(found.api, { path, id: found.id }, request, response, body, output);
    }
  }

  async #page(path: string, body: ReceivedBody, output: AnswerOutput): Promise<void> {
    switch (path) {
      case "/metrics":
        output.whole(200, "text/plain; version=1.0.0; charset=utf-8", this.metricsPage());
        return;
      case "/health":
        output.whole(200, undefined, "");
        return;
      case "/version":
        output.json(200, { version: "0.32.0" });
        return;
      case "/_sim/totals":
        output.json(200, { name: this.name, rows: this.totals() });
        return;
      default:
        await this.#switchFault(body, output);
    }
  }

  #call(
    api: Api,
    place: Pick<Call, "path" | "id">,
    request: IncomingMessage,
    response: ServerResponse,
    body: ReceivedBody,
    output: (more?: Readonly<Record<string, string>>) => AnswerOutput,
  ): void {
    const fault = api.method === "POST" ? this.#meetFault() : "none";
    if (fault === "hang") return;
    let echo: Readonly<Record<string, string>> = {};
    const refuse = (error: ApiError): void => output(echo).json(error.status, api.errorForm(error));
    if (fault === "500") {
      const message = "EngineCore encountered an issue.";
      refuse({ status: 500, type: "InternalServerError", message, param: null });
      return;
    }
    try {
      const call = { ...place, ...this.#parsed(api, request, body) };
      const plan = api.plan(call, {
        models: this.models,
        adapters: this.adapters,
        startedS: this.#startedS,
        maxModelTokens: this.driver.model.maxRequestTokens,
      });
      if (plan.model !== undefined) echo = { "x-sim-model": headerText(plan.model) };
      if (plan.kind === "direct") {
        this.#engine.checkModel(plan.model);
        output(echo).json(200, plan.json);
        return;
      }
      const isUnread = api.body === "json" && body.raw === undefined;
      this.#engine.submit(isUnread ? { ...plan, prompts: [this.#unreadPrompt(body)] } : plan, {
        api: api.name,
        output: output(echo),
        resets: fault === "reset-mid-stream",
        onClose: (closed) => response.once("close", closed),
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refuse(error.error);
    }
  }

  /** @throws Refusal */
  #parsed(api: Api, request: IncomingMessage, body: ReceivedBody): Pick<Call, "json" | "form"> {
    const contentType = request.headers["content-type"];
    if (api.body === "none") return { json: {}, form: NO_FORM };
    if (api.body === "form") {
      if (body.form === undefined || typeof body.form === "string") {
        const message = body.form ?? "1 validation error:\n  Unsupported Media Type: a form is needed";
        throw new Refusal(400, "Bad Request", message, null);
      }
      return { json: {}, form: body.form };
    }
    if (body.raw !== undefined) return { json: parseJson(contentType, body.raw), form: NO_FORM };
    requireJson(contentType);
    return { json: { ...api.least, ...sketchOf(body.head, body.tail) } as Json, form: NO_FORM };
  }

  /** In the place of a prompt too long to be parsed: as many tokens as its bytes make and the model can hold. */
  #unreadPrompt({ bytes }: ReceivedBody): { readonly text: Buffer; readonly tokens: number } {
    const most = this.driver.model.maxRequestTokens - ROOM_TOKENS;
    return { text: Buffer.alloc(0), tokens: Math.max(1, Math.min(tokensOfBytes(bytes), most)) };
  }

  #meetFault(): Fault["mode"] {
    const { mode } = this.#fault;
    if (mode === "none" || mode === "slow" || mode === "refuse") return "none";
    this.#faultLeft--;
    if (this.#faultLeft <= 0) this.#fault = NO_FAULT;
    return mode;
  }

  async #switchFault(body: ReceivedBody, output: AnswerOutput): Promise<void> {
    let fault: Fault;
    try {
      fault = parseFault(JSON.parse(body.raw?.toString("utf8") ?? ""));
    } catch (error) {
      output.json(400, { detail: error instanceof Error ? error.message : String(error) });
      return;
    }
    output.json(200, { name: this.name, fault });
    await this.setFault(fault);
  }

  #headers(body: ReceivedBody): Record<string, string> {
    const headers = {
      date: new Date(this.#clock.unixMs()).toUTCString(),
      server: "uvicorn",
      "x-served-by": this.name,
    };
    if (body.sha256 === undefined) return headers;
    return { ...headers, "x-sim-body-sha256": body.sha256, "x-sim-body-bytes": String(body.bytes) };
  }

  #pieces(request: IncomingMessage): Pieces | undefined {
    const asked = request.headers["x-sim-chunk-bytes"];
    const maxBytes = typeof asked === "string" && /^\d{1,9}$/.test(asked) ? Number(asked) : this.#chunkBytes;
    if (maxBytes === 0) return undefined;
    return { random: seededRandom(this.#seed + ++this.#requests), maxBytes };
  }
}

/** A name as a header may carry it: what is not printable ASCII comes percent-encoded, and so does `%`. */
function headerText(text: string): string {
  return text.replace(/[^\x21-\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character));
}
