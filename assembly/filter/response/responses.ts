import { BUFFER_RESPONSE_BODY, getBuffer, setChunk } from "../../abi/buffers";
import { monotonicMs } from "../../abi/clock";
import { removeResponseHeader, setResponseHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getProperty, setProperty } from "../../abi/properties";
import { Text } from "../../abi/text";
import {
  CAUSE_ANSWERED_HERE,
  CAUSE_CLIENT_GONE,
  CAUSE_COMPLETE,
  CAUSE_UNKNOWN,
  CAUSE_UPSTREAM_RESET,
  Outcome,
} from "../../core/accounts/outcome";
import { AnswerEditor } from "../../core/response/answer_editor";
import { ResponseReader } from "../../core/response/response_reader";
import { TOKEN_BYTES, writeToken } from "../../core/sessions";
import { addressOf, u64At } from "../../wire/bytes";
import { fnv1a64 } from "../../wire/hash";
import { Digits } from "../digits";
import {
  HEADER_CONTENT_LENGTH,
  HEADER_SESSION,
  PROPERTY_CACHED_TOKENS,
  PROPERTY_COMPLETION_TOKENS,
  PROPERTY_PROMPT_TOKENS,
  PROPERTY_RESPONSE_CODE,
  PROPERTY_RESPONSE_FLAGS,
  PROPERTY_TTFT,
  PROPERTY_UPSTREAM_ADDRESS,
} from "../names";
import { StreamState } from "../stream_state";
import { StreamTable } from "../stream_table";
import { Vm } from "../vm";

/** The answer is fetched and scanned in pieces of this size, which stay in the cache. */
const PIECE_BYTES: u32 = 65536;
const STATUS_OK: u32 = 200;
/** Envoy's response flags (envoy/stream_info/stream_info.h): a client that left, DC on HTTP/1 and DR on HTTP/2 … */
const FLAGS_DOWNSTREAM_GONE: u64 = 0x10004000;
/** … and retries that are used up, URX, where the answer is the last endpoint's own if no other flag stands beside it. */
const FLAG_RETRIES_USED_UP: u64 = 0x8000;

/** An answer's way through the filter: who gave it, when its tokens came, what it used, how it ended. */
export class Responses {
  private readonly outcome: Outcome = new Outcome();
  private readonly digits: Digits = new Digits();
  private readonly token: StaticArray<u8> = new StaticArray<u8>(TOKEN_BYTES);

  constructor(
    private readonly vm: Vm,
    private readonly table: StreamTable,
  ) {}

  headers(state: StreamState, endOfStream: bool): void {
    state.responded = true;
    if (state.answer != null || (state.row < 0 && !state.tellsSession)) return;
    if (state.pickCount > 1) this.moveAccount(state);
    if (state.tellsSession) this.tellSession(state);
    if (state.row < 0) return;
    if (endOfStream) {
      state.completed = true;
      return;
    }
    this.table.beginAnswer(state);
    // The length changes with the body; without it the answer is chunked.
    if (state.editor != null) removeResponseHeader(HEADER_CONTENT_LENGTH);
  }

  /** The end can be a call of its own without bytes. */
  body(state: StreamState, arrived: u32, endOfStream: bool): void {
    const reader = state.reader;
    if (reader == null) return;
    const isFirst = state.firstMs == 0;
    if (arrived > 0) {
      this.time(state);
      state.answerBytes += arrived;
    }
    const editor = state.editor;
    if (editor != null) this.edit(editor, reader, arrived, endOfStream);
    else this.read(reader, arrived);
    // What comes before, a role or a ping, is no token.
    if (reader.contentEvents > 0) this.count(state, reader, isFirst);
    if (endOfStream) this.complete(state, reader);
  }

  /** What an editor may still hold is the beginning of an event that never ended, which is none for a client. */
  trailers(state: StreamState): void {
    const reader = state.reader;
    if (reader == null) return;
    this.complete(state, reader);
  }

  /** The request is over, however it ended. */
  end(state: StreamState): void {
    const nowMs = state.row >= 0 ? monotonicMs() : this.vm.tickedMs;
    this.outcome.reset();
    if (state.row >= 0) this.settle(state, nowMs);
    this.land(state, nowMs);
    this.table.remove(state);
  }

  /** Where the session's next request shall go. */
  private tellSession(state: StreamState): void {
    const flight = state.flight;
    if (flight == null) return;
    for (let i = 0; i < state.pickCount; i++) {
      if (unchecked(state.picks[i]) != flight.account) continue;
      const token = addressOf(this.token);
      writeToken(token, unchecked(state.sessions[i]));
      setResponseHeader(HEADER_SESSION, token, TOKEN_BYTES);
      return;
    }
  }

  /** A retry leads to another endpoint than the first: the request counts where it was served. */
  private moveAccount(state: StreamState): void {
    const flight = state.flight;
    if (flight == null || !getProperty(PROPERTY_UPSTREAM_ADDRESS)) return;
    const ledger = this.vm.ledger;
    const id = fnv1a64(arrivedPtr(), arrivedBytes());
    if (ledger.id[flight.account] == id) return;
    for (let i = 1; i < state.pickCount; i++) {
      const account = unchecked(state.picks[i]);
      if (ledger.id[account] != id) continue;
      this.vm.flights.move(flight, account, monotonicMs());
      return;
    }
  }

  /**
   * First bytes, last bytes, and the longest wait between two. Only the first ask for the time: between tokens that of
   * the last tick will do, since a wait worth telling is longer.
   */
  private time(state: StreamState): void {
    if (state.firstMs == 0) {
      state.firstMs = monotonicMs();
      state.lastMs = state.firstMs;
      return;
    }
    const tickedMs = this.vm.tickedMs;
    if (tickedMs <= state.lastMs) return;
    if (tickedMs - state.lastMs > state.gapMaxMs) state.gapMaxMs = tickedMs - state.lastMs;
    state.lastMs = tickedMs;
  }

  private read(reader: ResponseReader, arrived: u32): void {
    for (let at: u32 = 0; at < arrived;) {
      if (!getBuffer(BUFFER_RESPONSE_BODY, at, min(PIECE_BYTES, arrived - at)) || arrivedBytes() == 0) return;
      at += arrivedBytes();
      reader.feed(arrivedPtr(), arrivedBytes());
    }
  }

  /** Reads the chunk and puts what the editor makes of it in its place. */
  private edit(editor: AnswerEditor, reader: ResponseReader, arrived: u32, endOfStream: bool): void {
    if (arrived > 0) {
      // A chunk that cannot be read passes as it is.
      if (!getBuffer(BUFFER_RESPONSE_BODY, 0, arrived)) return;
      reader.feed(arrivedPtr(), arrivedBytes());
    }
    editor.edit(arrivedPtr(), arrived, endOfStream);
    setChunk(BUFFER_RESPONSE_BODY, arrived, editor.outPtr, editor.outBytes);
  }

  private complete(state: StreamState, reader: ResponseReader): void {
    state.completed = true;
    if (reader.isEventStream) {
      state.lastMs = monotonicMs();
      const flight = state.flight;
      if (flight != null) this.vm.flights.complete(flight, state.lastMs);
    }
    reader.finish();
    this.tell(state, reader);
  }

  /** For access logs, which are written before the stream is gone. */
  private tell(state: StreamState, reader: ResponseReader): void {
    if (reader.isEventStream && state.firstMs > 0) {
      this.number(PROPERTY_TTFT, <i64>(firstTokenMs(state) - state.startMs));
    }
    if (!reader.usageSeen) return;
    this.number(PROPERTY_PROMPT_TOKENS, reader.promptTokens);
    this.number(PROPERTY_COMPLETION_TOKENS, reader.completionTokens);
    this.number(PROPERTY_CACHED_TOKENS, reader.cachedTokens);
  }

  private number(name: Text, value: i64): void {
    if (value < 0) return;
    const bytes = this.digits.write(<u64>value);
    setProperty(name, this.digits.ptr, bytes);
  }

  /** Events with tokens came: the first says that the prompt is computed, all how far the answer is. */
  private count(state: StreamState, reader: ResponseReader, isFirst: bool): void {
    const flight = state.flight;
    const flights = this.vm.flights;
    if (state.firstTokenMs == 0) {
      state.firstTokenMs = isFirst ? state.firstMs : monotonicMs();
      if (flight != null) flights.firstToken(flight, state.firstTokenMs);
    }
    // The time of the last tick will do: it says when a sum over time changed, not how long anything took.
    if (flight != null) flights.progress(flight, reader.contentEvents, this.vm.tickedMs);
  }

  /** The flight is over. Only an answer that came whole and well teaches anything. */
  private land(state: StreamState, nowMs: f64): void {
    const flight = state.flight;
    if (flight == null) return;
    state.flight = null;
    const outcome = this.outcome;
    const tokens =
      outcome.completionTokens >= 0 ? outcome.completionTokens : outcome.estimatedCompletionTokens;
    const isWell = state.answer == null && outcome.cause == CAUSE_COMPLETE && outcome.status == STATUS_OK;
    if (!isWell) this.vm.flights.abandon(flight, nowMs);
    else this.vm.flights.finish(flight, nowMs, outcome.promptTokens, tokens, outcome.cachedTokens);
  }

  private settle(state: StreamState, nowMs: f64): void {
    const outcome = this.outcome;
    outcome.row = state.row;
    outcome.requestBytes = state.bodyBytes;
    outcome.responseBytes = state.answerBytes;
    outcome.durationMs = nowMs - state.startMs;
    outcome.attempt = state.attempt;
    const answer = state.answer;
    if (answer != null) {
      outcome.cause = CAUSE_ANSWERED_HERE;
      outcome.status = answer.status;
      outcome.reason = answer.index;
    } else this.ofEndpoint(state, outcome);
    this.vm.telemetry.finished(outcome);
  }

  private ofEndpoint(state: StreamState, outcome: Outcome): void {
    const reader = state.reader;
    if (reader != null) {
      outcome.isEventStream = reader.isEventStream;
      if (reader.isEventStream && state.firstMs > 0) {
        outcome.firstTokenMs = firstTokenMs(state) - state.startMs;
        outcome.lastTokenMs = state.lastMs - state.startMs;
        if (state.gapMaxMs > 0) outcome.tokenGapMaxMs = state.gapMaxMs;
      }
      if (reader.usageSeen) {
        outcome.promptTokens = reader.promptTokens;
        outcome.completionTokens = reader.completionTokens;
        outcome.cachedTokens = reader.cachedTokens;
      }
      // The bytes of an answer in JSON say little, and servers tell its usage always.
      if (reader.isEventStream && !reader.isError) {
        outcome.estimatedCompletionTokens = <i64>reader.contentEvents;
      }
      outcome.estimated = !reader.usageSeen;
    }
    // What bears usage is an answer that went well: nothing more needs to be asked.
    const isWell = reader != null && reader.usageSeen && state.completed;
    outcome.status = isWell ? 200 : state.responded && getProperty(PROPERTY_RESPONSE_CODE) ? word() : 0;
    outcome.cause = isWell ? CAUSE_COMPLETE : this.causeByFlags(state.completed);
  }

  /** A whole answer with flags is Envoy's own: no connection, no host, no time left. */
  private causeByFlags(completed: bool): u32 {
    if (!getProperty(PROPERTY_RESPONSE_FLAGS)) return completed ? CAUSE_COMPLETE : CAUSE_UNKNOWN;
    const flags = arrivedBytes() == 8 ? u64At(arrivedPtr()) & ~FLAG_RETRIES_USED_UP : 0;
    if ((flags & FLAGS_DOWNSTREAM_GONE) != 0) return CAUSE_CLIENT_GONE;
    return completed && flags == 0 ? CAUSE_COMPLETE : CAUSE_UPSTREAM_RESET;
  }
}

/** Of a stream with no event that is known to bring tokens, the first bytes count. */
function firstTokenMs(state: StreamState): f64 {
  return state.firstTokenMs > 0 ? state.firstTokenMs : state.firstMs;
}

/** A number that the host returned: 8 bytes. */
function word(): u32 {
  return arrivedBytes() == 8 ? <u32>u64At(arrivedPtr()) : 0;
}
