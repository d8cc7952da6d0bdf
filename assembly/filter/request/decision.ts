import { getRequestHeader, removeRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { ACTION_CONTINUE } from "../../abi/status";
import { RequestScanner } from "../../core/body/request_scanner";
import { addressOf } from "../../wire/bytes";
import {
  MODEL_FLAG_PRIORITY,
  POOL_FLAG_BY_MODEL,
  POOL_FLAG_KNOWN_MODELS_ONLY,
  POOL_FLAG_REQUIRE_MODEL,
  POOL_FLAG_RESTORE_MODEL,
} from "../../wire/layout";
import { MODEL_INVALID, MODEL_MISSING, MODEL_UNKNOWN, REWRITE_FAILED } from "../answers";
import { HEADER_ACCEPT_ENCODING, HEADER_OBJECTIVE } from "../names";
import { Routing } from "../routing";
import { StreamState } from "../stream_state";
import { StreamTable } from "../stream_table";
import { Vm } from "../vm";
import { AskedModel } from "./asked_model";
import { Release, text } from "./release";
import { Rewriter } from "./rewriter";

/**
 * What becomes of a request once its model is known, or known to be unknown: which pool, whether it is served at all,
 * what its model is rewritten to, and the changes of the body that follow.
 */
export class Decision {
  private readonly asked: AskedModel = new AskedModel();

  constructor(
    private readonly vm: Vm,
    private readonly table: StreamTable,
    private readonly routing: Routing,
    private readonly release: Release,
    private readonly rewriter: Rewriter,
  ) {}

  /** Enough of the body was seen to decide before its end. Where usage may be asked for, `stream` matters too. */
  isReady(state: StreamState, pool: i32, scanner: RequestScanner): bool {
    if (!scanner.modelSeen) return false;
    // Where the model comes behind the messages, tools and salt do too, and little else: the end is near.
    if (scanner.chain.isOn && scanner.chain.growsBefore(scanner.modelStart)) return false;
    return scanner.streamSeen || !this.rewriter.mayWantUsage(state, pool, scanner);
  }

  /** Something depends on the model, so that it must be the one that the server goes by. */
  binds(pool: i32): bool {
    const binding = POOL_FLAG_KNOWN_MODELS_ONLY | POOL_FLAG_REQUIRE_MODEL | POOL_FLAG_BY_MODEL;
    return (this.vm.table.poolFlags[pool] & binding) != 0 || this.vm.table.rewrites.hasRules(pool);
  }

  /** The body is not read, or says nothing: the model is that of header or path, and nothing of the body changes. */
  byHeaders(contextId: u32, state: StreamState | null, pool: i32): u32 {
    const asked = this.asked;
    asked.ofHeaders(this.vm.table.apis, pool);
    if (state != null) this.table.endBody(state);
    const chosen = this.poolFor(state, pool);
    const priority = this.priorityByModel(chosen);
    return this.release.pick(contextId, state, chosen, priority, asked.ptr, asked.bytes, 0, 0);
  }

  /** `whole`: the body has been read to its end. */
  byBody(contextId: u32, state: StreamState, pool: i32, scanner: RequestScanner, whole: bool): u32 {
    const asked = this.asked;
    const flagsOfRoute = this.vm.table.poolFlags[pool];
    if (scanner.modelSeen) {
      if (!scanner.modelIsString || scanner.modelTooLong) {
        return this.release.answer(state, MODEL_INVALID, "model must be a string of at most 1024 bytes");
      }
      asked.ofBody(scanner);
    }
    // The servers take an empty name for none.
    if (!scanner.modelSeen || scanner.modelBytes == 0) {
      asked.ofHeaders(this.vm.table.apis, pool);
      if (asked.bytes == 0 && (flagsOfRoute & POOL_FLAG_REQUIRE_MODEL) != 0) {
        return this.release.answer(state, MODEL_MISSING, "you must provide a model parameter");
      }
    }
    const chosen = this.poolFor(state, pool);
    const table = this.vm.table;
    const flags = table.poolFlags[chosen];
    const rewritten = state.targetBytes > 0;
    if (chosen != pool && rewritten && !this.isTargetOf(chosen, state)) {
      return this.release.answer(state, REWRITE_FAILED, "the pools changed while the request arrived");
    }
    const ruled = (flags & POOL_FLAG_KNOWN_MODELS_ONLY) != 0;
    if (ruled && asked.bytes > 0 && !rewritten && !table.knowsModel(chosen, asked.ptr, asked.bytes)) {
      this.release.account(state, asked.ptr, asked.bytes, 0, 0);
      const name = text(asked.ptr, asked.bytes);
      return this.release.answer(state, MODEL_UNKNOWN, "the model `" + name + "` does not exist");
    }
    if (!state.objectEnded) state.addsUsage = this.rewriter.wantsUsage(state, pool, scanner);
    if (!this.rewriter.correctLength(state)) {
      return this.release.answer(state, REWRITE_FAILED, "the length of the request could not be corrected");
    }
    this.undoInAnswer(state, flags);
    state.isWhole = whole;
    const priority = this.priorityByModel(chosen);
    const action = this.release.pick(
      contextId,
      state,
      chosen,
      priority,
      asked.ptr,
      asked.bytes,
      addressOf(state.target),
      state.targetBytes,
    );
    if (action != ACTION_CONTINUE) return action;
    state.reading = false;
    // What comes after release can no longer be held, but where the model is a rule it is still read.
    const binds = scanner.modelSeen && (ruled || rewritten || (flagsOfRoute & POOL_FLAG_BY_MODEL) != 0);
    state.binds = binds || state.addsUsage;
    state.notes = !whole && this.isWorthNoting(state);
    // What has been hashed is enough.
    scanner.chain.isOn = false;
    if (!whole && (state.binds || state.notes)) state.watching = true;
    else this.table.endBody(state);
    return action;
  }

  /** The prompt is new to its endpoint, and whether it has a salt only the rest of the body tells. */
  private isWorthNoting(state: StreamState): bool {
    const flight = state.flight;
    return flight != null && this.vm.flights.isWorthNoting(flight);
  }

  /** The answer shall not tell of what was changed in the request. */
  private undoInAnswer(state: StreamState, flags: u32): void {
    const renames = state.targetBytes > 0 && this.asked.bytes > 0 && (flags & POOL_FLAG_RESTORE_MODEL) != 0;
    if (!renames && !state.addsUsage) return;
    const targetBytes = renames ? state.targetBytes : 0;
    const askedBytes = renames ? this.asked.bytes : 0;
    // What an endpoint compresses cannot be edited; an edit clears the route cache, so only where there is one.
    if (getRequestHeader(HEADER_ACCEPT_ENCODING)) removeRequestHeader(HEADER_ACCEPT_ENCODING);
    const editor = this.table.beginEdit(state);
    editor.begin(addressOf(state.target), targetBytes, this.asked.ptr, askedBytes, state.addsUsage);
  }

  private poolFor(state: StreamState | null, pool: i32): i32 {
    const chosen = this.routing.byModel(pool, this.asked.ptr, this.asked.bytes);
    if (state != null && chosen != pool) state.pool = chosen;
    return chosen;
  }

  private isTargetOf(pool: i32, state: StreamState): bool {
    return this.vm.table.rewrites.targetOf(pool, addressOf(state.target), state.targetBytes) >= 0;
  }

  /** By the request's objective; 0 without one. */
  priority(pool: i32): i32 {
    const table = this.vm.table;
    return table.poolObjectiveCount[pool] > 0 && getRequestHeader(HEADER_OBJECTIVE)
      ? table.objectivePriority(pool, arrivedPtr(), arrivedBytes())
      : 0;
  }

  /** By the request's objective, else by its model. */
  private priorityByModel(pool: i32): i32 {
    const table = this.vm.table;
    if (table.poolObjectiveCount[pool] > 0 && getRequestHeader(HEADER_OBJECTIVE)) {
      return table.objectivePriority(pool, arrivedPtr(), arrivedBytes());
    }
    if (this.asked.bytes == 0) return 0;
    const model = table.modelIndex(pool, this.asked.ptr, this.asked.bytes);
    return model >= 0 && (table.modelFlags[model] & MODEL_FLAG_PRIORITY) != 0
      ? table.modelPriority[model]
      : 0;
  }
}
