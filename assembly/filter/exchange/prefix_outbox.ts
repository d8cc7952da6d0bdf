import { addressOf } from "../../wire/bytes";
import {
  DIRECTORY_ENTRY_BYTES,
  HEADER_FIXED_BYTES,
  KIND_PREFIXES,
  PREFIXES_SECTIONS,
  PREFIXES_SECTION_RECORDS,
} from "../../wire/layout";
import { countPrefixRecords, oldestPrefixRecords, wholePrefixRecords } from "../../wire/prefix_records";
import { MAX_PREFIXES_BYTES } from "../../wire/prefixes";
import { writeHeader, writeSection } from "../../wire/writer";

const RECORDS_START: i32 = <i32>(HEADER_FIXED_BYTES + PREFIXES_SECTIONS * DIRECTORY_ENTRY_BYTES);

/** What this Envoy has to tell others of its prompts: one message, in which the newest records push out the oldest. */
export class PrefixOutbox {
  /** Records that were pushed out before they were sent, since `takeDropped`. */
  private dropped: i32 = 0;
  private used: i32 = 0;
  private sequence: u64 = 0;
  private readonly value: StaticArray<u8> = new StaticArray<u8>(RECORDS_START + MAX_PREFIXES_BYTES);

  get isEmpty(): bool {
    return this.used == 0;
  }

  get ptr(): usize {
    return addressOf(this.value);
  }

  /** Bytes of the message. */
  get bytes(): i32 {
    return RECORDS_START + this.used;
  }

  /** Records of the message. */
  get records(): i32 {
    return countPrefixRecords(this.ptr + RECORDS_START, this.used);
  }

  /** Adds the records, at most MAX_PREFIXES_BYTES bytes, up to the first that is not whole. */
  add(records: usize, recordsBytes: i32): void {
    const bytes = wholePrefixRecords(records, recordsBytes);
    const room = <i32>MAX_PREFIXES_BYTES - this.used;
    const start = this.ptr + RECORDS_START;
    if (bytes > room) {
      const gone = oldestPrefixRecords(start, this.used, bytes - room);
      this.dropped += countPrefixRecords(start, gone);
      memory.copy(start, start + gone, this.used - gone);
      this.used -= gone;
    }
    memory.copy(start + this.used, records, bytes);
    this.used += bytes;
  }

  /** Makes a message of what is there; `tag` names the secret of its keys. */
  seal(tag: u64): void {
    this.sequence++;
    writeHeader(this.ptr, KIND_PREFIXES, this.bytes, tag, this.sequence, PREFIXES_SECTIONS);
    writeSection(this.ptr, PREFIXES_SECTION_RECORDS, RECORDS_START, this.used, 1);
  }

  clear(): void {
    this.used = 0;
  }

  takeDropped(): i32 {
    const dropped = this.dropped;
    this.dropped = 0;
    return dropped;
  }
}
