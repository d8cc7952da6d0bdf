import { SOURCE_COUNT } from "./roles";

// Of one source, 16 bytes: content's bytes u64, messages u32, media parts u32.
const CONTENT: usize = 0;
const MESSAGES: usize = 8;
const MEDIA: usize = 12;
const SOURCE_BYTES: usize = 16;

/** What each source of a body (a role below SOURCE_COUNT) added to its counts, so that a repeated key can take it back. */
@unmanaged
export class SourceTotals {
  private readonly totals: usize = heap.alloc(<usize>SOURCE_COUNT * SOURCE_BYTES);

  reset(): void {
    memory.fill(this.totals, 0, <usize>SOURCE_COUNT * SOURCE_BYTES);
  }

  content(source: i32): u64 {
    return load<u64>(this.at(source), CONTENT);
  }

  messages(source: i32): u32 {
    return load<u32>(this.at(source), MESSAGES);
  }

  media(source: i32): u32 {
    return load<u32>(this.at(source), MEDIA);
  }

  set(source: i32, content: u64, messages: u32, media: u32): void {
    const at = this.at(source);
    store<u64>(at, content, CONTENT);
    store<u32>(at, messages, MESSAGES);
    store<u32>(at, media, MEDIA);
  }


  @inline private at(source: i32): usize {
    return this.totals + <usize>source * SOURCE_BYTES;
  }
}
