import { f32At, u32At, u8At } from "../wire/bytes";
import {
  ACCEPTED,
  CLASS_HEADER,
  CLASS_KIND,
  CLASS_LENGTH,
  CLASS_MAX_TOKENS,
  CLASS_MIN_TOKENS,
  CLASS_VALUE,
  MAX_NAME_BYTES,
  MAX_OBJECTIVE_MS,
  MAX_POOL_CLASSES,
  POOL_CLASS_COUNT,
  POOL_CLASS_HEADER,
  POOL_CLASS_START,
  POOL_TPOT_MS,
  POOL_TTFT_BASE_MS,
  POOL_TTFT_PER_1K_TOKENS_MS,
  REFUSED_REFERENCE,
  REFUSED_TOO_MANY_ROWS,
  REFUSED_VALUE,
  SECTION_CLASSES,
  SECTION_POOLS,
} from "../wire/layout";
import { hasPicking, sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { RowCheck } from "./row_check";

/** The part of the table's check that is about objectives and classes of requests. */
export class PickingCheck {
  /** ACCEPTED, or the first REFUSED_* that applies to the message that `rows` has begun. */
  run(rows: RowCheck): u32 {
    if (!hasPicking(rows.message)) return ACCEPTED;
    const refusal = this.checkPools(rows);
    return refusal == ACCEPTED ? this.checkClasses(rows) : refusal;
  }

  private checkPools(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_POOLS);
    const stride = sectionStride(rows.message, SECTION_POOLS);
    let pool = sectionPtr(rows.message, SECTION_POOLS);
    for (let index = 0; index < count; index++, pool += stride) {
      if (!isTime(f32At(pool + POOL_TTFT_BASE_MS))) return REFUSED_VALUE;
      const perTokens = f32At(pool + POOL_TTFT_PER_1K_TOKENS_MS);
      if (perTokens != 0 && !isTime(perTokens)) return REFUSED_VALUE;
      if (!isTime(f32At(pool + POOL_TPOT_MS))) return REFUSED_VALUE;
      if (!rows.takesRun(pool + POOL_CLASS_START, SECTION_CLASSES)) return REFUSED_REFERENCE;
      if (u32At(pool + POOL_CLASS_COUNT) > MAX_POOL_CLASSES) return REFUSED_TOO_MANY_ROWS;
      if (!rows.holdsString(pool + POOL_CLASS_HEADER, MAX_NAME_BYTES)) return REFUSED_REFERENCE;
      const name = rows.heap + u32At(pool + POOL_CLASS_HEADER);
      if (!isHeaderName(name, u32At(pool + POOL_CLASS_HEADER + 4))) return REFUSED_VALUE;
    }
    return ACCEPTED;
  }

  private checkClasses(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_CLASSES);
    const stride = sectionStride(rows.message, SECTION_CLASSES);
    let row = sectionPtr(rows.message, SECTION_CLASSES);
    for (let index = 0; index < count; index++, row += stride) {
      if (!rows.holdsString(row + CLASS_VALUE, MAX_NAME_BYTES)) return REFUSED_REFERENCE;
      const kind = u32At(row + CLASS_KIND);
      if (kind != CLASS_HEADER && kind != CLASS_LENGTH) return REFUSED_VALUE;
      if (u32At(row + CLASS_MIN_TOKENS) > u32At(row + CLASS_MAX_TOKENS)) return REFUSED_VALUE;
    }
    return ACCEPTED;
  }
}

/** False for NaN, too. */
function isTime(ms: f32): bool {
  return ms > 0 && ms <= MAX_OBJECTIVE_MS;
}

/** Lower-case letters, digits and `-_.`, which is what names of headers are in practice; none at all is fine. */
function isHeaderName(ptr: usize, bytes: u32): bool {
  for (let at = ptr, end = ptr + bytes; at < end; at++) {
    const byte = u8At(at);
    const letter = byte >= 0x61 && byte <= 0x7a;
    const digit = byte >= 0x30 && byte <= 0x39;
    if (!letter && !digit && byte != 0x2d && byte != 0x2e && byte != 0x5f) return false;
  }
  return true;
}
