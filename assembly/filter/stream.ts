import { BUFFER_REQUEST_BODY, getBuffer } from "../abi/buffers";
import { getRequestHeader, removeRequestHeader, setRequestHeader } from "../abi/headers";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { Counter } from "../abi/metrics";
import { getProperty, setProperty } from "../abi/properties";
import { ACTION_CONTINUE, ACTION_DISCARD, ACTION_PAUSE, ACTION_PAUSE_AND_WATERMARK } from "../abi/status";
import { BodyScanner, SCAN_MALFORMED } from "../core/body/body_scanner";
import { REASON_NOT_AN_OBJECT } from "../core/body/scan_codes";
import { PICKS_MAX } from "../core/picker";
import { PickRequest } from "../core/request";
import {
  FAILURE_MODE_FAIL_OPEN,
  POOL_FLAG_KNOWN_MODELS_ONLY,
  POOL_FLAG_READ_BODY,
  POOL_FLAG_REQUIRE_MODEL,
} from "../wire/layout";
import {
  Answer,
  BODY_TOO_LARGE,
  MALFORMED_BODY,
  MODEL_INVALID,
  MODEL_MISSING,
  MODEL_REPEATED,
  MODEL_UNKNOWN,
  NO_ENDPOINT,
  NO_TABLE,
  SHED,
} from "./answers";
import {
  HEADER_CONTENT_ENCODING,
  HEADER_CONTENT_TYPE,
  HEADER_MAX_RETRIES,
  HEADER_OBJECTIVE,
  HEADER_PICK,
  PROPERTY_CLUSTER,
  PROPERTY_CLUSTER_FAILURE_MODE,
  PROPERTY_CLUSTER_POOL,
  PROPERTY_PICK,
  PROPERTY_RETRIES,
  PROPERTY_ROUTE_FAILURE_MODE,
  PROPERTY_ROUTE_POOL,
} from "./names";
import { StreamState, StreamTable } from "./stream_table";
import { Vm } from "./vm";

/** The body is fetched and scanned in pieces of this size, which stay in the cache. */
const PIECE_BYTES: u32 = 65536;
/** Times the body limit that a client may send before it is answered in mid-body. */
const DISCARD_LIMITS: u64 = 4;
/** Until usage corrects it: bytes of JSON per prompt token, English text and its framing. */
const BYTES_PER_TOKEN: u32 = 4;
/** Three `ip:port` with commas; an IPv6 address with port takes 47 bytes. */
const PICK_BYTES: i32 = 512;

/** One request's way through a VM: headers → body → pick → account. */
export class Streams {
  private readonly table: StreamTable = new StreamTable();
  private readonly request: PickRequest = new PickRequest();
  private readonly picks: StaticArray<u8> = new StaticArray<u8>(PICK_BYTES);
  private readonly retries: usize = memory.data(8);
  private readonly unpicked: Counter = new Counter("inference_picker.fail_open");
  private readonly answered: Counter = new Counter("inference_picker.answers");

  constructor(private readonly vm: Vm) {}

  headers(contextId: u32, endOfStream: bool): u32 {
    const vm = this.vm;
    const pool = vm.ready || vm.adoptShared() ? this.poolOfRoute() : -1;
    if (pool < 0) return this.withoutPool(null);
    let priority = 0;
    if (vm.table.poolObjectiveCount[pool] > 0 && getRequestHeader(HEADER_OBJECTIVE)) {
      priority = vm.table.objectivePriority(pool, arrivedPtr(), arrivedBytes());
    }
    if (endOfStream || (vm.table.poolFlags[pool] & POOL_FLAG_READ_BODY) == 0) {
      return this.pick(contextId, null, pool, priority, null);
    }
    const state = this.table.add(contextId);
    state.priority = priority;
    state.byProperty = vm.picksByProperty(contextId);
    this.remember(state, pool);
    this.table.beginBody(state);
    return ACTION_PAUSE;
  }

  /** `arrived` counts the bytes of this chunk; the end can be a call of its own without any. */
  body(contextId: u32, arrived: u32, endOfStream: bool): u32 {
    const state = this.table.find(contextId);
    if (state == null || !state.reading) return ACTION_CONTINUE;
    if (state.limitBytes > 0) return this.discard(state, arrived, endOfStream);
    const scanner = state.scanner!;
    if (state.account >= 0) return this.watch(state, scanner, arrived);
    const pool = this.poolAgain(state);
    if (pool < 0) return this.withoutPool(state);
    const table = this.vm.table;
    const limit = table.poolBodyLimit[pool];
    const window = min(table.poolBodyWindow[pool], limit);
    for (let at: u32 = 0; at < arrived;) {
      // Nothing beyond the limit is read, however the body is cut.
      const room = limit - min(limit, state.scannedBytes);
      const wanted = min(min(PIECE_BYTES, arrived - at), room);
      if (wanted == 0) {
        state.limitBytes = limit;
        return this.discard(state, arrived - at, endOfStream);
      }
      // A host that does not give the bytes leaves the model unknown: headers and load decide.
      if (!getBuffer(BUFFER_REQUEST_BODY, at, wanted) || arrivedBytes() == 0) {
        return this.pick(contextId, state, pool, state.priority, null);
      }
      at += arrivedBytes();
      state.scannedBytes += arrivedBytes();
      if (scanner.feed(arrivedPtr(), arrivedBytes()) == SCAN_MALFORMED) {
        return this.unscannable(contextId, state, pool, scanner);
      }
      if (scanner.modelSeen && state.scannedBytes >= window) {
        return this.pickByModel(contextId, state, pool, scanner, endOfStream && at == arrived);
      }
    }
    return endOfStream ? this.finish(contextId, state, pool, scanner) : ACTION_PAUSE_AND_WATERMARK;
  }

  /** Trailers end a body in place of a last chunk. */
  trailers(contextId: u32): u32 {
    const state = this.table.find(contextId);
    if (state == null || !state.reading || state.account >= 0) return ACTION_CONTINUE;
    if (state.limitBytes > 0) return this.discard(state, 0, true);
    const pool = this.poolAgain(state);
    return pool < 0 ? this.withoutPool(state) : this.finish(contextId, state, pool, state.scanner!);
  }

  private finish(contextId: u32, state: StreamState, pool: i32, scanner: BodyScanner): u32 {
    // The same request as one whose headers end it: which of the two arrives is a client's or proxy's choice.
    if (state.scannedBytes == 0) return this.pick(contextId, state, pool, state.priority, null);
    if (scanner.finish() == SCAN_MALFORMED) return this.unscannable(contextId, state, pool, scanner);
    return this.pickByModel(contextId, state, pool, scanner, true);
  }

  /**
   * What is not JSON is refused, unless the request does not claim to be: another media type, or an encoding
   * that is not undone here. Then headers and load decide.
   */
  private unscannable(contextId: u32, state: StreamState, pool: i32, scanner: BodyScanner): u32 {
    const notAnObject = scanner.errorReason == REASON_NOT_AN_OBJECT;
    if (notAnObject && (!this.claimsJson() || getRequestHeader(HEADER_CONTENT_ENCODING))) {
      return this.pick(contextId, state, pool, state.priority, null);
    }
    return this.answer(
      state,
      MALFORMED_BODY,
      "the body is not a valid JSON object: " +
        scanner.errorText() +
        " at byte " +
        scanner.errorOffset.toString(),
    );
  }

  /**
   * The rest of a body that was released on the strength of its first `model`: servers take the last one,
   * so another one ends the request.
   */
  private watch(state: StreamState, scanner: BodyScanner, arrived: u32): u32 {
    const decided = scanner.modelEnd;
    for (let at: u32 = 0; at < arrived;) {
      if (!getBuffer(BUFFER_REQUEST_BODY, at, min(PIECE_BYTES, arrived - at)) || arrivedBytes() == 0) break;
      at += arrivedBytes();
      if (scanner.feed(arrivedPtr(), arrivedBytes()) == SCAN_MALFORMED) break;
      if (scanner.modelEnd != decided) {
        return this.answer(
          state,
          MODEL_REPEATED,
          "model is given twice, the second time behind the body's window",
        );
      }
    }
    return ACTION_CONTINUE;
  }

  /**
   * The answer to a body beyond the limit waits until the client has sent it all, since HTTP/2 clients
   * lose an answer that comes while they send; a client that sends on and on is cut off.
   */
  private discard(state: StreamState, arrived: u32, endOfStream: bool): u32 {
    const limit = state.limitBytes;
    state.scannedBytes += min(arrived, u32.MAX_VALUE - state.scannedBytes);
    if (!endOfStream && <u64>state.scannedBytes < <u64>limit * DISCARD_LIMITS) return ACTION_DISCARD;
    return this.answer(
      state,
      BODY_TOO_LARGE,
      "the body is over the limit of " + limit.toString() + " bytes for a body whose model comes late",
    );
  }

  /** The request is over, however it ended. */
  end(contextId: u32): void {
    const state = this.table.find(contextId);
    if (state == null) return;
    if (state.account >= 0) {
      this.vm.ledger.close(state.account, state.uncachedTokens, state.residentTokens);
    }
    this.table.remove(state);
  }

  /** `whole`: the body has been read to its end. */
  private pickByModel(contextId: u32, state: StreamState, pool: i32, scanner: BodyScanner, whole: bool): u32 {
    const table = this.vm.table;
    const flags = table.poolFlags[pool];
    if (!scanner.modelSeen) {
      if ((flags & POOL_FLAG_REQUIRE_MODEL) != 0)
        return this.answer(state, MODEL_MISSING, "you must provide a model parameter");
      return this.pick(contextId, state, pool, state.priority, null);
    }
    if (!scanner.modelIsString || scanner.modelTooLong) {
      return this.answer(state, MODEL_INVALID, "model must be a string of at most 1024 bytes");
    }
    const ruled = (flags & POOL_FLAG_KNOWN_MODELS_ONLY) != 0;
    if (ruled && table.modelIndex(pool, scanner.modelPtr(), scanner.modelBytes) < 0) {
      const name = text(scanner.modelPtr(), scanner.modelBytes);
      return this.answer(state, MODEL_UNKNOWN, "the model `" + name + "` does not exist");
    }
    const action = this.pick(contextId, state, pool, state.priority, scanner);
    // What comes after release can no longer be held, but where the model is a rule it is still read.
    if (!ruled || whole || state.account < 0) this.table.endBody(state);
    return action;
  }

  /** Picks and lets the request go on; `state` is null where nothing had to be kept so far. */
  private pick(
    contextId: u32,
    known: StreamState | null,
    pool: i32,
    priority: i32,
    scanner: BodyScanner | null,
  ): u32 {
    const vm = this.vm;
    const bodyBytes = known != null ? known.scannedBytes : 0;
    const table = vm.table;
    if (priority < 0 && table.saturation(pool) >= 1) {
      return this.answer(known, SHED, "the pool is saturated and the request's objective may be shed");
    }
    const request = this.request;
    request.modelPtr = scanner != null ? scanner.modelPtr() : 0;
    request.modelBytes = scanner != null ? scanner.modelBytes : 0;
    request.promptBytes = bodyBytes;
    request.priority = priority;
    const count = vm.picker.pick(table, vm.ledger, pool, request);
    if (count == 0) {
      if (table.poolFailureMode[pool] == FAILURE_MODE_FAIL_OPEN) return this.failOpen(known);
      return this.answer(
        known,
        NO_ENDPOINT,
        "no endpoint of pool " + text(table.poolNamePtr(pool), table.poolNameBytes(pool)) + " is ready",
      );
    }
    const byProperty = known != null ? known.byProperty : vm.picksByProperty(contextId);
    this.name(count, table.poolFailureMode[pool], byProperty);
    const state = known != null ? known : this.table.add(contextId);
    if (scanner == null) this.table.endBody(state);
    state.uncachedTokens = bodyBytes / BYTES_PER_TOKEN;
    state.residentTokens = state.uncachedTokens;
    state.account = table.rowAccount[vm.picker.picked[0]];
    vm.ledger.open(state.account, state.uncachedTokens, state.residentTokens);
    vm.picks++;
    return ACTION_CONTINUE;
  }

  /**
   * Tells Envoy the picked hosts, and caps the retries where the list is short: one beyond the list would
   * discard the last endpoint's own answer for Envoy's bare 503.
   */
  private name(count: i32, failureMode: u32, byProperty: bool): void {
    const bytes = this.writePicks(count);
    const isShort = count < PICKS_MAX && failureMode != FAILURE_MODE_FAIL_OPEN;
    if (isShort) store<u8>(this.retries, <u8>(0x30 + count - 1));
    if (byProperty) {
      setProperty(PROPERTY_PICK, changetype<usize>(this.picks), bytes);
      if (isShort) setProperty(PROPERTY_RETRIES, this.retries, 1);
    } else {
      setRequestHeader(HEADER_PICK, changetype<usize>(this.picks), bytes);
      if (isShort) setRequestHeader(HEADER_MAX_RETRIES, this.retries, 1);
    }
  }

  /** `best,next,next` into the pick buffer; returns its bytes. */
  private writePicks(count: i32): i32 {
    const table = this.vm.table;
    const picked = this.vm.picker.picked;
    const start = changetype<usize>(this.picks);
    let at = start;
    for (let i = 0; i < min(count, PICKS_MAX); i++) {
      const bytes = table.addressBytes(picked[i]);
      if (<i32>(at - start) + bytes + 1 > PICK_BYTES) break;
      if (i > 0) store<u8>(at++, 0x2c);
      memory.copy(at, table.addressPtr(picked[i]), bytes);
      at += bytes;
    }
    return <i32>(at - start);
  }

  /** The pool of the route's cluster, else of the route's own metadata; -1: not ours. */
  private poolOfRoute(): i32 {
    if (getProperty(PROPERTY_CLUSTER)) {
      const pool = this.vm.table.poolOfCluster(arrivedPtr(), arrivedBytes());
      if (pool >= 0) return pool;
    }
    return getProperty(PROPERTY_ROUTE_POOL) ? this.vm.table.poolOfName(arrivedPtr(), arrivedBytes()) : -1;
  }

  private remember(state: StreamState, pool: i32): void {
    state.pool = pool;
    state.tableEpoch = this.vm.table.epoch;
    state.tableSequence = this.vm.table.sequence;
  }

  /** Rows and pools move with every table: a pool remembered from an older one is looked up again. */
  private poolAgain(state: StreamState): i32 {
    const table = this.vm.table;
    if (state.tableSequence != table.sequence || state.tableEpoch != table.epoch) {
      this.remember(state, this.poolOfRoute());
    }
    return state.pool;
  }

  /** Whether the request says that its body is JSON. */
  private claimsJson(): bool {
    return getRequestHeader(HEADER_CONTENT_TYPE) && contains(arrivedPtr(), arrivedBytes(), 0x6a736f6e);
  }

  private answer(state: StreamState | null, answer: Answer, message: string): u32 {
    if (state != null) this.table.endBody(state);
    this.answered.add();
    answer.send(message);
    return ACTION_PAUSE;
  }

  /** Goes on without a pick of ours, and without one of the client's: the cluster's fallback policy decides. */
  private failOpen(state: StreamState | null): u32 {
    if (state != null) this.table.endBody(state);
    this.unpicked.add();
    // Only a header that is there is removed: an edit clears the route cache.
    if (getRequestHeader(HEADER_PICK)) removeRequestHeader(HEADER_PICK);
    return ACTION_CONTINUE;
  }

  /**
   * No table, or none that knows the route's pool: metadata says whether it is ours and how it fails. A route
   * over several pools bears none, so the cluster is asked first. What is not ours is left as it is.
   */
  private withoutPool(state: StreamState | null): u32 {
    let mode = PROPERTY_CLUSTER_FAILURE_MODE;
    if (!getProperty(PROPERTY_CLUSTER_POOL)) {
      if (!getProperty(PROPERTY_ROUTE_POOL)) {
        if (state != null) this.table.endBody(state);
        return ACTION_CONTINUE;
      }
      mode = PROPERTY_ROUTE_FAILURE_MODE;
    }
    if (getProperty(mode) && isFailOpen(arrivedPtr(), arrivedBytes())) return this.failOpen(state);
    return this.answer(state, NO_TABLE, "no endpoint table that knows this pool has reached this proxy yet");
  }
}

function text(ptr: usize, bytes: i32): string {
  return String.UTF8.decodeUnsafe(ptr, bytes);
}

function isFailOpen(ptr: usize, bytes: i32): bool {
  return bytes == 8 && load<u64>(ptr) == 0x6e65704f6c696146; // "FailOpen"
}

/** Does it hold the four ASCII letters, given as a big-endian word, in either case? */
function contains(ptr: usize, bytes: i32, word: u32): bool {
  for (let i = 0; i + 4 <= bytes; i++) {
    if ((bswap<u32>(load<u32>(ptr + i)) | 0x20202020) == word) return true;
  }
  return false;
}
