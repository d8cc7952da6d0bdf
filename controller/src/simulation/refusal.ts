/** Requests that a simulated server refuses, and the forms in which the APIs say so. */

export interface ApiError {
  readonly status: number;
  /** As vLLM names it. */
  readonly type: string;
  readonly message: string;
  /** The field at fault; null where there is none. */
  readonly param: string | null;
}

/** Thrown where a request is read; the server answers it in the form of the request's API. */
export class Refusal extends Error {
  readonly error: ApiError;

  constructor(status: number, type: string, message: string, param: string | null) {
    super(message);
    this.name = "Refusal";
    this.error = { status, type, message, param };
  }
}

/** The JSON of an error. */
export type ErrorForm = (error: ApiError) => unknown;

export const openaiError: ErrorForm = ({ status, type, message, param }) => ({
  error: { message, type, param, code: status },
});

/** Names of https://docs.anthropic.com/en/api/errors; a client's typed error is chosen by the status. */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  404: "not_found_error",
  413: "request_too_large",
};

export const anthropicError: ErrorForm = ({ status, message }) => ({
  type: "error",
  error: { type: ANTHROPIC_TYPES[status] ?? "api_error", message },
});

/** A field that the request's schema does not take, in the words of vLLM's validation. */
export function invalid(kind: string, at: string, message: string, input: string): Refusal {
  const detail = `{'type': '${kind}', 'loc': '${at}', 'msg': '${message}', 'input': '${input}'}`;
  return new Refusal(400, "Bad Request", `1 validation error:\n  ${detail}`, at);
}

export function missing(field: string, body: Readonly<Record<string, unknown>>): Refusal {
  return invalid("missing", `body.${field}`, "Field required", `<dict of ${Object.keys(body).length} items>`);
}

/** A value that is of the right type and nevertheless not taken. */
export function badValue(field: string, message: string): Refusal {
  return new Refusal(400, "BadRequestError", message, field);
}
