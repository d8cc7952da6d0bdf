import {
  boundaryBytes as bytesOfBoundary,
  boundaryPtr as ptrOfBoundary,
  findBoundary,
} from "../body/boundary";
import { MultipartScanner } from "../body/multipart_scanner";

const form = new MultipartScanner();

/** Whether the value of a `content-type` header is a form's with a boundary, which the two functions below then tell. */
export function boundaryOf(ptr: usize, bytes: i32): bool {
  return findBoundary(ptr, bytes);
}

export function boundaryPtr(): usize {
  return ptrOfBoundary();
}

export function boundaryBytes(): i32 {
  return bytesOfBoundary();
}

export function formBegin(ptr: usize, bytes: i32): bool {
  return form.begin(ptr, bytes);
}

export function formFeed(ptr: usize, bytes: i32): i32 {
  return form.feed(ptr, bytes);
}

export function formFinish(): i32 {
  return form.finish();
}

export function formOffset(): u32 {
  return form.offset;
}

export function formModelSeen(): bool {
  return form.modelSeen;
}

export function formModelRepeated(): bool {
  return form.modelRepeated;
}

export function formModelTooLong(): bool {
  return form.modelTooLong;
}

export function formModelPtr(): usize {
  return form.modelPtr();
}

export function formModelBytes(): i32 {
  return form.modelBytes;
}

export function formModelStart(): u32 {
  return form.modelStart;
}

export function formModelEnd(): u32 {
  return form.modelEnd;
}

export function formStreamSeen(): bool {
  return form.streamSeen;
}

export function formStream(): bool {
  return form.stream;
}

export function formIncludeUsage(): bool {
  return form.includeUsage;
}

export function formMaxTokensSeen(): bool {
  return form.maxTokensSeen;
}

export function formMaxTokens(): u32 {
  return form.maxTokens;
}

export function formNSeen(): bool {
  return form.nSeen;
}

export function formN(): u32 {
  return form.n;
}

export function formUserSeen(): bool {
  return form.userSeen;
}

export function formUserPtr(): usize {
  return form.userPtr();
}

export function formUserBytes(): i32 {
  return form.userBytes;
}

export function formMediaParts(): u32 {
  return form.mediaParts;
}

export function formSpanCount(): i32 {
  return form.spans.count;
}

export function formSpanStart(index: i32): u32 {
  return form.spans.start(index);
}

export function formSpanEnd(index: i32): u32 {
  return form.spans.end(index);
}

export function formErrorOffset(): u32 {
  return form.errorOffset;
}

export function formErrorReason(): i32 {
  return form.errorReason;
}

/** As `benchScan`, for a form; the boundary is that of `formBegin`. */
export function benchForm(ptr: usize, bytes: i32, piece: i32, rounds: i32): i32 {
  let answer = 0;
  for (let round = 0; round < rounds; round++) {
    form.reset();
    for (let at = 0; at < bytes; at += piece) answer = form.feed(ptr + at, min<i32>(piece, bytes - at));
  }
  return answer;
}
