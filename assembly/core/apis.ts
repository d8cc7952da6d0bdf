import { addressOf, putU8, u32At, u8At } from "../wire/bytes";
import {
  API_ANTHROPIC_MESSAGES,
  API_JSON,
  API_KIND,
  API_NONE,
  API_OPENAI_AUDIO,
  API_OPENAI_CHAT,
  API_OPENAI_COMPLETIONS,
  API_OPENAI_EMBEDDINGS,
  API_OPENAI_IMAGES,
  API_OPENAI_RESPONSES,
  API_SUFFIX,
  SECTION_APIS,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { nameHash } from "./name_hash";
import { lastSlash, PathSuffixes } from "./path_suffixes";
import { PoolColumns } from "./pool_columns";

/** Of the strings below, together. */
const BUILT_IN_BYTES: i32 = 1024;
const BUILT_IN_COUNT: i32 = 32;
/** Power of two, so that the last segments of the paths below are hardly ever in each other's way. */
const TAIL_SLOTS: i32 = 64;

/**
 * Which API is spoken at a path: by its end, so that any prefix will do. A pool's own rows are looked at
 * first, then what OpenAI, Anthropic, Azure and vLLM serve. The latter are at
 * https://platform.openai.com/docs/api-reference, https://docs.anthropic.com/en/api/messages,
 * https://learn.microsoft.com/azure/ai-services/openai/reference and in vLLM's entrypoints/openai.
 */
export class Apis {
  /** Of the last `apiOf`: where in the path the model stands, percent-encoded as it is there; -1 and -1: nowhere. */
  modelStart: i32 = -1;
  modelEnd: i32 = -1;

  private own: PathSuffixes = new PathSuffixes();
  private builtIn: PathSuffixes = new PathSuffixes();
  private builtInText: StaticArray<u8> = new StaticArray<u8>(BUILT_IN_BYTES);
  private builtInBytes: i32 = 0;
  private builtInCount: i32 = 0;
  /** By last segment, in open addressing: those of the built-in suffixes that end in it. */
  private tailHash: StaticArray<u64> = new StaticArray<u64>(TAIL_SLOTS);
  private tailFirst: StaticArray<i32> = new StaticArray<i32>(TAIL_SLOTS);
  /** 0: nothing is here. */
  private tailCount: StaticArray<i32> = new StaticArray<i32>(TAIL_SLOTS);
  private pools: PoolColumns | null = null;

  constructor() {
    this.builtIn.resize(BUILT_IN_COUNT);
    this.add("/completions", API_OPENAI_COMPLETIONS);
    this.add("/chat/completions", API_OPENAI_CHAT);
    this.add("/deployments/{model}/completions", API_OPENAI_COMPLETIONS);
    this.add("/deployments/{model}/chat/completions", API_OPENAI_CHAT);
    this.add("/responses", API_OPENAI_RESPONSES);
    this.add("/embeddings", API_OPENAI_EMBEDDINGS);
    this.add("/deployments/{model}/embeddings", API_OPENAI_EMBEDDINGS);
    this.add("/messages", API_ANTHROPIC_MESSAGES);
    this.add("/messages/count_tokens", API_ANTHROPIC_MESSAGES);
    this.add("/audio/transcriptions", API_OPENAI_AUDIO);
    this.add("/deployments/{model}/audio/transcriptions", API_OPENAI_AUDIO);
    this.add("/audio/translations", API_OPENAI_AUDIO);
    this.add("/images/generations", API_OPENAI_IMAGES);
    this.add("/deployments/{model}/images/generations", API_OPENAI_IMAGES);
    this.add("/images/edits", API_OPENAI_IMAGES);
    this.add("/images/variations", API_OPENAI_IMAGES);
    this.add("/audio/speech", API_JSON);
    this.add("/rerank", API_JSON);
    this.add("/score", API_JSON);
    this.add("/classify", API_JSON);
    this.add("/pooling", API_JSON);
    this.add("/tokenize", API_JSON);
    this.add("/detokenize", API_JSON);
    this.add("/moderations", API_JSON);
    this.add("/generate", API_JSON);
  }

  /**
   * API_* of the path of `bytes` bytes at `ptr` in the pool (-1: of none, so that only what is built in
   * counts); API_NONE if it is unknown. A query, a fragment and one `/` at the end do not count.
   */
  apiOf(pool: i32, ptr: usize, bytes: i32): u32 {
    this.modelStart = -1;
    this.modelEnd = -1;
    let end = ptr;
    for (const last = ptr + bytes; end < last; end++) {
      const byte = u8At(end);
      if (byte == 0x3f || byte == 0x23) break;
    }
    if (end > ptr && u8At(end - 1) == 0x2f) end--;
    const slash = lastSlash(ptr, end);
    if (slash == 0) return API_NONE;
    const tailHash = nameHash(slash + 1, <u32>(end - slash - 1));
    const pools = this.pools;
    if (pools != null && pool >= 0) {
      const count = unchecked(pools.poolApiCount[pool]);
      if (count > 0 && this.own.find(unchecked(pools.poolApiStart[pool]), count, ptr, end, tailHash)) {
        return this.take(this.own, ptr);
      }
    }
    const slot = this.slotOf(tailHash);
    return this.builtIn.find(
      unchecked(this.tailFirst[slot]),
      unchecked(this.tailCount[slot]),
      ptr,
      end,
      tailHash,
    )
      ? this.take(this.builtIn, ptr)
      : API_NONE;
  }

  /** Takes over the section of a checked message, whose strings are at `heap`, for the pools decoded from it. */
  decode(message: usize, heap: usize, pools: PoolColumns): void {
    this.pools = pools;
    const count = sectionCount(message, SECTION_APIS);
    const stride = sectionStride(message, SECTION_APIS);
    const rows = sectionPtr(message, SECTION_APIS);
    this.own.resize(count);
    for (let index = 0; index < count; index++) {
      const row = rows + index * stride;
      const suffix = heap + u32At(row + API_SUFFIX);
      this.own.put(index, suffix, <i32>u32At(row + API_SUFFIX + 4), u32At(row + API_KIND));
    }
  }

  private take(found: PathSuffixes, path: usize): u32 {
    if (found.modelEnd != 0) {
      this.modelStart = <i32>(found.modelStart - path);
      this.modelEnd = <i32>(found.modelEnd - path);
    }
    return found.kind;
  }

  /** Suffixes of one last segment come one after the other. */
  private add(suffix: string, kind: u32): void {
    const ptr = addressOf<u8>(this.builtInText) + this.builtInBytes;
    for (let at = 0; at < suffix.length; at++) putU8(ptr + at, <u32>suffix.charCodeAt(at));
    this.builtInBytes += suffix.length;
    assert(this.builtInBytes <= BUILT_IN_BYTES && this.builtInCount < BUILT_IN_COUNT);
    const tailAt = suffix.lastIndexOf("/") + 1;
    const slot = this.slotOf(nameHash(ptr + tailAt, suffix.length - tailAt));
    if (this.tailCount[slot] == 0) this.tailFirst[slot] = this.builtInCount;
    this.tailHash[slot] = nameHash(ptr + tailAt, suffix.length - tailAt);
    this.tailCount[slot]++;
    assert(this.tailFirst[slot] + this.tailCount[slot] == this.builtInCount + 1);
    this.builtIn.put(this.builtInCount++, ptr, suffix.length, kind);
  }

  /** Where this last segment is or belongs. */
  private slotOf(hash: u64): i32 {
    let slot = (<i32>hash) & (TAIL_SLOTS - 1);
    while (unchecked(this.tailCount[slot]) != 0 && unchecked(this.tailHash[slot]) != hash) {
      slot = (slot + 1) & (TAIL_SLOTS - 1);
    }
    return slot;
  }
}
