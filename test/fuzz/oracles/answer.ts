import { visitMembers } from "./member-spans.ts";
import { UsageCounts } from "./usage-counts.ts";

/** What the reader must say of an answer; `undefined` where the oracle cannot tell. */
export interface ExpectedAnswer {
  readonly isJson: boolean;
  readonly isEventStream: boolean;
  /** Events with data, without `[DONE]`. */
  readonly events: number;
  readonly contentEvents: number | undefined;
  readonly done: boolean | undefined;
  readonly isError: boolean | undefined;
  readonly usage: UsageCounts | undefined;
}

/** One event: its name and its data, a byte a letter. */
interface SentEvent {
  readonly name: string;
  readonly data: string;
}

/** Clients take it away before they parse. */
const ORDER_MARK = /^\u00ef\u00bb\u00bf/;
const STREAM_START = /^[ \t\r\n]*(?:data:|event:|:|id:|retry:)/;
const JSON_START = /^[ \t\r\n]*[{[]/;
/** Values in a delta that are text. */
const DELTA_TEXTS = ["content", "reasoning", "reasoning_content", "refusal"];
/** Of `choices[].delta.…`. */
const DELTA_DEPTH = 4;
/** The reader keeps no longer types. */
const MOST_TYPE_BYTES = 48;
const LAST_TYPES = ["message_stop", "response.completed", "response.incomplete", "response.failed"];

/** What a parser of event streams and `JSON.parse`, event by event, make of an answer. */
export function expectedAnswer(bytes: Uint8Array): ExpectedAnswer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("latin1")
    .replace(ORDER_MARK, "");
  if (STREAM_START.test(text)) return expectedStream(sentEvents(text.replace(/^[ \t\r\n]+/, "")));
  const summary = new Summary();
  const isJson = JSON_START.test(text);
  const isKnown = !isJson || summary.take(text);
  return {
    isJson,
    isEventStream: false,
    events: 0,
    contentEvents: 0,
    done: false,
    isError: isKnown ? summary.isError : undefined,
    usage: isKnown ? summary.usage : undefined,
  };
}

function expectedStream(all: readonly SentEvent[]): ExpectedAnswer {
  const summary = new Summary();
  const events = all.filter(({ data }) => !data.startsWith("[DONE]"));
  let contentEvents = 0;
  let isDone = events.length < all.length;
  // Of what may stand behind the mark nothing is said.
  let isKnown = all.every(({ data }) => data === "[DONE]" || !data.startsWith("[DONE]"));
  for (const { name, data } of events) {
    isKnown &&= summary.take(data);
    const type = known(name !== "" && name !== "message" ? name : summary.type);
    if (type === "" ? summary.hasTokens : type.endsWith(".delta") || type === "content_block_delta") {
      contentEvents++;
    }
    if (LAST_TYPES.includes(type)) isDone = true;
    if (type === "error") summary.isError = true;
  }
  return {
    isJson: false,
    isEventStream: true,
    events: events.length,
    contentEvents: isKnown ? contentEvents : undefined,
    done: isKnown ? isDone : undefined,
    isError: isKnown ? summary.isError : undefined,
    usage: isKnown ? summary.usage : undefined,
  };
}

/** A type as far as it means something: longer ones stand for any other. */
function known(type: string): string {
  return type.length > MOST_TYPE_BYTES ? "other" : type;
}

/** Server-sent events as the HTML standard parses them; what the end cuts off counts as well. */
function sentEvents(text: string): readonly SentEvent[] {
  const events: SentEvent[] = [];
  let name = "";
  let data: string | undefined;
  const lines = text.split(/\r\n|\n|\r/);
  // A line that is cut off before its value begins says nothing.
  if (!/:[\s\S]/.test(lines.at(-1)!)) lines.pop();
  for (const line of [...lines, ""]) {
    if (line === "") {
      if (data !== undefined) events.push({ name, data });
      name = "";
      data = undefined;
      continue;
    }
    const [, field, value] = /^([^:]*):? ?([\s\S]*)$/.exec(line)!;
    if (field === "data") data = data === undefined ? value! : `${data}\n${value}`;
    else if (field === "event") name = value!;
  }
  return events;
}

/** What the JSON texts of an answer say together, by keys and by how deep they stand. */
class Summary {
  readonly usage = new UsageCounts();
  isError = false;
  /** Of the last text. */
  type = "";
  /** The last text, if it has no type, brings something generated. */
  hasTokens = false;

  /** False if the text is no JSON: then nothing can be said. */
  take(text: string): boolean {
    try {
      JSON.parse(text);
    } catch {
      return false;
    }
    const bytes = Buffer.from(text, "latin1");
    const delta = { texts: [] as string[], hasRole: false, callsTool: false };
    this.type = "";
    visitMembers(bytes, DELTA_DEPTH, ({ key, start, end, depth }) => {
      const raw = bytes.toString("latin1", start, end);
      const isString = raw.startsWith('"');
      if (depth === 1) this.#takeTop(key, raw);
      if (depth === 2 && key === "error" && raw.startsWith("{")) this.isError = true;
      if ((depth === 1 || depth === 3) && key === "text" && isString) delta.texts.push(raw);
      if (depth === DELTA_DEPTH) {
        if (DELTA_TEXTS.includes(key) && isString) delta.texts.push(raw);
        if (key === "role" && isString) delta.hasRole = true;
        if (key === "tool_calls" && raw.startsWith("[")) delta.callsTool = true;
      }
      if (depth > 2 || key !== "usage" || !raw.startsWith("{")) return true;
      this.usage.take(bytes, start);
      return false;
    });
    const { texts, hasRole, callsTool } = delta;
    this.hasTokens = callsTool || texts.some((raw) => raw !== '""') || (texts.length > 0 && !hasRole);
    return true;
  }

  #takeTop(key: string, raw: string): void {
    if (key === "error" && raw !== "null") this.isError = true;
    if (key === "object" && raw === '"error"') this.isError = true;
    if (key !== "type" || !raw.startsWith('"')) return;
    this.type = raw.slice(1, -1);
    if (this.type === "error") this.isError = true;
  }
}
