/** Why no answer came, where the API server gives no reason of its own. */
export type ConnectionReason =
  | "Unreachable"
  | "Timeout"
  | "Aborted"
  | "Unauthenticated"
  | "TooLarge"
  | "Malformed";

export interface KubernetesErrorDetail {
  /** What the server asks to wait before the next try, in ms. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A request of the API server that did not succeed. */
export class KubernetesError extends Error {
  /** The HTTP status; 0 when no whole answer came. */
  readonly status: number;
  /** The server's word (`NotFound`, `Conflict`, `Forbidden`, `Expired` …), or a {@link ConnectionReason}. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, detail: KubernetesErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "KubernetesError";
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** What an answer of status 400 or more says: a `Status` object, or plain text from a proxy or a bare path. */
export function errorOfAnswer(
  what: string,
  status: number,
  retryAfter: string | undefined,
  body: string,
): KubernetesError {
  const answer = statusOf(body);
  const reason = answer?.reason || REASONS.get(status) || "Unknown";
  const said = answer?.message || body.slice(0, MAX_TEXT).trim() || "no message";
  const seconds = Number(retryAfter ?? answer?.retryAfterSeconds);
  return new KubernetesError(status, reason, `${what}: ${status} ${reason}: ${said}`, {
    retryAfterMs: seconds > 0 && Number.isFinite(seconds) ? seconds * 1000 : undefined,
  });
}

/** What an `ERROR` event of a watch carries: a `Status`; its code is 500 if it has none. */
export function errorOfStatus(what: string, object: unknown): KubernetesError {
  const { code, reason, message } = (typeof object === "object" && object !== null ? object : {}) as Record<
    string,
    unknown
  >;
  const status = typeof code === "number" ? code : 500;
  const word = typeof reason === "string" && reason !== "" ? reason : (REASONS.get(status) ?? "Unknown");
  return new KubernetesError(status, word, `${what}: ${status} ${word}: ${String(message ?? "no message")}`);
}

/** Characters of an answer that is no `Status`, in messages. */
const MAX_TEXT = 200;

/** Statuses that come without a `Status` object, by the word that the server would give. */
const REASONS = new Map([
  [400, "BadRequest"],
  [401, "Unauthorized"],
  [403, "Forbidden"],
  [404, "NotFound"],
  [409, "Conflict"],
  [410, "Gone"],
  [429, "TooManyRequests"],
  [500, "InternalError"],
  [503, "ServiceUnavailable"],
  [504, "Timeout"],
]);

function statusOf(
  body: string,
): { reason?: string; message?: string; retryAfterSeconds?: number | undefined } | undefined {
  try {
    const parsed = JSON.parse(body) as {
      kind?: unknown;
      reason?: string;
      message?: string;
      details?: { retryAfterSeconds?: number };
    } | null;
    if (parsed?.kind !== "Status") return undefined;
    return { ...parsed, retryAfterSeconds: parsed.details?.retryAfterSeconds };
  } catch {
    return undefined;
  }
}
