import { BUFFER_REQUEST_BODY, getBuffer } from "../../abi/buffers";
import { monotonicMs, randomBits } from "../../abi/clock";
import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { ACTION_CONTINUE, ACTION_DISCARD, ACTION_PAUSE, ACTION_PAUSE_AND_WATERMARK } from "../../abi/status";
import { boundaryBytes, boundaryPtr, findBoundary } from "../../core/body/boundary";
import { MultipartScanner } from "../../core/body/multipart_scanner";
import { RequestScanner } from "../../core/body/request_scanner";
import {
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
  REASON_OTHER_ENCODING,
  REASON_TOO_DEEP,
  SCAN_MALFORMED,
} from "../../core/body/scan_codes";
import { u32At } from "../../wire/bytes";
import {
  API_NONE,
  API_OPENAI_AUDIO,
  API_OPENAI_IMAGES,
  POOL_FLAG_ADD_USAGE,
  POOL_FLAG_BY_MODEL,
  POOL_FLAG_READ_BODY,
} from "../../wire/layout";
import { BODY_TOO_LARGE, MALFORMED_BODY, MODEL_REPEATED, NO_TABLE, REWRITE_FAILED } from "../answers";
import { HEADER_CONTENT_ENCODING, HEADER_CONTENT_TYPE, HEADER_PATH } from "../names";
import { Routing } from "../routing";
import { StreamState } from "../stream_state";
import { StreamTable } from "../stream_table";
import { Vm } from "../vm";
import { Decision } from "./decision";
import { ModelList } from "./model_list";
import { Release } from "./release";
import { Rewriter } from "./rewriter";

/** The body is fetched and scanned in pieces of this size, which stay in the cache. */
const PIECE_BYTES: u32 = 65536;
/** Times the body limit that a client may send before it is answered in mid-body. */
const DISCARD_LIMITS: u64 = 4;

/** A request's way through the filter: headers → body → decision → released. */
export class Requests {
  private readonly routing: Routing;
  private readonly release: Release;
  private readonly decision: Decision;
  private readonly modelList: ModelList;
  private readonly rewriter: Rewriter;

  constructor(
    private readonly vm: Vm,
    private readonly table: StreamTable,
  ) {
    const routing = new Routing(vm);
    const release = new Release(vm, table);
    this.routing = routing;
    this.release = release;
    const rewriter = new Rewriter(vm, routing, randomBits());
    this.rewriter = rewriter;
    this.decision = new Decision(vm, table, routing, release, rewriter);
    this.modelList = new ModelList(vm);
  }

  headers(contextId: u32, endOfStream: bool): u32 {
    const vm = this.vm;
    const pool = vm.ready || vm.adoptShared() ? this.routing.poolOfRoute() : -1;
    if (pool < 0) return this.release.withoutPool(null);
    const flags = vm.table.poolFlags[pool];
    if (endOfStream && (flags & POOL_FLAG_BY_MODEL) == 0) {
      return this.release.pick(contextId, null, pool, this.decision.priority(pool), 0, 0, 0, 0);
    }
    if (endOfStream) return this.withoutBody(contextId, pool);
    const api = getRequestHeader(HEADER_PATH)
      ? vm.table.apis.apiOf(pool, arrivedPtr(), arrivedBytes())
      : API_NONE;
    if (api == API_NONE) {
      return this.release.pick(contextId, null, pool, this.decision.priority(pool), 0, 0, 0, 0);
    }
    const state = this.table.add(contextId);
    state.api = api;
    state.startMs = monotonicMs();
    const settings = vm.settingsOf(contextId);
    state.byProperty = settings.pickByProperty;
    this.routing.remember(state, pool);
    const mayWait = settings.readsBodies && (flags & POOL_FLAG_READ_BODY) != 0;
    if (!mayWait || !this.beginBody(state, api)) {
      return this.decision.byHeaders(contextId, state, pool);
    }
    state.reading = true;
    const mayEdit = (flags & (POOL_FLAG_ADD_USAGE | POOL_FLAG_BY_MODEL)) != 0;
    state.edits = mayEdit || vm.table.rewrites.hasRules(pool);
    return ACTION_PAUSE;
  }

  /** `arrived` counts the bytes of this chunk; the end can be a call of its own without any. */
  body(contextId: u32, state: StreamState, arrived: u32, endOfStream: bool): u32 {
    if (!state.reading)
      return state.watching ? this.watch(state, arrived, endOfStream) : this.pass(state, arrived);
    if (state.limitBytes > 0) return this.discard(state, arrived, endOfStream);
    const pool = this.routing.poolAgain(state);
    if (pool < 0) return this.withoutPool(state);
    const scanner = state.scanner!;
    const table = this.vm.table;
    const limit = table.poolBodyLimit[pool];
    const window = min(table.poolBodyWindow[pool], limit);
    // Behind the window nothing is read that nothing depends on, in the same chunk as in later ones.
    const stopsEarly = !state.edits && !this.decision.binds(pool);
    const start = state.bodyBytes;
    state.windowBytes = window;
    let isWhole = endOfStream;
    let isAtLimit = false;
    for (let at: u32 = 0; at < arrived;) {
      // Nothing beyond the limit is read, however the body is cut.
      const room = limit - min(limit, state.bodyBytes);
      let wanted = min(min(PIECE_BYTES, arrived - at), room);
      if (stopsEarly && state.bodyBytes < window) wanted = min(wanted, window - state.bodyBytes);
      if (wanted == 0) {
        if (!scanner.modelSeen) {
          state.limitBytes = limit;
          return this.discard(state, arrived - at, endOfStream);
        }
        // As if the chunk ended at the limit, and the next one came after the release.
        isWhole = false;
        isAtLimit = true;
        if (!this.readOn(state, scanner, at, arrived) && this.decision.binds(pool))
          return this.repeated(state);
        break;
      }
      // A host that does not give the bytes leaves the model unknown: headers and load decide.
      if (!getBuffer(BUFFER_REQUEST_BODY, at, wanted) || arrivedBytes() == 0) {
        return state.isChanged ? this.notChanged(state) : this.decision.byHeaders(contextId, state, pool);
      }
      at += arrivedBytes();
      state.bodyBytes += arrivedBytes();
      if (scanner.feed(arrivedPtr(), arrivedBytes()) == SCAN_MALFORMED) {
        return this.unscannable(contextId, state, pool, scanner);
      }
      if (stopsEarly && state.bodyBytes >= window && this.decision.isReady(state, pool, scanner)) {
        if (at < arrived) isWhole = false;
        this.pass(state, arrived - at);
        break;
      }
    }
    if (state.edits && !this.rewriter.chunk(state, pool, scanner, start, arrived, endOfStream)) {
      return this.notChanged(state);
    }
    if (isWhole) return this.finish(contextId, state, pool, scanner);
    if (isAtLimit || (state.bodyBytes >= window && this.decision.isReady(state, pool, scanner))) {
      return this.decision.byBody(contextId, state, pool, scanner, false);
    }
    return ACTION_PAUSE_AND_WATERMARK;
  }

  /** Trailers end a body in place of a last chunk. */
  trailers(contextId: u32, state: StreamState): u32 {
    if (state.watching) return this.watch(state, 0, true);
    if (!state.reading) return ACTION_CONTINUE;
    if (state.limitBytes > 0) return this.discard(state, 0, true);
    const pool = this.routing.poolAgain(state);
    if (pool < 0) return this.withoutPool(state);
    // What is held back has no chunk any more to go with.
    return state.holdsBytes ? this.notChanged(state) : this.finish(contextId, state, pool, state.scanner!);
  }

  /** The table lost the pool while the body arrived; a body that is half changed goes nowhere. */
  private withoutPool(state: StreamState): u32 {
    return state.isChanged
      ? this.release.answer(state, NO_TABLE, "the pool of this request is gone")
      : this.release.withoutPool(state);
  }

  private notChanged(state: StreamState): u32 {
    return this.release.answer(state, REWRITE_FAILED, "the body of the request could not be changed");
  }

  /** On a route that several pools share: the list of models is of all of them, other requests go by header. */
  private withoutBody(contextId: u32, pool: i32): u32 {
    const route = this.routing.routeByModel(pool);
    if (route >= 0 && this.modelList.answers(route)) return ACTION_PAUSE;
    return this.decision.byHeaders(contextId, null, pool);
  }

  /** Gives the state what reads its kind of body; false where the body says nothing. */
  private beginBody(state: StreamState, api: u32): bool {
    if (api != API_OPENAI_AUDIO && api != API_OPENAI_IMAGES) {
      this.table.beginJson(state, this.mayHash(state.pool));
      return true;
    }
    if (getRequestHeader(HEADER_CONTENT_ENCODING) || !getRequestHeader(HEADER_CONTENT_TYPE)) return false;
    if (findBoundary(arrivedPtr(), arrivedBytes())) {
      return this.table.beginForm(state, boundaryPtr(), boundaryBytes());
    }
    if (!containsJson(arrivedPtr(), arrivedBytes())) return false;
    this.table.beginJson(state, false);
    return true;
  }

  /** The prompt may be hashed for the pick: on a route by model it is not known yet which pool's profile counts. */
  private mayHash(pool: i32): bool {
    const table = this.vm.table;
    return (table.poolFlags[pool] & POOL_FLAG_BY_MODEL) != 0 || this.vm.picker.usesPrefix(table, pool);
  }

  private finish(contextId: u32, state: StreamState, pool: i32, scanner: RequestScanner): u32 {
    // The same request as one whose headers end it: which of the two arrives is a client's or proxy's choice.
    if (state.bodyBytes == 0) return this.decision.byHeaders(contextId, state, pool);
    if (scanner.finish() == SCAN_MALFORMED) return this.unscannable(contextId, state, pool, scanner);
    return this.decision.byBody(contextId, state, pool, scanner, true);
  }

  /**
   * What is not JSON is refused, unless the request does not claim to be: another media type, or an encoding
   * that is not undone here. Then headers and load decide.
   */
  private unscannable(contextId: u32, state: StreamState, pool: i32, scanner: RequestScanner): u32 {
    const reason = scanner.errorReason;
    if (
      (reason == REASON_OTHER_ENCODING && !this.decision.binds(pool)) ||
      (reason == REASON_NOT_AN_OBJECT && (!this.claimsJson() || getRequestHeader(HEADER_CONTENT_ENCODING)))
    ) {
      return this.decision.byHeaders(contextId, state, pool);
    }
    return this.malformed(state, scanner);
  }

  private malformed(state: StreamState, scanner: RequestScanner): u32 {
    return this.release.answer(
      state,
      MALFORMED_BODY,
      (scanner instanceof MultipartScanner
        ? "the body is not a valid form: "
        : "the body is not a valid JSON object: ") +
        scanner.errorText() +
        " at byte " +
        scanner.errorOffset.toString(),
    );
  }

  /** A released body that nobody reads. */
  private pass(state: StreamState, arrived: u32): u32 {
    state.bodyBytes += min(arrived, u32.MAX_VALUE - state.bodyBytes);
    return ACTION_CONTINUE;
  }

  /**
   * The rest of a body that was released on the strength of its first `model`: servers take the last one, so another one ends the
   * request. Or only its salt matters.
   */
  private watch(state: StreamState, arrived: u32, endOfStream: bool): u32 {
    const scanner = state.scanner!;
    const start = state.bodyBytes;
    const isSame = this.readOn(state, scanner, 0, arrived);
    if (state.notes && (endOfStream || !isSame)) this.note(state, scanner, isSame);
    if (!state.binds) {
      if (!state.notes) this.table.endBody(state);
      return ACTION_CONTINUE;
    }
    if (!isSame) return this.repeated(state);
    // Some servers read deeper, and would see a model that is not seen here.
    if (scanner.errorReason == REASON_TOO_DEEP) return this.malformed(state, scanner);
    if (!state.addsUsage || state.objectEnded) return ACTION_CONTINUE;
    if (endOfStream) scanner.finish();
    // What the server was promised in length will not come.
    if (scanner.errorReason != REASON_NONE) return this.malformed(state, scanner);
    if (arrived == 0 || this.rewriter.chunk(state, state.pool, scanner, start, arrived, endOfStream)) {
      return ACTION_CONTINUE;
    }
    return this.notChanged(state);
  }

  /**
   * The body has ended, or cannot be relied on: a prompt without a salt is noted where it went. One whose salt came behind its release
   * never is, since it would show to those who do not have the salt; nor is it held against the request, which was sent where
   * everybody's prompt would have gone.
   */
  private note(state: StreamState, scanner: RequestScanner, isSame: bool): void {
    state.notes = false;
    const flight = state.flight;
    if (!isSame || flight == null || scanner.finish() == SCAN_MALFORMED || scanner.cacheSaltSeen) return;
    this.vm.flights.note(flight);
  }

  /** Reads `[at, arrived)` of a chunk for what may not come any more; false if the model is named again. */
  private readOn(state: StreamState, scanner: RequestScanner, at: u32, arrived: u32): bool {
    const decided = scanner.modelEnd;
    this.pass(state, arrived - at);
    while (at < arrived) {
      if (!getBuffer(BUFFER_REQUEST_BODY, at, min(PIECE_BYTES, arrived - at)) || arrivedBytes() == 0) break;
      at += arrivedBytes();
      // A malformed rest is the server's to refuse.
      if (scanner.feed(arrivedPtr(), arrivedBytes()) == SCAN_MALFORMED) break;
      if (scanner.modelEnd != decided) return false;
    }
    return true;
  }

  private repeated(state: StreamState): u32 {
    return this.release.answer(
      state,
      MODEL_REPEATED,
      "model is given twice, the second time behind the body's window",
    );
  }

  /**
   * The answer to a body beyond the limit waits until the client has sent it all, since HTTP/2 clients
   * lose an answer that comes while they send; a client that sends on and on is cut off.
   */
  private discard(state: StreamState, arrived: u32, endOfStream: bool): u32 {
    const limit = state.limitBytes;
    this.pass(state, arrived);
    if (!endOfStream && <u64>state.bodyBytes < <u64>limit * DISCARD_LIMITS) return ACTION_DISCARD;
    this.routing.poolAgain(state);
    return this.release.answer(
      state,
      BODY_TOO_LARGE,
      "the body is over the limit of " + limit.toString() + " bytes for a body whose model comes late",
    );
  }

  /** Whether the request says that its body is JSON. */
  private claimsJson(): bool {
    return getRequestHeader(HEADER_CONTENT_TYPE) && containsJson(arrivedPtr(), arrivedBytes());
  }
}

/** Does it hold the letters `json` in either case? */
function containsJson(ptr: usize, bytes: i32): bool {
  for (let i = 0; i + 4 <= bytes; i++) {
    if ((u32At(ptr + i) | 0x20202020) == 0x6e6f736a) return true;
  }
  return false;
}
