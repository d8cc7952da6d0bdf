import { equalBytes, u32At, u8At } from "../wire/bytes";
import { fresh } from "./columns";
import { nameHash } from "./name_hash";

const SLASH: u32 = 0x2f;
const OPENING_BRACE: u32 = 0x7b;
const CLOSING_BRACE: u32 = 0x7d;
/** `{model}` */
const MODEL_SEGMENT_BYTES: i32 = 7;
const NO_MODEL: i32 = -1;
/** In place of the last segment's hash where that is `{model}`. */
const ANY_TAIL: u64 = 0;

/** The segment of `bytes` bytes at `ptr` is `{model}`. */
function isModelSegment(ptr: usize, bytes: i32): bool {
  // "{mod" and "del}" as little-endian numbers.
  return bytes == MODEL_SEGMENT_BYTES && u32At(ptr) == 0x646f6d7b && u32At(ptr + 3) == 0x7d6c6564;
}

/** `bytes` bytes at `ptr` have the form of a suffix, as the layout's APIS say. */
export function isSuffix(ptr: usize, bytes: u32): bool {
  const end = ptr + bytes;
  let at = ptr;
  let models = 0;
  while (at < end) {
    if (u8At(at) != SLASH) return false;
    const start = ++at;
    let braces = 0;
    for (; at < end && u8At(at) != SLASH; at++) {
      const byte = u8At(at);
      if (byte <= 0x20 || byte >= 0x7f || byte == 0x3f || byte == 0x23) return false;
      if (byte == OPENING_BRACE || byte == CLOSING_BRACE) braces++;
    }
    if (at == start) return false;
    if (braces == 0) continue;
    if (!isModelSegment(start, <i32>(at - start)) || ++models > 1) return false;
  }
  return bytes > 0;
}

/** Address of the last `/` before `end`, or 0 if there is none from `start` on. */
@inline
export function lastSlash(start: usize, end: usize): usize {
  for (let at = end; at > start;) if (u8At(--at) == SLASH) return at;
  return 0;
}

/** Ends of paths with a number each, as flat columns; the strings stay where they are. */
export class PathSuffixes {
  private ptrs: StaticArray<usize> = new StaticArray<usize>(0);
  private lengths: StaticArray<i32> = new StaticArray<i32>(0);
  private kinds: StaticArray<u32> = new StaticArray<u32>(0);
  /** `nameHash` of the last segment, or ANY_TAIL. */
  private tailHashes: StaticArray<u64> = new StaticArray<u64>(0);
  /** Offset of `{model}` in the suffix, or NO_MODEL. */
  private modelAts: StaticArray<i32> = new StaticArray<i32>(0);

  /** What the last `find` found: the number, and the path's `{model}` segment, 0 and 0 if there is none. */
  kind: u32 = 0;
  modelStart: usize = 0;
  modelEnd: usize = 0;

  /** Room for `count` suffixes, whose content is unspecified. */
  resize(count: i32): void {
    this.ptrs = fresh<usize>(this.ptrs, count);
    this.lengths = fresh<i32>(this.lengths, count);
    this.kinds = fresh<u32>(this.kinds, count);
    this.tailHashes = fresh<u64>(this.tailHashes, count);
    this.modelAts = fresh<i32>(this.modelAts, count);
  }

  /** Puts a suffix (`isSuffix`), which must stay at `ptr`. */
  put(row: i32, ptr: usize, bytes: i32, kind: u32): void {
    const end = ptr + bytes;
    const tail = lastSlash(ptr, end) + 1;
    let modelAt = NO_MODEL;
    // No other segment holds a brace.
    for (let at = 0; at < bytes && modelAt == NO_MODEL; at++) {
      if (u8At(ptr + at) == OPENING_BRACE) modelAt = at;
    }
    this.ptrs[row] = ptr;
    this.lengths[row] = bytes;
    this.kinds[row] = kind;
    const tailBytes = <i32>(end - tail);
    this.tailHashes[row] = isModelSegment(tail, tailBytes) ? ANY_TAIL : nameHash(tail, tailBytes);
    this.modelAts[row] = modelAt;
  }

  /**
   * Of the `count` suffixes from `first` on, finds the one that covers the most bytes of the path from `ptr`
   * to `end`, of equals the first; false if none ends it. `tailHash` is `nameHash` of the path's last segment.
   */
  find(first: i32, count: i32, ptr: usize, end: usize, tailHash: u64): bool {
    const pathBytes = <i32>(end - ptr);
    let longest = 0;
    for (let row = first, last = first + count; row < last; row++) {
      const ownTail = unchecked(this.tailHashes[row]);
      if (ownTail != tailHash && ownTail != ANY_TAIL) continue;
      const length = unchecked(this.lengths[row]);
      const modelAt = unchecked(this.modelAts[row]);
      const suffix = unchecked(this.ptrs[row]);
      if (modelAt == NO_MODEL) {
        const start = end - length;
        if (length <= longest || pathBytes < length || !equalBytes(start, suffix, length)) continue;
        longest = length;
        this.modelStart = 0;
        this.modelEnd = 0;
      } else {
        // Up to `{model}`, and behind it.
        const behind = length - modelAt - MODEL_SEGMENT_BYTES;
        if (pathBytes < behind + 1 + modelAt) continue;
        const segmentEnd = end - behind;
        if (!equalBytes(segmentEnd, suffix + modelAt + MODEL_SEGMENT_BYTES, behind)) continue;
        const slash = lastSlash(ptr, segmentEnd);
        const start = slash + 1 - modelAt;
        // The segment is not empty, and what stands before it is within the path.
        if (slash == 0 || slash + 1 == segmentEnd || <i32>(slash + 1 - ptr) < modelAt) continue;
        const covered = <i32>(end - start);
        if (covered <= longest || !equalBytes(start, suffix, modelAt)) continue;
        longest = covered;
        this.modelStart = slash + 1;
        this.modelEnd = segmentEnd;
      }
      this.kind = unchecked(this.kinds[row]);
    }
    return longest > 0;
  }
}
