import { MAX_PREFIXES_BYTES } from "../../../assembly/wire/prefixes.ts";
import type { PrefixesMessage } from "../table/prefixes.ts";

/** What is kept for streams that have not been sent it yet: 32 messages of the largest size. */
const MAX_LOG_BYTES = 32 * MAX_PREFIXES_BYTES;

interface Entry {
  /** Node that told it. */
  readonly origin: string;
  readonly bytes: Uint8Array;
}

/**
 * Which prompts went where, as Envoys tell it, for the other Envoys: one bounded log, and for each receiver a place in
 * it. What a receiver was too slow for is lost to it, the oldest first: it will send some prompts where they are not
 * cached, and nothing else.
 */
export class PrefixRelay {
  /** Records taken, sent (once a receiver), and lost (once a receiver, or for an endpoint that no table names). */
  accepted = 0;
  sent = 0;
  dropped = 0;
  private entries: Entry[] = [];
  /** Number of the first entry, counted from the start of the controller. */
  private first = 0;
  /** Of the records kept. */
  bytes = 0;
  private endpoints: ReadonlySet<bigint> = new Set();

  /** The endpoints that a table names; prompts of others are not passed on. */
  retain(ids: readonly bigint[]): void {
    this.endpoints = new Set(ids);
  }

  /** Where a receiver begins that has been sent nothing. */
  get end(): number {
    return this.first + this.entries.length;
  }

  add(origin: string, message: PrefixesMessage): void {
    // One copy for all: the records are views of a message of gRPC's, which is a Buffer, whose slice() is a view again.
    for (const { endpoint, bytes } of message.records) {
      if (!this.endpoints.has(endpoint)) {
        this.dropped += 1;
        continue;
      }
      this.accepted += 1;
      this.entries.push({ origin, bytes: new Uint8Array(bytes) });
      this.bytes += bytes.length;
    }
    let gone = 0;
    while (this.bytes > MAX_LOG_BYTES) this.bytes -= this.entries[gone++]!.bytes.length;
    this.entries.splice(0, gone);
    this.first += gone;
  }

  /** Nobody is behind: nothing needs to be kept. */
  clear(): void {
    this.first = this.end;
    this.entries = [];
    this.bytes = 0;
  }

  /**
   * What other nodes than `node` have told since `from`: the newest that fit into one message, oldest first. The
   * receiver's next place is `end`.
   */
  take(node: string, from: number): readonly Uint8Array[] {
    const records: Uint8Array[] = [];
    let bytes = 0;
    let lost = Math.max(0, this.first - from);
    for (let index = this.entries.length - 1; index >= Math.max(0, from - this.first); index--) {
      const entry = this.entries[index]!;
      if (entry.origin === node) continue;
      bytes += entry.bytes.length;
      if (bytes > MAX_PREFIXES_BYTES) lost += 1;
      else records.push(entry.bytes);
    }
    this.sent += records.length;
    this.dropped += lost;
    return records.reverse();
  }
}
