import {
  MAX_DEPTH,
  MODEL_CAPACITY_BYTES,
  SALT_CAPACITY_BYTES,
  USER_CAPACITY_BYTES,
} from "../../../assembly/core/body/scan_codes.ts";
import { depthOf, documentStart, type MemberSpan, memberSpans } from "./member-spans.ts";
import { pythonJson } from "./python-json.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** What the scanner must say of a body; counts and flags by the scanner's names. */
export interface ExpectedFields {
  readonly modelSeen: boolean;
  readonly modelRepeated: boolean;
  /** Undefined if there is none or it is no string. */
  readonly model: KeptText | undefined;
  readonly modelStart: number;
  readonly modelEnd: number;
  readonly streamSeen: boolean;
  readonly stream: boolean;
  readonly streamOptions: MemberSpan | undefined;
  readonly streamOptionsIsObject: boolean;
  readonly streamOptionsEmpty: boolean;
  readonly includeUsage: boolean;
  readonly includeUsageSpan: MemberSpan | undefined;
  readonly objectStart: number;
  readonly isEmptyObject: boolean;
  readonly maxTokens: number | undefined;
  readonly n: number | undefined;
  readonly priority: number | undefined;
  readonly cacheSalt: KeptText | undefined;
  readonly cacheSaltRepeated: boolean;
  readonly user: KeptText | undefined;
  readonly messages: number;
  readonly tools: number;
  readonly mediaParts: number;
}

/** A text as UTF-8, as much of it as is kept. */
export interface KeptText {
  readonly bytes: Buffer;
  readonly tooLong: boolean;
}

/** Why a body is refused, as far as the oracle can tell. */
export type Refusal = "encoding" | "not an object" | "too deep" | "other";

export type ExpectedBody =
  | { readonly accepted: true; readonly fields: ExpectedFields }
  | { readonly accepted: false; readonly refusal: Refusal };

const MEDIA_TYPES = new Set([
  ...["image_url", "input_image", "image", "input_audio", "audio_url", "video_url"],
  ...["file", "input_file", "document"],
]);
const COUNT = /^(?:0|[1-9]\d*)$/;
const WHOLE = /^-?(?:0|[1-9]\d*)$/;
/** Limits of output tokens, the preferred key first. */
const LIMIT_KEYS = ["max_completion_tokens", "max_tokens", "max_output_tokens"];

/** What Python's `json.loads` and the fields' meaning make of a body. */
export function expectedBody(bytes: Uint8Array): ExpectedBody {
  const read = pythonJson(bytes);
  if (read.kind === "encoding") return { accepted: false, refusal: "encoding" };
  if (read.kind === "refused") return { accepted: false, refusal: "other" };
  if (!isObject(read.value)) return { accepted: false, refusal: "not an object" };
  if (depthOf(bytes) > MAX_DEPTH) return { accepted: false, refusal: "too deep" };
  return { accepted: true, fields: fieldsOf(bytes, read.value) };
}

function fieldsOf(bytes: Uint8Array, body: JsonObject): ExpectedFields {
  const open = documentStart(bytes);
  const members = memberSpans(bytes, open);
  const last = new Map(members.map((member) => [member.key, member]));
  const isRepeated = (key: string): boolean => members.filter((member) => member.key === key).length > 1;
  const rawOf = (key: string): string => {
    const span = last.get(key);
    return span === undefined ? "" : Buffer.from(bytes.subarray(span.start, span.end)).toString("latin1");
  };
  const countOf = (key: string): number | undefined =>
    COUNT.test(rawOf(key)) ? Math.min(Number(rawOf(key)), 2 ** 32 - 1) : undefined;
  const model = body.model;
  const modelSeen = model !== undefined && model !== null;
  const modelSpan = modelSeen ? last.get("model") : undefined;
  const options = body.stream_options;
  const streamOptions = last.get("stream_options");
  const optionMembers = isObject(options) ? memberSpans(bytes, streamOptions!.start) : [];
  const wholePriority = WHOLE.test(rawOf("priority")) ? Number(rawOf("priority")) : undefined;
  return {
    modelSeen,
    modelRepeated: isRepeated("model"),
    model: kept(model, MODEL_CAPACITY_BYTES),
    modelStart: modelSpan?.start ?? 0,
    modelEnd: modelSpan?.end ?? 0,
    streamSeen: last.has("stream"),
    stream: body.stream === true,
    streamOptions,
    streamOptionsIsObject: isObject(options),
    streamOptionsEmpty: isObject(options) && optionMembers.length === 0,
    includeUsage: isObject(options) && options.include_usage === true,
    includeUsageSpan: optionMembers.findLast((member) => member.key === "include_usage"),
    objectStart: open + 1,
    isEmptyObject: members.length === 0,
    maxTokens: LIMIT_KEYS.map(countOf).find((limit) => limit !== undefined),
    n: countOf("n"),
    priority:
      wholePriority === undefined
        ? undefined
        : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, wholePriority)) + 0,
    cacheSalt: kept(body.cache_salt, SALT_CAPACITY_BYTES),
    cacheSaltRepeated: isRepeated("cache_salt"),
    user: kept(body.user, USER_CAPACITY_BYTES),
    ...messageCounts(body),
    tools: Array.isArray(body.tools) ? body.tools.length : 0,
  };
}

function messageCounts(body: JsonObject): { readonly messages: number; readonly mediaParts: number } {
  const input: unknown = body.input;
  const messages: readonly unknown[] = [
    ...(Array.isArray(body.messages) ? body.messages : []),
    ...(Array.isArray(input) && isObject(input[0]) ? input : []),
  ];
  const parts = messages.flatMap((message) =>
    isObject(message) && Array.isArray(message.content) ? message.content : [],
  );
  const mediaParts = parts.filter(
    (part) => isObject(part) && typeof part.type === "string" && MEDIA_TYPES.has(part.type),
  ).length;
  return { messages: messages.length, mediaParts };
}

function kept(value: unknown, capacity: number): KeptText | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value);
  return { bytes: bytes.subarray(0, capacity), tooLong: bytes.length > capacity };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
