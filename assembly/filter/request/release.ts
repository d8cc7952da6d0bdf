import { randomBits } from "../../abi/clock";
import { getRequestHeader, removeRequestHeader, setRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { Counter } from "../../abi/metrics";
import { getProperty, setProperty } from "../../abi/properties";
import { ACTION_CONTINUE, ACTION_PAUSE } from "../../abi/status";
import { ATTEMPT_FAILED, ATTEMPT_FOUND } from "../../core/accounts/outcome";
import { PICKS_MAX } from "../../core/picker";
import { PickRequest } from "../../core/request";
import { addressOf, putU8, u64At } from "../../wire/bytes";
import { API_NONE, FAILURE_MODE_FAIL_OPEN, POOL_PICK_FLAG_SESSION } from "../../wire/layout";
import { Answer, NO_ELIGIBLE, NO_ENDPOINT, NO_TABLE, SHED } from "../answers";
import {
  HEADER_MAX_RETRIES,
  HEADER_PICK,
  PROPERTY_CLUSTER_FAILURE_MODE,
  PROPERTY_CLUSTER_POOL,
  PROPERTY_MODEL,
  PROPERTY_PICK,
  PROPERTY_REASON,
  PROPERTY_RETRIES,
  PROPERTY_ROUTE_FAILURE_MODE,
  PROPERTY_ROUTE_POOL,
  PROPERTY_TARGET,
} from "../names";
import { PickReasons } from "../pick_reasons";
import { StreamState } from "../stream_state";
import { StreamTable } from "../stream_table";
import { Vm } from "../vm";
import { PickInputs } from "./pick_inputs";
import { Prompt } from "./prompt";

/** Three `ip:port` with commas; an IPv6 address with port takes 47 bytes. */
const PICK_BYTES: i32 = 512;

/** How a request leaves the filter: picked for, unpicked under FailOpen, or answered here. */
export class Release {
  private readonly request: PickRequest = new PickRequest();
  private readonly prompt: Prompt;
  private readonly inputs: PickInputs;
  private readonly picks: StaticArray<u8> = new StaticArray<u8>(PICK_BYTES);
  private readonly retries: StaticArray<u8> = new StaticArray<u8>(1);
  private readonly reasons: PickReasons = new PickReasons();
  private readonly unpicked: Counter = new Counter("inference_picker.fail_open");
  private readonly answered: Counter = new Counter("inference_picker.answers");

  constructor(
    private readonly vm: Vm,
    private readonly table: StreamTable,
  ) {
    this.prompt = new Prompt(vm);
    this.inputs = new PickInputs(vm);
    this.request.subset.reseed(randomBits());
  }

  /**
   * Picks and lets the request go on; `known` is null where nothing had to be kept so far. The model is the one asked
   * for, the target what it was rewritten to (0 bytes: not); neither may lie in the arrival buffer.
   */
  pick(
    contextId: u32,
    known: StreamState | null,
    pool: i32,
    priority: i32,
    model: usize,
    modelBytes: i32,
    target: usize,
    targetBytes: i32,
  ): u32 {
    const vm = this.vm;
    const table = vm.table;
    if (known != null) this.account(known, model, modelBytes, target, targetBytes);
    if (priority < 0 && table.saturation(pool) >= 1) {
      return this.answer(known, SHED, "the pool is saturated and the request's objective may be shed");
    }
    const request = this.request;
    request.reset();
    request.modelPtr = targetBytes > 0 ? target : model;
    request.modelBytes = targetBytes > 0 ? targetBytes : modelBytes;
    request.priority = priority;
    // The clock is not asked again: a body that took longer than a tick is late by less than one.
    request.nowMs = vm.tickedMs;
    if (known != null) {
      request.nowMs = max<f64>(vm.tickedMs, known.startMs);
      this.prompt.describe(request, known, pool);
    }
    this.inputs.read(request, pool);
    const count = vm.picker.pick(table, vm.flights, pool, request);
    if (known != null) known.attempt = count == 0 ? ATTEMPT_FAILED : ATTEMPT_FOUND;
    // Elsewhere it must not go, whatever the pool's failure mode.
    if (count == 0 && (request.subset.isSet || vm.picker.excluded)) {
      return this.answer(known, NO_ELIGIBLE, "no endpoint that this request may go to is ready");
    }
    if (count == 0) {
      if (table.poolFailureMode[pool] == FAILURE_MODE_FAIL_OPEN) return this.failOpen();
      return this.answer(
        known,
        NO_ENDPOINT,
        "no endpoint of pool " + text(table.poolNamePtr(pool), table.poolNameBytes(pool)) + " is ready",
      );
    }
    const byProperty = known != null ? known.byProperty : vm.settingsOf(contextId).pickByProperty;
    this.name(count, table.poolFailureMode[pool], byProperty);
    if (known != null && known.row >= 0) {
      const reason = this.reasons.of(
        table.poolProfile[pool],
        vm.picker.candidates,
        vm.picker.tied,
        table.saturation(pool),
      );
      setProperty(PROPERTY_REASON, reason.ptr, reason.bytes);
    }
    const state = known != null ? known : this.table.add(contextId);
    const picked = vm.picker.picked;
    for (let i = 0; i < count; i++) unchecked((state.picks[i] = table.rowAccount[unchecked(picked[i])]));
    state.pickCount = count;
    state.tellsSession = (table.poolPickFlags[pool] & POOL_PICK_FLAG_SESSION) != 0;
    if (state.tellsSession) {
      for (let i = 0; i < count; i++) state.sessions[i] = table.sessions.of(unchecked(picked[i]));
    }
    state.flight = vm.flights.open(table, pool, unchecked(picked[0]), request);
    vm.picks++;
    return ACTION_CONTINUE;
  }

  answer(state: StreamState | null, answer: Answer, message: string): u32 {
    let api = API_NONE;
    if (state != null) {
      if (state.row < 0) this.account(state, 0, 0, 0, 0);
      this.table.endBody(state);
      state.answer = answer;
      api = state.api;
    }
    this.answered.add();
    this.vm.garbage.answered();
    answer.send(message, api);
    return ACTION_PAUSE;
  }

  /** Goes on without a pick of ours, and without one of the client's: the cluster's fallback policy decides. */
  failOpen(): u32 {
    this.unpicked.add();
    // Only a header that is there is removed: an edit clears the route cache.
    if (getRequestHeader(HEADER_PICK)) removeRequestHeader(HEADER_PICK);
    return ACTION_CONTINUE;
  }

  /**
   * No table, or none that knows the route's pool: metadata says whether it is ours and how it fails. A route
   * over several pools bears none, so the cluster is asked first. What is not ours is left as it is.
   */
  withoutPool(state: StreamState | null): u32 {
    let mode = PROPERTY_CLUSTER_FAILURE_MODE;
    if (!getProperty(PROPERTY_CLUSTER_POOL)) {
      if (!getProperty(PROPERTY_ROUTE_POOL)) {
        if (state != null) this.table.endBody(state);
        return ACTION_CONTINUE;
      }
      mode = PROPERTY_ROUTE_FAILURE_MODE;
    }
    if (getProperty(mode) && isFailOpen(arrivedPtr(), arrivedBytes())) {
      if (state != null) this.table.endBody(state);
      return this.failOpen();
    }
    return this.answer(state, NO_TABLE, "no endpoint table that knows this pool has reached this proxy yet");
  }

  /** From here on a request of an API counts, and access logs know what it asked for. */
  account(state: StreamState, model: usize, modelBytes: i32, target: usize, targetBytes: i32): void {
    if (state.api == API_NONE || state.pool < 0) return;
    const telemetry = this.vm.telemetry;
    state.row =
      targetBytes > 0
        ? telemetry.accounts.rowOf(this.vm.table, state.pool, model, modelBytes, target, targetBytes)
        : telemetry.accounts.rowOf(this.vm.table, state.pool, model, modelBytes, model, modelBytes);
    telemetry.started(state.row);
    if (modelBytes > 0) setProperty(PROPERTY_MODEL, model, modelBytes);
    if (targetBytes > 0) setProperty(PROPERTY_TARGET, target, targetBytes);
  }

  /**
   * Tells Envoy the picked hosts, and caps the retries where the list is short: one beyond the list would
   * discard the last endpoint's own answer for Envoy's bare 503.
   */
  private name(count: i32, failureMode: u32, byProperty: bool): void {
    const list = addressOf(this.picks);
    const bytes = this.writePicks(count);
    const isShort = count < PICKS_MAX && failureMode != FAILURE_MODE_FAIL_OPEN;
    const retries = addressOf(this.retries);
    if (isShort) putU8(retries, 0x30 + count - 1);
    if (byProperty) {
      setProperty(PROPERTY_PICK, list, bytes);
      if (isShort) setProperty(PROPERTY_RETRIES, retries, 1);
    } else {
      setRequestHeader(HEADER_PICK, list, bytes);
      if (isShort) setRequestHeader(HEADER_MAX_RETRIES, retries, 1);
    }
  }

  /** `best,next,next` into the pick buffer; returns its bytes. */
  private writePicks(count: i32): i32 {
    const table = this.vm.table;
    const picked = this.vm.picker.picked;
    const start = addressOf(this.picks);
    let at = start;
    for (let i = 0; i < min(count, PICKS_MAX); i++) {
      const bytes = table.addressBytes(picked[i]);
      if (<i32>(at - start) + bytes + 1 > PICK_BYTES) break;
      if (i > 0) putU8(at++, 0x2c);
      memory.copy(at, table.addressPtr(picked[i]), bytes);
      at += bytes;
    }
    return <i32>(at - start);
  }
}

/** For the messages of rare answers only: it allocates. */
export function text(ptr: usize, bytes: i32): string {
  return String.UTF8.decodeUnsafe(ptr, bytes);
}

function isFailOpen(ptr: usize, bytes: i32): bool {
  return bytes == 8 && u64At(ptr) == 0x6e65704f6c696146; // "FailOpen"
}
