import { AnswerEditor } from "../response/answer_editor";
import { ResponseReader } from "../response/response_reader";

const reader = new ResponseReader();
const editor = new AnswerEditor();

export function responseReset(): void {
  reader.reset();
}

export function responseFeed(ptr: usize, bytes: i32): void {
  reader.feed(ptr, bytes);
}

export function responseFinish(): void {
  reader.finish();
}

export function responseIsJson(): bool {
  return reader.isJson;
}

export function responseIsEventStream(): bool {
  return reader.isEventStream;
}

export function responseIsError(): bool {
  return reader.isError;
}

export function responseDone(): bool {
  return reader.done;
}

export function responseEvents(): u32 {
  return reader.events;
}

export function responseContentEvents(): u32 {
  return reader.contentEvents;
}

export function responseUsageSeen(): bool {
  return reader.usageSeen;
}

export function responsePromptTokens(): i64 {
  return reader.promptTokens;
}

export function responseCompletionTokens(): i64 {
  return reader.completionTokens;
}

export function responseCachedTokens(): i64 {
  return reader.cachedTokens;
}

export function editBegin(
  target: usize,
  targetBytes: i32,
  name: usize,
  nameBytes: i32,
  stripUsage: bool,
): void {
  editor.begin(target, targetBytes, name, nameBytes, stripUsage);
}

export function editKeepUsage(): void {
  editor.keepUsage();
}

export function edit(ptr: usize, bytes: i32, isLast: bool): void {
  editor.edit(ptr, bytes, isLast);
}

export function editOutPtr(): usize {
  return editor.outPtr;
}

export function editOutBytes(): i32 {
  return editor.outBytes;
}

/** Reads the answer of `bytes` bytes at `ptr` in pieces of `piece` bytes, `rounds` times; the events of the last. */
export function benchResponse(ptr: usize, bytes: i32, piece: i32, rounds: i32): u32 {
  for (let round = 0; round < rounds; round++) {
    reader.reset();
    for (let at = 0; at < bytes; at += piece) reader.feed(ptr + at, min<i32>(piece, bytes - at));
    reader.finish();
  }
  return reader.events;
}

/** The same for the editor, after `editBegin`; the bytes that the last piece of the last round became. */
export function benchEdit(ptr: usize, bytes: i32, piece: i32, rounds: i32): i32 {
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < bytes; at += piece) {
      editor.edit(ptr + at, min<i32>(piece, bytes - at), at + piece >= bytes);
    }
  }
  return editor.outBytes;
}
