import { REASON_NONE } from "../body/scan_codes";
import { STATE_COUNT } from "../body/scan_states";
import { scanner } from "./state";

export * from "./form";

export function scanReset(): void {
  scanner.reset();
}

export function scanFeed(ptr: usize, bytes: i32): i32 {
  return scanner.feed(ptr, bytes);
}

export function scanFinish(): i32 {
  return scanner.finish();
}

/** STATE_* of `body/scan_states.ts`: where the scanner is between the last byte and the next. */
export function scanState(): i32 {
  return scanner.scanState();
}

export function scanStateCount(): i32 {
  return STATE_COUNT;
}

export function scanOffset(): u32 {
  return scanner.offset;
}

export function scanModelSeen(): bool {
  return scanner.modelSeen;
}

export function scanModelRepeated(): bool {
  return scanner.modelRepeated;
}

export function scanModelIsString(): bool {
  return scanner.modelIsString;
}

export function scanModelTooLong(): bool {
  return scanner.modelTooLong;
}

export function scanModelPtr(): usize {
  return scanner.modelPtr();
}

export function scanModelBytes(): i32 {
  return scanner.modelBytes;
}

export function scanModelStart(): u32 {
  return scanner.modelStart;
}

export function scanModelEnd(): u32 {
  return scanner.modelEnd;
}

/** NO_OFFSET unless a model's value has begun and not ended. */
export function scanOpenModelStart(): u32 {
  return scanner.openModelStart;
}

export function scanStreamSeen(): bool {
  return scanner.streamSeen;
}

export function scanStream(): bool {
  return scanner.stream;
}

export function scanStreamOptionsSeen(): bool {
  return scanner.streamOptionsSeen;
}

export function scanStreamOptionsIsObject(): bool {
  return scanner.streamOptionsIsObject;
}

export function scanStreamOptionsEmpty(): bool {
  return scanner.streamOptionsEmpty;
}

export function scanStreamOptionsStart(): u32 {
  return scanner.streamOptionsStart;
}

export function scanStreamOptionsEnd(): u32 {
  return scanner.streamOptionsEnd;
}

export function scanIncludeUsage(): bool {
  return scanner.includeUsage;
}

export function scanIncludeUsageSeen(): bool {
  return scanner.includeUsageSeen;
}

export function scanIncludeUsageStart(): u32 {
  return scanner.includeUsageStart;
}

export function scanIncludeUsageEnd(): u32 {
  return scanner.includeUsageEnd;
}

export function scanObjectStart(): u32 {
  return scanner.objectStart;
}

export function scanObjectEnd(): u32 {
  return scanner.objectEnd;
}

export function scanIsEmptyObject(): bool {
  return scanner.isEmptyObject;
}

export function scanMaxTokensSeen(): bool {
  return scanner.maxTokensSeen;
}

export function scanMaxTokens(): u32 {
  return scanner.maxTokens;
}

export function scanNSeen(): bool {
  return scanner.nSeen;
}

export function scanN(): u32 {
  return scanner.n;
}

export function scanPrioritySeen(): bool {
  return scanner.prioritySeen;
}

export function scanPriority(): i32 {
  return scanner.priority;
}

export function scanCacheSaltSeen(): bool {
  return scanner.cacheSaltSeen;
}

export function scanCacheSaltRepeated(): bool {
  return scanner.cacheSaltRepeated;
}

export function scanCacheSaltTooLong(): bool {
  return scanner.cacheSaltTooLong;
}

export function scanCacheSaltPtr(): usize {
  return scanner.cacheSaltPtr();
}

export function scanCacheSaltBytes(): i32 {
  return scanner.cacheSaltBytes;
}

export function scanUserSeen(): bool {
  return scanner.userSeen;
}

export function scanUserTooLong(): bool {
  return scanner.userTooLong;
}

export function scanUserPtr(): usize {
  return scanner.userPtr();
}

export function scanUserBytes(): i32 {
  return scanner.userBytes;
}

export function scanMessages(): u32 {
  return scanner.messages;
}

export function scanTools(): u32 {
  return scanner.tools;
}

export function scanMediaParts(): u32 {
  return scanner.mediaParts;
}

/** A BigInt for JavaScript. */
export function scanContentBytes(): u64 {
  return scanner.contentBytes;
}

export function scanSpanCount(): i32 {
  return scanner.spans.count;
}

export function scanSpansDropped(): u32 {
  return scanner.spansDropped;
}

/** SPAN_* of the span at `index`, below `scanSpanCount`. */
export function scanSpanKind(index: i32): i32 {
  return scanner.spans.kind(index);
}

export function scanSpanStart(index: i32): u32 {
  return scanner.spans.start(index);
}

export function scanSpanEnd(index: i32): u32 {
  return scanner.spans.end(index);
}

export function scanErrorOffset(): u32 {
  return scanner.errorOffset;
}

export function scanErrorReason(): i32 {
  return scanner.errorReason;
}

/** Whether the bodies to come have their prompts hashed. */
export function scanHashesPrompts(isOn: bool): void {
  scanner.chain.isOn = isOn;
}

/** Puts in order the hashes of what begins before byte `limit`; how many there are. */
export function scanPromptBlocks(limit: u32): i32 {
  return scanner.chain.arrange(limit);
}

/** Puts in order all hashes of a body that is well so far; their bytes. */
export function scanPromptHashBytes(): i32 {
  return scanner.errorReason == REASON_NONE ? scanner.chain.arrange(u32.MAX_VALUE) * 8 : 0;
}

/** Address of the hashes, u64 each. */
export function scanPromptHashes(): usize {
  return scanner.chain.hashes;
}

/** Scans the body of `bytes` bytes at `ptr` in pieces of `piece` bytes, `rounds` times; the last answer. */
export function benchScan(ptr: usize, bytes: i32, piece: i32, rounds: i32): i32 {
  let answer = 0;
  for (let round = 0; round < rounds; round++) {
    scanner.reset();
    for (let at = 0; at < bytes; at += piece) answer = scanner.feed(ptr + at, min<i32>(piece, bytes - at));
  }
  return answer;
}
