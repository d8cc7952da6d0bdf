import { ATTEMPT_NONE } from "../core/accounts/outcome";
import { RequestScanner } from "../core/body/request_scanner";
import { Flight } from "../core/flights/flight";
import { PICKS_MAX } from "../core/picker";
import { AnswerEditor } from "../core/response/answer_editor";
import { ResponseReader } from "../core/response/response_reader";
import { ByteBuffer } from "../wire/bytes";
import { API_NONE, MAX_NAME_BYTES } from "../wire/layout";
import { Answer } from "./answers";

/** What is kept of one request between its callbacks. Objects are pooled: none is allocated per request. */
export class StreamState {
  contextId: u32 = 0;
  /** The request under way to an endpoint; null before its pick, where it was not picked, and after its end. */
  flight: Flight | null = null;
  /** The pick leaves as filter state, not as header. */
  byProperty: bool = false;
  /** Pool in the table of `tableSequence`. */
  pool: i32 = -1;
  tableEpoch: u64 = 0;
  tableSequence: u64 = 0;

  // --- the request's body ---
  /** API_* of its path. */
  api: u32 = API_NONE;
  /** Held for its body; false once released or answered. */
  reading: bool = false;
  /** The body was read to its end before the decision. */
  isWhole: bool = false;
  /** Bytes of the body that are read whatever comes in them. */
  windowBytes: u32 = 0;
  /** Released, but its body is still read. */
  watching: bool = false;
  /** For what was decided rests on the model that it named first: another one ends the request. */
  binds: bool = false;
  /** For its prompt is to be noted, unless it turns out to have a salt. */
  notes: bool = false;
  /** The pool may rewrite the model or ask for usage: chunks are changed as they pass. */
  edits: bool = false;
  /** Models up to this offset of the body were looked at. */
  modelsSeenTo: u32 = 0;
  /** Bytes of the model's name in `target` that takes the place of the one asked for; 0: that one stays. */
  targetBytes: i32 = 0;
  readonly target: StaticArray<u8> = new StaticArray<u8>(MAX_NAME_BYTES);
  /** Usage is asked for in the client's place. */
  addsUsage: bool = false;
  /** What belongs before the object's end has been put there. */
  objectEnded: bool = false;
  /** Bytes by which the changes so far made the body longer. */
  grownBytes: i32 = 0;
  /** The beginning of a model's value that the next chunk ends. */
  held: ByteBuffer | null = null;
  /** Bytes of the body that arrived, at most 2^32 - 1. */
  bodyBytes: u32 = 0;
  /** Above 0: the body is over this limit, the rest is thrown away, the answer waits for the end. */
  limitBytes: u32 = 0;
  /** Present while a body is read. */
  scanner: RequestScanner | null = null;

  // --- the answer ---
  /** Row of the accounts that the request is counted in; -1: not counted. */
  row: i32 = -1;
  /** Ledger accounts of the picked list, the first one served unless an attempt failed. */
  picks: StaticArray<i32> = new StaticArray<i32>(PICKS_MAX);
  pickCount: i32 = 0;
  /** The answer bears a session token … */
  tellsSession: bool = false;
  /** … of the picked one that served it. */
  readonly sessions: StaticArray<u64> = new StaticArray<u64>(PICKS_MAX);
  /** ATTEMPT_* */
  attempt: u32 = ATTEMPT_NONE;
  /** What the filter answered itself. */
  answer: Answer | null = null;
  /** The answer's headers came. */
  responded: bool = false;
  /** The answer came to its end. */
  completed: bool = false;
  startMs: f64 = 0;
  /** Of the first and the last bytes of the answer's body; 0: none yet. */
  firstMs: f64 = 0;
  lastMs: f64 = 0;
  /** Of the first event that brought a token; 0: none yet. */
  firstTokenMs: f64 = 0;
  gapMaxMs: f64 = 0;
  answerBytes: u64 = 0;
  reader: ResponseReader | null = null;
  editor: AnswerEditor | null = null;

  get holdsBytes(): bool {
    const held = this.held;
    return held != null && held.bytes > 0;
  }

  /** The body that went on so far is not the one that arrived. */
  get isChanged(): bool {
    return this.grownBytes != 0 || this.targetBytes > 0 || this.holdsBytes;
  }

  /** Back to a request of which nothing is known. */
  reset(contextId: u32): void {
    this.contextId = contextId;
    this.flight = null;
    this.byProperty = false;
    this.api = API_NONE;
    this.reading = false;
    this.isWhole = false;
    this.windowBytes = 0;
    this.watching = false;
    this.binds = false;
    this.notes = false;
    this.edits = false;
    this.modelsSeenTo = 0;
    this.targetBytes = 0;
    this.addsUsage = false;
    this.objectEnded = false;
    this.grownBytes = 0;
    const held = this.held;
    if (held != null) held.bytes = 0;
    this.bodyBytes = 0;
    this.limitBytes = 0;
    this.row = -1;
    this.pickCount = 0;
    this.tellsSession = false;
    this.attempt = ATTEMPT_NONE;
    this.answer = null;
    this.responded = false;
    this.completed = false;
    this.startMs = 0;
    this.firstMs = 0;
    this.lastMs = 0;
    this.firstTokenMs = 0;
    this.gapMaxMs = 0;
    this.answerBytes = 0;
  }
}
