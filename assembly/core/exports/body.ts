import { scanner } from "./state";

export function scanReset(): void {
  scanner.reset();
}

export function scanFeed(ptr: usize, bytes: i32): i32 {
  return scanner.feed(ptr, bytes);
}

export function scanFinish(): i32 {
  return scanner.finish();
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

export function scanStream(): bool {
  return scanner.stream;
}

export function scanMaxTokensSeen(): bool {
  return scanner.maxTokensSeen;
}

export function scanMaxTokens(): u32 {
  return scanner.maxTokens;
}

export function scanErrorOffset(): u32 {
  return scanner.errorOffset;
}

export function scanErrorReason(): i32 {
  return scanner.errorReason;
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
