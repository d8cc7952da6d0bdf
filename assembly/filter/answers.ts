import { sendLocalResponse, serializeHeaders } from "../abi/responses";
import { Text } from "../abi/text";
import { API_ANTHROPIC_MESSAGES } from "../wire/layout";

let answers: u32 = 0;

/**
 * Why a request was answered here, as header `x-inference-picker-reason` and, with the prefix
 * `inference_picker_`, as %RESPONSE_CODE_DETAILS%. `code` is the machine-readable code of OpenAI's
 * error object, `param` the field at fault ("" = null).
 */
export class Answer {
  /** Its place among all answers, from 1. */
  readonly index: u32 = ++answers;
  readonly details: Text;
  private readonly headers: ArrayBuffer;

  constructor(
    readonly status: u32,
    readonly reason: string,
    readonly type: string,
    readonly code: string,
    readonly param: string,
    readonly retryAfterSeconds: i32,
  ) {
    this.details = new Text("inference_picker_" + reason);
    this.headers =
      retryAfterSeconds > 0
        ? serializeHeaders([
            "content-type",
            "application/json",
            "x-inference-picker-reason",
            reason,
            "retry-after",
            retryAfterSeconds.toString(),
          ])
        : serializeHeaders(["content-type", "application/json", "x-inference-picker-reason", reason]);
  }

  /** Answers the current stream in the form of its API (API_*); the callback must return ACTION_PAUSE. */
  send(message: string, api: u32): void {
    const body = String.UTF8.encode(
      api == API_ANTHROPIC_MESSAGES ? this.anthropic(message) : this.openAi(message),
    );
    sendLocalResponse(
      this.status,
      this.details,
      changetype<usize>(body),
      body.byteLength,
      changetype<usize>(this.headers),
      this.headers.byteLength,
    );
  }

  private openAi(message: string): string {
    return (
      '{"error":{"message":' +
      quote(message) +
      ',"type":"' +
      this.type +
      '","param":' +
      (this.param.length > 0 ? '"' + this.param + '"' : "null") +
      ',"code":"' +
      this.code +
      '"}}'
    );
  }

  private anthropic(message: string): string {
    return (
      '{"type":"error","error":{"type":"' +
      anthropicType(this.status) +
      '","message":' +
      quote(message) +
      "}}"
    );
  }
}

/** Anthropic's error types by status (API reference, "Errors"). */
function anthropicType(status: u32): string {
  if (status == 404) return "not_found_error";
  if (status == 413) return "request_too_large";
  if (status == 429) return "rate_limit_error";
  if (status == 503) return "overloaded_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

const BAD_REQUEST = "invalid_request_error";

export const MALFORMED_BODY = new Answer(400, "malformed_body", BAD_REQUEST, "invalid_json", "", 0);
export const MODEL_MISSING = new Answer(
  400,
  "model_missing",
  BAD_REQUEST,
  "missing_required_parameter",
  "model",
  0,
);
export const MODEL_INVALID = new Answer(400, "model_invalid", BAD_REQUEST, "invalid_type", "model", 0);
export const MODEL_REPEATED = new Answer(400, "model_repeated", BAD_REQUEST, "invalid_value", "model", 0);
export const MODEL_UNKNOWN = new Answer(404, "model_unknown", BAD_REQUEST, "model_not_found", "model", 0);
export const BODY_TOO_LARGE = new Answer(413, "body_too_large", BAD_REQUEST, "request_too_large", "", 0);
export const SHED = new Answer(429, "saturated", "rate_limit_error", "rate_limit_exceeded", "", 1);
/** The host did not let the model's name be replaced. */
export const REWRITE_FAILED = new Answer(500, "rewrite_failed", "server_error", "internal_error", "", 0);
export const NO_TABLE = new Answer(503, "no_table", "server_error", "service_unavailable", "", 1);
export const NO_ENDPOINT = new Answer(503, "no_ready_endpoint", "server_error", "service_unavailable", "", 1);

/** A JSON string literal. */
function quote(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit == 0x22 || unit == 0x5c) out += "\\" + text.charAt(i);
    else if (unit < 0x20) out += "\\u00" + (unit < 0x10 ? "0" : "") + unit.toString(16);
    else out += text.charAt(i);
  }
  return out + '"';
}
