import { getRequestHeader, getRequestHeaderAt } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getProperty } from "../../abi/properties";
import { PickRequest } from "../../core/request";
import { readToken } from "../../core/sessions";
import { u8At } from "../../wire/bytes";
import {
  POOL_PICK_FLAG_OBJECTIVE_HEADERS,
  POOL_PICK_FLAG_SESSION,
  POOL_PICK_FLAG_SUBSET_HEADER,
  POOL_PICK_FLAG_SUBSET_METADATA,
} from "../../wire/layout";
import {
  HEADER_SESSION,
  HEADER_SLO_TPOT,
  HEADER_SLO_TTFT,
  HEADER_SUBSET,
  PROPERTY_SUBSET_HINT,
} from "../names";
import { Vm } from "../vm";

/** Eleven days, as the longest objective of a pool. */
const MAX_OBJECTIVE_MS: f64 = 1e9;

/**
 * What a pool lets a request say of its pick, beside its body: objectives, endpoints, class and session. Each is a
 * host call of about 1 µs, made for pools that ask for it alone.
 */
export class PickInputs {
  constructor(private readonly vm: Vm) {}

  /** Reads into `request`, which says nothing of these so far; nothing of it may lie in the arrival buffer. */
  read(request: PickRequest, pool: i32): void {
    const table = this.vm.table;
    const flags = table.poolPickFlags[pool];
    if (flags != 0) this.readFlagged(request, flags);
    const header = table.classHeaderBytes(pool);
    if (header == 0) return;
    const isThere = getRequestHeaderAt(table.classHeaderPtr(pool), header);
    request.classBit = table.classes.ofHeader(table, pool, arrivedPtr(), isThere ? arrivedBytes() : 0);
  }

  private readFlagged(request: PickRequest, flags: u32): void {
    if ((flags & POOL_PICK_FLAG_SUBSET_METADATA) != 0 && getProperty(PROPERTY_SUBSET_HINT)) {
      request.subset.readHint(arrivedPtr(), arrivedBytes());
    }
    if (
      (flags & POOL_PICK_FLAG_SUBSET_HEADER) != 0 &&
      !request.subset.isSet &&
      getRequestHeader(HEADER_SUBSET)
    ) {
      request.subset.read(arrivedPtr(), arrivedBytes());
    }
    if ((flags & POOL_PICK_FLAG_SESSION) != 0 && getRequestHeader(HEADER_SESSION)) {
      request.session = readToken(arrivedPtr(), arrivedBytes());
    }
    if ((flags & POOL_PICK_FLAG_OBJECTIVE_HEADERS) != 0) {
      if (getRequestHeader(HEADER_SLO_TTFT)) {
        request.ttftObjectiveMs = milliseconds(arrivedPtr(), arrivedBytes());
      }
      if (getRequestHeader(HEADER_SLO_TPOT)) {
        request.tpotObjectiveMs = milliseconds(arrivedPtr(), arrivedBytes());
      }
    }
  }
}

/** A decimal number above 0, a fraction included; 0 for anything else, as if nothing had been said. */
function milliseconds(ptr: usize, bytes: i32): f64 {
  let value: f64 = 0;
  let scale: f64 = 0;
  let digits = 0;
  for (let at = 0; at < bytes; at++) {
    const byte = u8At(ptr + at);
    if (byte == 0x2e && scale == 0) {
      scale = 1;
      continue;
    }
    if (byte < 0x30 || byte > 0x39) return 0;
    value = value * 10 + <f64>(byte - 0x30);
    scale *= 10;
    digits++;
  }
  if (digits == 0) return 0;
  const ms = scale > 0 ? value / scale : value;
  return ms <= MAX_OBJECTIVE_MS ? ms : 0;
}
