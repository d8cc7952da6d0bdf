import { GrowingBytes } from "./growing_bytes";
import { ModelRestore } from "./model_restore";
import { UsageStrip } from "./usage_strip";

/**
 * Edits an answer as it passes, in pieces cut anywhere: gives the client's name of the model back, and takes
 * away a `usage` that the client did not ask for. All other bytes stay as they are, and none is held back
 * unless it may be part of an edit: for names the beginning of such a key and value, for usage an event that
 * is not whole, up to 64 KiB.
 *
 * Memory: the output of one call and one event, at most; both buffers grow to what was needed once. As the
 * reader (see there), an editor is never given back, but for reuse.
 */
@unmanaged
export class AnswerEditor {
  private out: GrowingBytes = new GrowingBytes();
  private restore: ModelRestore = new ModelRestore(this.out);
  private strip: UsageStrip = new UsageStrip(this.restore);
  private stripsUsage: bool = false;

  /**
   * Ready for the next answer. The target is the model that the request was rewritten to, the name the one that
   * the client used, both as UTF-8; one of them empty: names stay. Both are copied.
   */
  begin(target: usize, targetBytes: i32, name: usize, nameBytes: i32, stripUsage: bool): void {
    this.out.clear();
    this.restore.begin(target, targetBytes, name, nameBytes);
    this.strip.begin();
    this.stripsUsage = stripUsage;
  }

  /**
   * From here on no usage is taken away: the client asked for it after all. What is held of an event goes on with the
   * next piece; events that are gone stay gone.
   */
  keepUsage(): void {
    this.stripsUsage = false;
  }

  /** Takes the next `bytes` bytes of the answer, at `ptr`; what can go on is at `outPtr` until the next call. */
  edit(ptr: usize, bytes: i32, isLast: bool): void {
    const end = ptr + <usize>bytes;
    this.out.clear();
    if (this.stripsUsage) {
      this.strip.take(ptr, end);
    } else {
      this.strip.release();
      this.restore.take(ptr, end);
    }
    if (!isLast) return;
    if (this.stripsUsage) this.strip.finish();
    this.restore.finish();
  }

  get outPtr(): usize {
    return this.out.ptr;
  }

  get outBytes(): i32 {
    return this.out.bytes;
  }
}
