import { Agent } from "node:http";
import { request, steadily } from "../e2e/client.ts";
import { until } from "./until.ts";

export interface ChatOutcome {
  /** `performance.now()` at which the request was sent. */
  readonly startMs: number;
  readonly endMs: number;
  /** 0: the connection broke. */
  readonly status: number;
  /** `pod:port` of the server that answered. */
  readonly served: string | undefined;
  /** The model that the server was asked for. */
  readonly model: string | undefined;
  /** What is wrong with an answer of status 200: it was cut, or is none of a chat. Else the reason why there is none. */
  readonly problem: string | undefined;
}

export interface ChatOptions {
  readonly perSecond: number;
  /** Default `llama`. */
  readonly model?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Every how many requests one is streamed, and every how many one is streamed and long. Default: none is. */
  readonly streamedEvery?: number;
  readonly longEvery?: number;
}

/** Tokens of an answer: at double speed about 60 ms, and a third of a second. */
const SHORT_TOKENS = 16;
const LONG_TOKENS = 100;

/** Chat completions at a steady rate through the gateway, each outcome of which is kept. */
export class ChatTraffic {
  readonly outcomes: ChatOutcome[] = [];
  private readonly port: number;
  private readonly options: ChatOptions;
  private readonly agent = new Agent({ keepAlive: true });
  private readonly underWay = new Set<Promise<void>>();
  private readonly pause: () => void;
  private sent = 0;

  /** Starts at once. */
  constructor(port: number, options: ChatOptions) {
    this.port = port;
    this.options = options;
    this.pause = steadily(options.perSecond, () => this.send());
  }

  get failed(): readonly ChatOutcome[] {
    return this.outcomes.filter(({ status, problem }) => status !== 200 || problem !== undefined);
  }

  /** Ms from `sinceMs` until the first request that `holds` of its outcome was sent; waits for one. */
  async firstAfter(sinceMs: number, what: string, holds: (outcome: ChatOutcome) => boolean): Promise<number> {
    const matching = await until(what, () => {
      const found = this.outcomes.filter((outcome) => outcome.startMs >= sinceMs && holds(outcome));
      return found.length > 0 ? found : undefined;
    });
    return Math.min(...matching.map(({ startMs }) => startMs)) - sinceMs;
  }

  /**
   * Ms from `sinceMs` until the last request that `holds` of its outcome was sent, over the first `requests` that were sent after
   * `sinceMs + boundMs` and all before; 0 if there is none. One sent after the bound gives more than the bound.
   */
  async lastAfter(
    sinceMs: number,
    boundMs: number,
    holds: (outcome: ChatOutcome) => boolean,
    requests = this.options.perSecond,
  ): Promise<number> {
    await until("requests are answered", () => {
      const later = this.outcomes.filter(({ startMs }) => startMs > sinceMs + boundMs);
      return later.length >= requests;
    });
    const matching = this.outcomes.filter((outcome) => outcome.startMs > sinceMs && holds(outcome));
    return Math.max(0, ...matching.map(({ startMs }) => startMs - sinceMs));
  }

  /** Ends the traffic and waits for what is under way. */
  async stop(): Promise<void> {
    this.pause();
    await Promise.all(this.underWay);
    this.agent.destroy();
  }

  private send(): void {
    const { model = "llama", headers = {}, streamedEvery, longEvery } = this.options;
    const number = this.sent++;
    const isLong = longEvery !== undefined && number % longEvery === 0;
    const isStreamed = isLong || (streamedEvery !== undefined && number % streamedEvery === 0);
    const body = JSON.stringify({
      model,
      messages: [{ role: "user", content: `Hello for the ${number}th time` }],
      max_tokens: isLong ? LONG_TOKENS : SHORT_TOKENS,
      stream: isStreamed,
    });
    const startMs = performance.now();
    const keep = (outcome: Omit<ChatOutcome, "startMs" | "endMs">): void => {
      this.outcomes.push({ startMs, endMs: performance.now(), ...outcome });
    };
    const done = request(this.port, { agent: this.agent, path: "/v1/chat/completions", headers, body })
      .then(
        ({ status, headers: answered, body: bytes }) =>
          keep({
            status,
            served: servedBy(answered["x-served-by"]),
            model: textOf(answered["x-sim-model"]),
            problem: problemOf(status, bytes.toString(), isStreamed),
          }),
        (error: unknown) => keep({ status: 0, served: undefined, model: undefined, problem: String(error) }),
      )
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }
}

/** Is the outcome of a request that this Pod answered, at whatever port or at the one given? */
export function isServedBy(podName: string, port?: number): (outcome: ChatOutcome) => boolean {
  const prefix = `${podName}:${port ?? ""}`;
  return ({ served }) => served?.startsWith(prefix) ?? false;
}

/** Servers of Pods call themselves `POD-PORT-0`. */
function servedBy(header: string | readonly string[] | undefined): string | undefined {
  return textOf(header)?.replace(/-(\d+)-0$/, ":$1");
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

function problemOf(status: number, body: string, isStreamed: boolean): string | undefined {
  if (status !== 200) return body.slice(0, 200);
  const isWhole = isStreamed ? body.endsWith("data: [DONE]\n\n") : body.includes('"chat.completion"');
  return isWhole ? undefined : `is cut, or is no completion: ${body.slice(-100)}`;
}
