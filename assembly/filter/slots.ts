import { randomBits } from "../abi/clock";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { dequeue, enqueue, registerQueue } from "../abi/queues";
import { arrivedCas, getShared, setShared } from "../abi/shared_data";
import { Ledger } from "../core/ledger";
import {
  TALLY_ID,
  TALLY_PICKS,
  TALLY_REQUESTS,
  TALLY_RESIDENT_TOKENS,
  TALLY_STRIDE,
  TALLY_UNCACHED_TOKENS,
} from "../wire/layout";
import { Text } from "../abi/text";
import { SHARED_PREFIX } from "./names";

/*  A slot's value: 32 bytes, then tallies as in a report.
 *   0         8               16           20       24           28         32
 *  | holder  | heartbeat      | queue      | rows   | publication| reserved | tallies … |
 *  | u64     | monotonic ms   | token u32  | u32    | u32        |          |
 */
const HOLDER: usize = 0;
const HEARTBEAT: usize = 8;
const QUEUE: usize = 16;
const ROWS: usize = 20;
const PUBLICATION: usize = 24;
const SLOT_BYTES: i32 = 32;

/** More VMs than this in one Envoy (workers, main thread, overlapping configurations) share nothing. */
const MAX_SLOTS: i32 = 256;
const MAX_TALLIES: i32 = 8192;
/** A VM that has not published for this long is dead, and what it had in flight with it. */
export const DEAD_AFTER_MS: f64 = 3000;
const HEARTBEAT_EVERY_MS: f64 = 500;

/**
 * How the VMs of an Envoy learn of each other's requests: each owns one slot, a key in shared data
 * and a queue, claimed by compare-and-swap and kept by a heartbeat. The next claimer overwrites a
 * dead slot, so neither keys nor queues grow, whatever traps or is replaced.
 */
export class Slots {
  /** Slots with a live heartbeat at the last merge, the own one included. */
  live: i32 = 0;
  private index: i32 = -1;
  private cas: u32 = 0;
  private queue: u32 = 0;
  private publishedMs: f64 = 0;
  private stale: bool = false;
  private publication: u32 = 0;
  private readonly keys: Text[] = [];
  private value: StaticArray<u8> = new StaticArray<u8>(SLOT_BYTES);
  /** Of each other slot, as merged last: who, and which publication. A slot that is unchanged costs no merge. */
  private readonly seenHolder: StaticArray<u64> = new StaticArray<u64>(MAX_SLOTS);
  private readonly seenPublication: StaticArray<u32> = new StaticArray<u32>(MAX_SLOTS);
  private readonly queues: StaticArray<u32> = new StaticArray<u32>(MAX_SLOTS);

  constructor(private readonly self: u64) {}

  /** Claims a slot if there is none, publishes what changed, merges what others published; true if that moved. */
  tick(nowMs: f64, ledger: Ledger, changed: bool): bool {
    if (this.index < 0) this.claim(nowMs);
    else if (this.queue == 0) this.confirm();
    if (this.index >= 0 && (changed || nowMs - this.publishedMs >= HEARTBEAT_EVERY_MS)) {
      this.publish(nowMs, ledger, changed);
    }
    return this.merge(nowMs, ledger);
  }

  /** The root context that owned the queue is gone: the calling one takes it over. */
  adoptQueue(): void {
    if (this.index < 0) return;
    const name = new Text(SHARED_PREFIX + "queue/" + this.index.toString());
    this.queue = registerQueue(name.ptr, name.bytes);
    this.publishedMs = 0;
  }

  /** The table names other endpoints than before: what was ignored at the last merge may count now. */
  mergeAgain(): void {
    this.stale = true;
  }

  ownsQueue(token: u32): bool {
    return token == this.queue && this.queue != 0;
  }

  /** Empties the own queue; the items only wake, what they wake for is in shared data. */
  drain(): void {
    while (dequeue(this.queue)) {}
  }

  /** Wakes every other live VM. */
  wakeOthers(value: usize, bytes: i32): void {
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      const queue = unchecked(this.queues[slot]);
      if (queue != 0 && slot != this.index) enqueue(queue, value, bytes);
    }
  }

  private key(slot: i32): Text {
    while (this.keys.length <= slot)
      this.keys.push(new Text(SHARED_PREFIX + "slot/" + this.keys.length.toString()));
    return this.keys[slot];
  }

  private claim(nowMs: f64): void {
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      const key = this.key(slot);
      let cas: u32 = 0;
      if (getShared(key.ptr, key.bytes)) {
        const alive =
          arrivedBytes() >= SLOT_BYTES && nowMs - load<f64>(arrivedPtr(), HEARTBEAT) < DEAD_AFTER_MS;
        if (alive) continue;
        cas = arrivedCas();
      }
      this.index = slot;
      this.cas = cas;
      this.queue = 0;
      this.writeHeader(nowMs, 0);
      if (!this.write(SLOT_BYTES)) {
        this.index = -1;
        continue;
      }
      return;
    }
  }

  /**
   * A key that does not exist yet has no token that two claimers could tell apart, so both may have
   * written it: a tick later the last one holds it, and only that one registers the queue.
   */
  private confirm(): void {
    if (!this.holds(this.key(this.index))) {
      this.index = -1;
      return;
    }
    this.adoptQueue();
  }

  /** Is the stored slot ours? Refreshes the CAS token. */
  private holds(key: Text): bool {
    if (!getShared(key.ptr, key.bytes) || arrivedBytes() < SLOT_BYTES) return false;
    this.cas = arrivedCas();
    return load<u64>(arrivedPtr(), HOLDER) == this.self;
  }

  private publish(nowMs: f64, ledger: Ledger, changed: bool): void {
    const capacity = min(MAX_TALLIES, ledger.accounts);
    const bytes = SLOT_BYTES + capacity * TALLY_STRIDE;
    if (this.value.length < bytes) this.value = new StaticArray<u8>((bytes + 4095) & ~4095);
    const rows = ledger.writeTallies(changetype<usize>(this.value) + SLOT_BYTES, capacity, true);
    if (changed) this.publication++;
    this.writeHeader(nowMs, rows);
    // Between this token and the write nobody writes but a claimer who thinks us dead.
    if (!this.holds(this.key(this.index)) || !this.write(SLOT_BYTES + rows * <i32>TALLY_STRIDE)) {
      this.index = -1;
      return;
    }
    this.publishedMs = nowMs;
  }

  private writeHeader(nowMs: f64, rows: i32): void {
    const value = changetype<usize>(this.value);
    store<u64>(value, this.self, HOLDER);
    store<f64>(value, nowMs, HEARTBEAT);
    store<u32>(value, this.queue, QUEUE);
    store<u32>(value, rows, ROWS);
    store<u32>(value, this.publication, PUBLICATION);
  }

  private write(bytes: i32): bool {
    const key = this.key(this.index);
    return setShared(key.ptr, key.bytes, changetype<usize>(this.value), bytes, this.cas);
  }

  /** Reads every slot; merges again only if one of them changed, appeared or died; true if so. */
  private merge(nowMs: f64, ledger: Ledger): bool {
    let changed = this.stale;
    let live = 0;
    for (let pass = 0; pass < 2; pass++) {
      if (pass == 1) ledger.beginMerge();
      live = 0;
      for (let slot = 0; slot < MAX_SLOTS; slot++) {
        if (slot == this.index) {
          live++;
          unchecked((this.queues[slot] = 0));
          continue;
        }
        const key = this.key(slot);
        if (!getShared(key.ptr, key.bytes)) break;
        const value = arrivedPtr();
        const bytes = arrivedBytes();
        const alive = bytes >= SLOT_BYTES && nowMs - load<f64>(value, HEARTBEAT) < DEAD_AFTER_MS;
        const holder: u64 = alive ? load<u64>(value, HOLDER) : 0;
        const publication: u32 = alive ? load<u32>(value, PUBLICATION) : 0;
        unchecked((this.queues[slot] = alive ? load<u32>(value, QUEUE) : 0));
        if (alive) live++;
        if (
          unchecked(this.seenHolder[slot]) != holder ||
          unchecked(this.seenPublication[slot]) != publication
        ) {
          unchecked((this.seenHolder[slot] = holder));
          unchecked((this.seenPublication[slot] = publication));
          changed = true;
        }
        if (pass == 1 && alive)
          mergeTallies(
            ledger,
            value + SLOT_BYTES,
            min(load<u32>(value, ROWS), <u32>(bytes - SLOT_BYTES) / TALLY_STRIDE),
          );
      }
      this.live = live;
      if (!changed) return false;
    }
    this.stale = false;
    ledger.endMerge();
    return true;
  }
}

function mergeTallies(ledger: Ledger, rows: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const row = rows + i * TALLY_STRIDE;
    ledger.mergeRow(
      load<u64>(row + TALLY_ID),
      load<u32>(row + TALLY_REQUESTS),
      load<u32>(row + TALLY_UNCACHED_TOKENS),
      load<u64>(row + TALLY_RESIDENT_TOKENS),
      load<u64>(row + TALLY_PICKS),
    );
  }
}
