import { sendLocalResponse, serializeHeaders } from "../abi/responses";
import { Text } from "../abi/text";
import { ByteBuffer } from "../wire/bytes";
import { API_ANTHROPIC_MESSAGES } from "../wire/layout";
import { addJsonString } from "./json_text";

let answers: u32 = 0;
/** The body of the answer being given. */
const body = new ByteBuffer();

const OPENAI_HEAD = new Text('{"error":{"message":');
const ANTHROPIC_TAIL = new Text("}}");

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
  private readonly openAiTail: Text;
  private readonly anthropicHead: Text;

  constructor(
    readonly status: u32,
    readonly reason: string,
    readonly type: string,
    readonly code: string,
    readonly param: string,
    readonly retryAfterSeconds: i32,
  ) {
    this.details = new Text("inference_picker_" + reason);
    const field = param.length > 0 ? '"' + param + '"' : "null";
    this.openAiTail = new Text(',"type":"' + type + '","param":' + field + ',"code":"' + code + '"}}');
    this.anthropicHead = new Text(
      '{"type":"error","error":{"type":"' + anthropicType(status) + '","message":',
    );
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
    const isAnthropic = api == API_ANTHROPIC_MESSAGES;
    const text = String.UTF8.encode(message);
    body.bytes = 0;
    add(isAnthropic ? this.anthropicHead : OPENAI_HEAD);
    addJsonString(body, changetype<usize>(text), text.byteLength);
    add(isAnthropic ? ANTHROPIC_TAIL : this.openAiTail);
    const headers = changetype<usize>(this.headers);
    sendLocalResponse(this.status, this.details, body.ptr, <i32>body.bytes, headers, this.headers.byteLength);
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

/** The endpoints that its subset hint, or its class, leaves it: none of them is ready. */
export const NO_ELIGIBLE = new Answer(
  503,
  "no_eligible_endpoint",
  "server_error",
  "service_unavailable",
  "",
  1,
);

function add(part: Text): void {
  body.add(part.ptr, part.bytes);
}
