import { u32At } from "../wire/bytes";
import {
  CLASS_HEADER,
  CLASS_KIND,
  CLASS_LENGTH,
  CLASS_MAX_TOKENS,
  CLASS_MIN_TOKENS,
  CLASS_VALUE,
  SECTION_CLASSES,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { nameHash } from "./name_hash";
import { NameList } from "./name_list";
import { PoolColumns } from "./pool_columns";

/** The classes of requests of every pool, each a bit of its endpoints' `rowClasses`. */
export class RequestClasses {
  private readonly values: NameList = new NameList();
  /** CLASS_* kind by row. */
  private kind: StaticArray<u32> = new StaticArray<u32>(0);
  private minTokens: StaticArray<u32> = new StaticArray<u32>(0);
  private maxTokens: StaticArray<u32> = new StaticArray<u32>(0);
  private heap: usize = 0;

  /** Takes over the section of a checked message, whose strings are at `heap`. */
  decode(message: usize, heap: usize): void {
    const count = sectionCount(message, SECTION_CLASSES);
    const stride = sectionStride(message, SECTION_CLASSES);
    const rows = sectionPtr(message, SECTION_CLASSES);
    this.heap = heap;
    this.values.decode(heap, rows + CLASS_VALUE, count, stride);
    this.kind = fresh<u32>(this.kind, count);
    this.minTokens = fresh<u32>(this.minTokens, count);
    this.maxTokens = fresh<u32>(this.maxTokens, count);
    for (let index = 0; index < count; index++) {
      const row = rows + index * stride;
      this.kind[index] = u32At(row + CLASS_KIND);
      this.minTokens[index] = u32At(row + CLASS_MIN_TOKENS);
      this.maxTokens[index] = u32At(row + CLASS_MAX_TOKENS);
    }
  }

  /**
   * Bit of the pool's class that has the `bytes` bytes at `ptr` as its header's value, else of the one for any other
   * value; 0 where there is neither. No bytes: the header is missing.
   */
  ofHeader(pools: PoolColumns, pool: i32, ptr: usize, bytes: i32): u32 {
    const found = this.findHeader(pools, pool, ptr, bytes);
    return found == 0 && bytes > 0 ? this.findHeader(pools, pool, ptr, 0) : found;
  }

  /** Bit of the pool's first class that holds prompts of so many tokens; 0: there is none. */
  ofLength(pools: PoolColumns, pool: i32, tokens: f64): u32 {
    const start = unchecked(pools.poolClassStart[pool]);
    const count = unchecked(pools.poolClassCount[pool]);
    for (let place = 0; place < count; place++) {
      const row = start + place;
      if (unchecked(this.kind[row]) != CLASS_LENGTH) continue;
      if (tokens >= <f64>unchecked(this.minTokens[row]) && tokens < <f64>unchecked(this.maxTokens[row]) + 1)
        return 1 << (<u32>place);
    }
    return 0;
  }

  private findHeader(pools: PoolColumns, pool: i32, ptr: usize, bytes: i32): u32 {
    const start = unchecked(pools.poolClassStart[pool]);
    const end = start + unchecked(pools.poolClassCount[pool]);
    const hash = nameHash(ptr, bytes);
    for (let from = start; from < end;) {
      const row = this.values.find(this.heap, from, end - from, hash, ptr, bytes);
      if (row < 0) return 0;
      // Classes by length have no value, as the one for any other.
      const bit = <u32>(row - start);
      if (unchecked(this.kind[row]) == CLASS_HEADER) return 1 << bit;
      from = row + 1;
    }
    return 0;
  }
}
