import { BodyAction, BufferType, HeadersAction, MapType, type Phase, TrailersAction } from "./abi.ts";
import { type BodyBuffer, GrowingBuffer } from "./body-buffer.ts";
import { CallCounter } from "./call-counter.ts";
import { HeaderMap, type HeaderPair } from "./header-map.ts";
import type { PropertyMap } from "./property.ts";
import type { Root } from "./root.ts";

export interface LocalResponse {
  readonly status: number;
  readonly details: string;
  readonly body: string;
  readonly headers: readonly HeaderPair[];
  readonly grpcStatus: number;
}

export interface StreamOptions {
  readonly headers: Iterable<HeaderPair>;
  readonly properties?: PropertyMap;
  /** Bytes that Envoy buffers for a stopped request before it answers 413. */
  readonly bodyBufferLimit?: number;
}

/** Envoy's default connection buffer limit, bytes. */
const DEFAULT_BODY_BUFFER_LIMIT = 1_048_576;

/** One request through the filter, with Envoy's rules for stopping, buffering and resuming. */
export class Stream {
  readonly calls = new CallCounter();
  readonly filterState = new Map<string, Uint8Array>();
  readonly requestHeaders: HeaderMap;
  properties: PropertyMap;
  /** What went upstream; undefined while the headers are held. */
  upstreamHeaders: HeaderMap | undefined;
  /** The client's last byte went upstream. */
  upstreamEnded = false;
  localResponse: LocalResponse | undefined;
  localResponsePending = false;
  responseHeaders: HeaderMap | undefined;
  /** Edits of the request headers, each of which makes Envoy choose the route again. */
  routeCacheClears = 0;
  /** `finish` or `reset` ran. */
  over = false;
  /** The VM trapped in one of this stream's callbacks. */
  failed = false;
  /**
   * Held by watermark beyond Envoy's limit: nothing is read from the client any more, and nobody
   * answers unless the guest does.
   */
  blocked = false;

  readonly #bodyBufferLimit: number;
  readonly #upstream = new GrowingBuffer();
  readonly #held = new GrowingBuffer();
  /** The guest holds the body and sees all of it. */
  #heldVisible = false;
  #chunk: GrowingBuffer | undefined;
  #stopped = false;
  #stopAll = false;
  /** Bytes of the body were thrown away: the request must be answered here. */
  #discarded = false;
  #headersSeen = false;
  #clientEnded = false;
  #trailers: HeaderMap | undefined;
  #responseChunk: GrowingBuffer | undefined;
  readonly #downstream = new GrowingBuffer();
  #logging = false;

  constructor(
    readonly root: Root,
    readonly contextId: number,
    options: StreamOptions,
  ) {
    this.requestHeaders = new HeaderMap(options.headers);
    this.properties = options.properties ?? {};
    this.#bodyBufferLimit = options.bodyBufferLimit ?? DEFAULT_BODY_BUFFER_LIMIT;
  }

  get answered(): boolean {
    return this.localResponse !== undefined;
  }

  /** The guest holds the request back. */
  get stopped(): boolean {
    return this.#stopped && !this.answered && !this.over;
  }

  get upstreamBody(): Uint8Array {
    return Uint8Array.from(this.#upstream.slice(0, this.#upstream.length));
  }

  /** The answer's body as the client got it. */
  get downstreamBody(): Uint8Array {
    return Uint8Array.from(this.#downstream.slice(0, this.#downstream.length));
  }

  /** The client's headers arrive. */
  sendHeaders(endOfStream: boolean): void {
    if (this.#headersSeen) throw new Error("headers were sent before");
    this.#headersSeen = true;
    this.#clientEnded = endOfStream;
    this.#call("proxy_on_context_create", "context_create", [this.root.contextId]);
    const count = this.requestHeaders.size;
    const action = this.#call("proxy_on_request_headers", "request_headers", [count, endOfStream ? 1 : 0]);
    if (this.failed || this.answered) return;
    switch (action) {
      case HeadersAction.Continue:
        this.#forward();
        return;
      case HeadersAction.StopIteration:
        this.#stopped = true;
        this.#stopAll = !this.root.plugin.allowOnHeadersStopIteration;
        return;
      case HeadersAction.StopAllIterationAndBuffer:
      case HeadersAction.StopAllIterationAndWatermark:
        this.#stopped = true;
        this.#stopAll = true;
        return;
      default:
        this.#violate("proxy_on_request_headers", `returned ${action}`);
    }
  }

  /** A piece of the client's body; the end may come with an empty one. */
  sendBody(bytes: Uint8Array | string, endOfStream: boolean): void {
    if (!this.#headersSeen || this.#clientEnded) throw new Error("no body can follow here");
    if (this.answered || this.over || this.failed || this.blocked) return;
    this.#clientEnded = endOfStream;
    const chunk = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    if (this.#stopAll) this.#held.append(chunk);
    else this.#decode(chunk, endOfStream);
  }

  /** Trailers end the request; no body call carries the end then. */
  sendTrailers(pairs: readonly HeaderPair[]): void {
    if (!this.#headersSeen || this.#clientEnded) throw new Error("no trailers can follow here");
    if (this.answered || this.over || this.failed) return;
    this.#clientEnded = true;
    this.#trailers = new HeaderMap(pairs);
    if (!this.#stopAll) this.#decodeTrailers(this.#trailers);
  }

  /** The upstream answers. */
  respond(headers: Iterable<HeaderPair>, endOfStream: boolean): void {
    if (this.upstreamHeaders === undefined) throw new Error("no upstream has seen the request");
    this.#encodeHeaders(new HeaderMap(headers), endOfStream);
  }

  respondBody(bytes: Uint8Array | string, endOfStream: boolean): void {
    if (this.responseHeaders === undefined) throw new Error("a response body without headers");
    const chunk = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    this.#responseChunk = new GrowingBuffer(chunk);
    const args = [chunk.length, endOfStream ? 1 : 0];
    const action = this.#call("proxy_on_response_body", "response_body", args);
    this.#downstream.append(this.#responseChunk.slice(0, this.#responseChunk.length));
    this.#responseChunk = undefined;
    if (action !== BodyAction.Continue && !this.failed) {
      this.#violate("proxy_on_response_body", `returned ${action}: an answer is never held`);
    }
  }

  /** The stream ends in good order: log, done, delete. */
  finish(): void {
    if (this.over) throw new Error("the stream ended before");
    this.over = true;
    this.#logging = true;
    this.#call("proxy_on_log", "log", []);
    this.#logging = false;
    this.#call("proxy_on_done", "done", []);
    this.#call("proxy_on_delete", "delete", []);
    this.root.vm.streams.delete(this.contextId);
  }

  /** The client went away, or the upstream reset: the same callbacks, at any moment. */
  reset(): void {
    this.finish();
  }

  // --- what host calls ask for ---------------------------------------------------------------

  map(type: number): HeaderMap | undefined {
    if (type === MapType.RequestHeaders) {
      if (this.#logging) return this.requestHeaders;
      return this.upstreamHeaders === undefined && !this.over ? this.requestHeaders : undefined;
    }
    if (type === MapType.RequestTrailers) return this.over ? undefined : this.#trailers;
    if (type === MapType.ResponseHeaders) {
      const readable = this.#logging || this.root.vm.phase === "response_headers";
      return readable ? this.responseHeaders : undefined;
    }
    return undefined;
  }

  buffer(type: number): BodyBuffer | undefined {
    if (type === BufferType.RequestBody) return this.#heldVisible ? this.#held : this.#chunk;
    if (type === BufferType.ResponseBody) return this.#responseChunk;
    return undefined;
  }

  resume(): void {
    if (!this.stopped) return;
    if (this.#heldVisible && !this.#clientEnded) {
      // Seen on Envoy 1.40: the chunk that comes next is passed on twice.
      this.#violate("proxy_continue_stream", "resumed in mid-body after StopIterationAndBuffer");
    }
    this.#stopped = false;
    if (!this.#stopAll) {
      this.#forward();
      return;
    }
    // Envoy starts again at this very filter: the body that waited meets its callbacks now.
    this.#stopAll = false;
    this.#forwardHeaders();
    const waiting = this.#held.drain();
    const endsHere = this.#clientEnded && this.#trailers === undefined;
    if (waiting.length > 0) this.#decode(waiting, endsHere);
    else if (endsHere) this.#complete();
    if (this.#trailers !== undefined) this.#decodeTrailers(this.#trailers);
  }

  /** Envoy sends its local replies through the filter's own response callbacks. */
  sendLocalResponse(response: LocalResponse): void {
    this.localResponsePending = false;
    if (this.over || this.answered) return;
    this.localResponse = response;
    this.#heldVisible = false;
    this.#held.drain();
    const text: HeaderPair[] =
      response.body === ""
        ? []
        : [
            ["content-length", String(Buffer.byteLength(response.body))],
            ["content-type", "text/plain"],
          ];
    const headers = new HeaderMap([[":status", String(response.status)], ...text]);
    for (const [name, value] of response.headers) headers.replace(name, value);
    this.#encodeHeaders(headers, response.body === "");
    if (response.body !== "" && !this.failed) this.respondBody(response.body, true);
  }

  // --- decoding ------------------------------------------------------------------------------

  #decode(bytes: Uint8Array, endOfStream: boolean): void {
    if (this.#heldVisible) {
      // Counted before the guest sees it: with equal limits Envoy's own answer wins.
      this.#held.append(bytes);
      if (this.#held.length > this.#bodyBufferLimit) {
        this.#tooLarge();
        return;
      }
    } else this.#chunk = new GrowingBuffer(bytes);
    const visible = this.#heldVisible ? this.#held : this.#chunk!;
    const args = [visible.length, endOfStream ? 1 : 0];
    const action = this.#call("proxy_on_request_body", "request_body", args);
    const chunk = this.#chunk;
    this.#chunk = undefined;
    if (this.failed || this.answered) return;
    if (action === BodyAction.StopIterationNoBuffer) {
      this.#stopped = true;
      this.#discarded = true;
      if (endOfStream)
        this.#violate("proxy_on_request_body", "the whole body is thrown away and nobody answers");
      return;
    }
    if (!this.#heldVisible && chunk !== undefined) {
      // A chunk that goes on at once passes through the same buffer as one that was held.
      this.#held.append(chunk.slice(0, chunk.length));
    }
    switch (action) {
      case BodyAction.Continue:
        this.#heldVisible = false;
        this.#stopped = false;
        this.#forward();
        return;
      case BodyAction.StopIterationAndBuffer:
        this.#stopped = true;
        this.#heldVisible = true;
        if (this.#held.length > this.#bodyBufferLimit) this.#tooLarge();
        return;
      case BodyAction.StopIterationAndWatermark:
        this.#stopped = true;
        this.#heldVisible = false;
        this.blocked = this.#held.length > this.#bodyBufferLimit && !endOfStream;
        return;
      default:
        this.#violate("proxy_on_request_body", `returned ${action}`);
    }
  }

  #decodeTrailers(trailers: HeaderMap): void {
    const action = this.#call("proxy_on_request_trailers", "request_trailers", [trailers.size]);
    if (this.failed || this.answered) return;
    if (action === TrailersAction.Continue) {
      this.#stopped = false;
      this.#forward();
    } else if (action === TrailersAction.StopIteration) {
      this.#stopped = true;
    } else {
      this.#violate("proxy_on_request_trailers", `returned ${action}`);
    }
  }

  #forwardHeaders(): void {
    this.upstreamHeaders ??= this.requestHeaders.clone();
  }

  #forward(): void {
    if (this.#discarded) this.#violate("request", "goes on although bytes of it were thrown away");
    this.#forwardHeaders();
    this.#heldVisible = false;
    this.#upstream.append(this.#held.drain());
    if (this.#clientEnded) this.#complete();
  }

  #complete(): void {
    if (this.upstreamEnded) return;
    this.upstreamEnded = true;
    const declared = this.upstreamHeaders?.get("content-length");
    if (declared !== undefined && Number(declared) !== this.#upstream.length) {
      this.#violate("request", `content-length ${declared} with ${this.#upstream.length} bytes of body`);
    }
  }

  #tooLarge(): void {
    this.sendLocalResponse({
      status: 413,
      details: "request_payload_too_large",
      body: "Payload Too Large",
      headers: [],
      grpcStatus: -1,
    });
  }

  #encodeHeaders(headers: HeaderMap, endOfStream: boolean): void {
    this.responseHeaders = headers;
    const args = [headers.size, endOfStream ? 1 : 0];
    const action = this.#call("proxy_on_response_headers", "response_headers", args);
    if (action !== HeadersAction.Continue && !this.failed) {
      this.#violate("proxy_on_response_headers", `returned ${action}: an answer is never held`);
    }
  }

  /** 0, which is Continue in every enumeration, where the module has no such callback. */
  #call(name: string, phase: Phase, args: readonly number[]): number {
    const vm = this.root.vm;
    const wasDead = vm.dead;
    const result = vm.call(name, phase, this, [this.contextId, ...args]);
    if (vm.dead && !wasDead && !this.over) {
      this.failed = true;
      this.#stopped = false;
      // Envoy answers for the stream on which the VM died; others on it that wait go on waiting.
      this.localResponse ??= {
        status: 503,
        details: "wasm_fail_stream",
        body: "",
        headers: [],
        grpcStatus: -1,
      };
    }
    return result ?? 0;
  }

  #violate(call: string, reason: string): never {
    return this.root.vm.fail(call, reason);
  }
}
