import { Agent, fetch } from "undici";

const SILENCE_MS = 20_000;

export interface Outcome {
  /** 0: the connection broke. */
  readonly status: number;
  /** What went wrong, or a body that is no success. */
  readonly problem: string | undefined;
}

/** A completion of four tokens, its model behind so many bytes that no server counts as prompt. */
export function completion(bytes = 0): string {
  return JSON.stringify({ user: "x".repeat(bytes), prompt: "hello", max_tokens: 4, model: "llama" });
}

/** Clients of one gateway that keep their connections. */
export class Clients {
  readonly outcomes: Outcome[] = [];
  private readonly url: string;
  private readonly agent = new Agent({ bodyTimeout: SILENCE_MS, headersTimeout: SILENCE_MS });

  constructor(url: string) {
    this.url = url;
  }

  /** Without a body: a GET. */
  async send(path: string, body?: string, headers: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const outcome = await this.outcomeOf(path, body, headers);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** `count` requests, `atOnce` at a time. */
  async burst(count: number, atOnce: number, one: (index: number) => Promise<unknown>): Promise<void> {
    let next = 0;
    const client = async () => {
      while (next < count) await one(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, client));
  }

  async close(): Promise<void> {
    await this.agent.close();
  }

  private async outcomeOf(
    path: string,
    body: string | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<Outcome> {
    try {
      const answer = await fetch(`${this.url}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body }),
        dispatcher: this.agent,
      });
      const text = await answer.text();
      return { status: answer.status, problem: answer.ok ? undefined : text };
    } catch (error) {
      const { message, cause } = error as Error;
      return { status: 0, problem: cause === undefined ? message : `${message}: ${cause}` };
    }
  }
}

/** Sends completions on and on, so many at a time, until it is stopped. */
export class Load {
  readonly atOnce: number;
  private readonly clients: Clients;
  private stopped = false;
  private readonly done: Promise<void>;

  /** Starts at once. */
  constructor(url: string, atOnce: number) {
    this.atOnce = atOnce;
    this.clients = new Clients(url);
    this.done = this.clients
      .burst(Number.POSITIVE_INFINITY, atOnce, async () => {
        if (this.stopped) throw new Stopped();
        await this.clients.send("/v1/completions", completion());
      })
      .catch((error: unknown) => {
        if (!(error instanceof Stopped)) throw error;
      });
  }

  get outcomes(): readonly Outcome[] {
    return this.clients.outcomes;
  }

  get failed(): readonly Outcome[] {
    return this.outcomes.filter(({ status }) => status !== 200);
  }

  /** Ends when everything under way has been answered. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.done;
    await this.clients.close();
  }
}

class Stopped extends Error {}
