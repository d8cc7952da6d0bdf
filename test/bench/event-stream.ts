/** A streamed chat answer as vLLM sends it: one write an event, one event of every answer a step of the engine. */
import type { Socket } from "node:net";

const TOKENS = 500;
/**
 * Between two events of one answer; all answers get theirs together, as from an engine that batches. Real
 * engines take 10 to 50 ms: a shorter step only lets more answers fit into a round, since each event is still
 * written, and read by Envoy, alone.
 */
const STEP_MS = 1;
const HEAD =
  "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
const WORDS = [" the", " model", " of", " server", ",", " and", " request", "s", " is", " token"];

/** The writes of one answer: 500 events of about 190 bytes with text, the usage that was asked for, the end. */
export function streamWrites(model: string): readonly Buffer[] {
  const opening = `data: {"id":"chatcmpl-98ac2258ad5e2b1a","object":"chat.completion.chunk","created":1795542374,"model":"${model}","choices":`;
  const text = (token: number) =>
    `[{"index":0,"delta":{"content":"${WORDS[token % WORDS.length]}"},"logprobs":null,"finish_reason":null,"token_ids":null}]}`;
  const counts = `"prompt_tokens":296,"total_tokens":${296 + TOKENS},"completion_tokens":${TOKENS}`;
  const details = '"prompt_tokens_details":{"cached_tokens":288,"created_cache_tokens":0}';
  const events = [
    ...Array.from({ length: TOKENS }, (_, token) => opening + text(token)),
    `${opening}[],"usage":{${counts},${details}},"system_fingerprint":"vllm-0.32.0"}`,
    "data: [DONE]",
  ];
  const chunks = events.map((event) => `${(event.length + 2).toString(16)}\r\n${event}\n\n\r\n`);
  return [`${HEAD}${chunks[0]}`, ...chunks.slice(1), "0\r\n\r\n"].map((write) => Buffer.from(write));
}

/** Writes answers to any number of connections, step by step. */
export class EventStreams {
  private readonly under = new Map<Socket, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly writes: readonly Buffer[]) {}

  start(socket: Socket): void {
    this.under.set(socket, 0);
    this.timer ??= setInterval(() => this.step(), STEP_MS);
  }

  private step(): void {
    for (const [socket, next] of this.under) {
      if (!socket.destroyed) socket.write(this.writes[next]!);
      if (socket.destroyed || next + 1 === this.writes.length) this.under.delete(socket);
      else this.under.set(socket, next + 1);
    }
    if (this.under.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
