import { removeRequestHeader, setRequestHeader } from "../abi/headers";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { getProperty } from "../abi/properties";
import { u8At } from "../wire/bytes";
import { POOL_FLAG_BY_MODEL } from "../wire/layout";
import {
  HEADER_MODEL_NAME,
  HEADER_POOL,
  PROPERTY_CLUSTER,
  PROPERTY_ROUTE_NAME,
  PROPERTY_ROUTE_POOL,
} from "./names";
import { StreamState } from "./stream_state";
import { Vm } from "./vm";

/** Which pool a request is for: by its route, then, where several share the route, by its model. */
export class Routing {
  constructor(private readonly vm: Vm) {}

  /** The pool of the route's cluster, else of the route's own metadata; -1: not ours. */
  poolOfRoute(): i32 {
    if (getProperty(PROPERTY_CLUSTER)) {
      const pool = this.vm.table.poolOfCluster(arrivedPtr(), arrivedBytes());
      if (pool >= 0) return pool;
    }
    return getProperty(PROPERTY_ROUTE_POOL) ? this.vm.table.poolOfName(arrivedPtr(), arrivedBytes()) : -1;
  }

  remember(state: StreamState, pool: i32): void {
    state.pool = pool;
    state.tableEpoch = this.vm.table.epoch;
    state.tableSequence = this.vm.table.sequence;
  }

  /** Rows and pools move with every table: a pool remembered from an older one is looked up again. */
  poolAgain(state: StreamState): i32 {
    const table = this.vm.table;
    if (state.tableSequence != table.sequence || state.tableEpoch != table.epoch) {
      this.remember(state, this.poolOfRoute());
    }
    return state.pool;
  }

  /** Row in ROUTES of the route on which models choose, which is that of a request to `pool`; -1: there is none. */
  routeByModel(pool: i32): i32 {
    if ((this.vm.table.poolFlags[pool] & POOL_FLAG_BY_MODEL) == 0) return -1;
    return getProperty(PROPERTY_ROUTE_NAME) ? this.vm.table.routes.routeOf(arrivedPtr(), arrivedBytes()) : -1;
  }

  /** The pool among those of the route that serves the model, which is `pool` where none lists it. */
  poolForModel(pool: i32, model: usize, modelBytes: i32): i32 {
    const route = this.routeByModel(pool);
    if (route < 0) return pool;
    const found = this.vm.table.poolForModel(route, model, modelBytes);
    return found < 0 ? pool : found;
  }

  /**
   * The pool among those of the route that serves the model, which is `pool` where none lists it. The headers
   * that name model and pool make Envoy choose the route anew. The model must not lie in the arrival buffer.
   */
  byModel(pool: i32, model: usize, modelBytes: i32): i32 {
    const table = this.vm.table;
    const route = this.routeByModel(pool);
    if (route < 0) return pool;
    const found = table.poolForModel(route, model, modelBytes);
    const chosen = found < 0 ? pool : found;
    if (isHeaderValue(model, modelBytes)) setRequestHeader(HEADER_MODEL_NAME, model, modelBytes);
    else removeRequestHeader(HEADER_MODEL_NAME);
    if (chosen != pool) setRequestHeader(HEADER_POOL, table.poolNamePtr(chosen), table.poolNameBytes(chosen));
    return chosen;
  }
}

/** A client chooses these bytes: a line break among them would begin a header of its own (RFC 9110, 5.5). */
function isHeaderValue(ptr: usize, bytes: i32): bool {
  for (let i = 0; i < bytes; i++) {
    const byte = u8At(ptr + i);
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return bytes > 0;
}
