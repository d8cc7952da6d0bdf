import { isDeepStrictEqual } from "node:util";
import { request as send } from "undici";
import { processTimer, type SetTimer } from "../timer.ts";
import { type Access, Authentication } from "./authentication.ts";
import { type Environment, type KubeconfigSettings, readKubeconfig } from "./kubeconfig.ts";
import { type ConnectionReason, errorOfAnswer, KubernetesError } from "./kubernetes-error.ts";

export { KubernetesError } from "./kubernetes-error.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RequestOptions {
  readonly method: Method;
  /** As in `/api/v1/pods`; see `pathOf` for those of kinds. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; default: a merge patch for PATCH, since custom resources know no strategic one, else JSON. */
  readonly contentType?: string | undefined;
  /** From the start to the last byte; default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** Gives up early: the error's reason is then `Aborted`. */
  readonly signal?: AbortSignal | undefined;
}

export interface StreamOptions {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Ends the stream; there is no other limit. */
  readonly signal: AbortSignal;
}

/** One API server, asked as one user. */
export interface KubernetesClient {
  /** Of the service account or the context. */
  readonly namespace: string;
  /** The server's address, as configured. */
  readonly server: string;
  /**
   * The answer, parsed; undefined if it has no body. Its shape is the caller's to check.
   * @throws KubernetesError
   */
  request<T>(options: RequestOptions): Promise<T>;
  /**
   * A watch's bytes as they come, from the moment that the server agreed to it.
   * @throws KubernetesError, while it is read too
   */
  stream(options: StreamOptions): Promise<AsyncIterable<Uint8Array>>;
  /** Ends what is under way and all connections. */
  close(): Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Of an answer that is read whole; a page of a list has a few MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const USER_AGENT = "inference-picker";

/**
 * A client for what is configured ({@link readKubeconfig}); nothing is sent yet.
 * @throws PickerError when nothing is configured, or it is of no use
 */
export function loadClient(
  settings: KubeconfigSettings,
  env: Environment,
  setTimer: SetTimer = processTimer,
): KubernetesClient {
  const read = (): ReturnType<typeof readKubeconfig> => readKubeconfig(settings, env);
  const { namespace, server } = read();
  const authentication = new Authentication(read, setTimer);

  return {
    namespace,
    server,
    async request<T>(options: RequestOptions): Promise<T> {
      const { method, path, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
      const what = `${method} ${path}`;
      const limit = new AbortController();
      const timedOut = new KubernetesError(0, "Timeout", `${what}: no answer within ${timeoutMs} ms`);
      const cancel = setTimer(() => limit.abort(timedOut), timeoutMs);
      const leave = follow(options.signal, limit, what);
      try {
        const answer = await ask(options, what, limit.signal);
        const text = await textOf(answer.body, what);
        if (answer.statusCode >= 400)
          throw errorOfAnswer(what, answer.statusCode, single(answer.headers["retry-after"]), text);
        return text === "" ? (undefined as T) : parsed<T>(text, what);
      } catch (error) {
        throw asKubernetesError(error, what);
      } finally {
        cancel();
        leave();
      }
    },
    async stream({ path, query, signal }: StreamOptions): Promise<AsyncIterable<Uint8Array>> {
      const what = `GET ${path}`;
      const limit = new AbortController();
      const leave = follow(signal, limit, what);
      try {
        const answer = await ask({ method: "GET", path, query }, what, limit.signal);
        if (answer.statusCode !== 200)
          throw errorOfAnswer(
            what,
            answer.statusCode,
            single(answer.headers["retry-after"]),
            await textOf(answer.body, what),
          );
        return chunksOf(answer.body, what, leave);
      } catch (error) {
        leave();
        throw asKubernetesError(error, what);
      }
    },
    close: () => authentication.close(),
  };

  type Answer = Awaited<ReturnType<typeof send>>;

  /** Once more if the credentials were refused and there are others by now. */
  async function ask(options: RequestOptions, what: string, signal: AbortSignal): Promise<Answer> {
    const access = await credentials(what, signal);
    const answer = await sendAs(access, options, signal);
    if (answer.statusCode !== 401) return answer;
    authentication.reload();
    const renewed = await credentials(what, signal).catch(async (error: unknown) => {
      // An answer that nobody reads keeps its connection.
      await answer.body.dump();
      throw error;
    });
    if (isDeepStrictEqual(renewed.headers, access.headers) && renewed.dispatcher === access.dispatcher)
      return answer;
    await answer.body.dump();
    return sendAs(renewed, options, signal);
  }

  async function credentials(what: string, signal: AbortSignal): Promise<Access> {
    try {
      return await unlessAborted(authentication.access(), signal);
    } catch (cause) {
      throw cause instanceof KubernetesError ? cause : connectionError("Unauthenticated", what, cause);
    }
  }

  async function sendAs(access: Access, options: RequestOptions, signal: AbortSignal): Promise<Answer> {
    const { method, path, query, body } = options;
    const contentType =
      options.contentType ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json");
    const search = query === undefined ? "" : `?${new URLSearchParams(query)}`;
    const answer = send(`${server}${path}${search}`, {
      method,
      headers: {
        accept: "application/json",
        "user-agent": USER_AGENT,
        ...(body === undefined ? {} : { "content-type": contentType }),
        ...access.headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: access.dispatcher,
      signal,
    });
    // While it dials, undici does not look at the signal.
    return unlessAborted(answer, signal);
  }
}

/** Has `limit` aborted with `signal`; returns how to leave off. A signal for a long life keeps no listeners so. */
function follow(signal: AbortSignal | undefined, limit: AbortController, what: string): () => void {
  if (signal === undefined) return () => {};
  const abort = (): void => limit.abort(new KubernetesError(0, "Aborted", `${what}: given up`));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  return () => signal.removeEventListener("abort", abort);
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function textOf(body: AsyncIterable<Uint8Array>, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new KubernetesError(0, "TooLarge", `${what}: over ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString("utf8");
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  what: string,
  done: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw asKubernetesError(error, what);
  } finally {
    done();
  }
}

function parsed<T>(text: string, what: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw connectionError("Malformed", what, cause);
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function asKubernetesError(error: unknown, what: string): KubernetesError {
  return error instanceof KubernetesError ? error : connectionError("Unreachable", what, error);
}

function connectionError(reason: ConnectionReason, what: string, cause: unknown): KubernetesError {
  return new KubernetesError(0, reason, `${what}: ${wordsOf(cause)}`, { cause });
}

/** A refused dual-stack connection is an AggregateError without a message of its own. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause instanceof AggregateError && cause.message === "") return cause.errors.map(wordsOf).join("; ");
  return cause.message || cause.name;
}
