import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { Counter } from "../abi/metrics";
import { dequeue, enqueue, registerQueue } from "../abi/queues";
import { CREATE, arrivedCas, getShared, setShared } from "../abi/shared_data";
import { Text } from "../abi/text";
import { Ledger } from "../core/ledger";
import { addressOf } from "../wire/bytes";
import { TALLY_STRIDE } from "../wire/layout";
import {
  PICKS_BYTES,
  PICK_ROW_BYTES,
  SLOT_BYTES,
  picksHolder,
  picksRows,
  slotHeartbeatMs,
  slotHolder,
  slotPublication,
  slotQueue,
  slotRows,
  writePicks,
  writeSlot,
} from "../wire/shared";
import { SHARED_PREFIX } from "./names";

/** More VMs than this in one Envoy (workers, main thread, overlapping configurations) share nothing. */
export const MAX_SLOTS: i32 = 256;
const MAX_TALLIES: i32 = 8192;
/** A VM that has not published for this long is dead, and what it had in flight with it. */
const DEAD_AFTER_MS: f64 = 3000;
const HEARTBEAT_EVERY_MS: f64 = 500;
/** A VM that found no free slot looks again after this long: looking costs 256 host calls. */
const CLAIM_AGAIN_MS: f64 = 500;
/** As often as the holder of the feed reports. */
const PICKS_EVERY_MS: f64 = 100;

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
  private claimAtMs: f64 = 0;
  private publishedMs: f64 = 0;
  private picksMs: f64 = 0;
  /** `ledger.changes` as published last in this slot; meaningless while `fresh`. */
  private publishedChanges: u32 = 0;
  private publishedPicks: u32 = 0;
  /** Claimed, and nothing published since. */
  private fresh: bool = false;
  private stale: bool = false;
  private publication: u32 = 0;
  /** Slots that existed at the last merge. */
  private count: i32 = 0;
  private readonly keys: Text[] = [];
  private readonly picksKeys: Text[] = [];
  private readonly accountsKeys: Text[] = [];
  private value: StaticArray<u8> = new StaticArray<u8>(SLOT_BYTES);
  /** Of each other slot, as merged last: who, and which publication. 0 for a dead one. */
  private readonly seenHolder: StaticArray<u64> = new StaticArray<u64>(MAX_SLOTS);
  private readonly seenPublication: StaticArray<u32> = new StaticArray<u32>(MAX_SLOTS);
  private readonly queues: StaticArray<u32> = new StaticArray<u32>(MAX_SLOTS);
  private readonly noneFree: Counter = new Counter("inference_picker.slots_exhausted");

  constructor(private readonly self: u64) {}

  /** Claims a slot if there is none, publishes what changed, merges what others published; true if that moved. */
  tick(nowMs: f64, ledger: Ledger): bool {
    if (this.index < 0 && nowMs >= this.claimAtMs) this.claim(nowMs);
    if (this.index >= 0) {
      const changed = this.fresh || ledger.changes != this.publishedChanges;
      if (changed || nowMs - this.publishedMs >= HEARTBEAT_EVERY_MS) this.publish(nowMs, ledger, changed);
    }
    return this.merge(nowMs, ledger);
  }

  /**
   * This VM goes: what it published last would count until the slot is dead. The slot stays until then, so that
   * others read what is in it and beside it; nobody queues anything for it any more.
   */
  leave(nowMs: f64, ledger: Ledger): void {
    if (this.index < 0) return;
    this.picksMs = -PICKS_EVERY_MS;
    this.queue = 0;
    const changed =
      this.fresh || ledger.changes != this.publishedChanges || ledger.changes != this.publishedPicks;
    this.publish(nowMs, ledger, changed);
  }

  /** The root context that owned the queue is gone: the calling one takes it over. */
  adoptQueue(): void {
    if (this.index < 0) return;
    // Registering the queue of a slot that another VM has claimed would take its wake-ups away.
    if (this.holds()) this.register();
    else this.lose();
  }

  /** The table names other endpoints than before: what was ignored at the last merge may count now. */
  mergeAgain(): void {
    this.stale = true;
  }

  ownsQueue(token: u32): bool {
    return token == this.queue && this.queue != 0;
  }

  /** Takes the oldest item off the own queue, into the arrival buffer; false where there is none. */
  nextItem(): bool {
    return this.queue != 0 && dequeue(this.queue);
  }

  /** Puts an item of `queue_items.ts` into the queue of every other live VM. */
  sendOthers(value: usize, bytes: i32): void {
    for (let slot = 0; slot < this.count; slot++) {
      const queue = unchecked(this.queues[slot]);
      if (queue != 0 && slot != this.index) enqueue(queue, value, bytes);
    }
  }

  /** Counts the picks of the other live VMs anew, from what they published last. */
  mergePicks(ledger: Ledger): void {
    ledger.clearOtherPicks();
    for (let slot = 0; slot < this.count; slot++) {
      const holder = unchecked(this.seenHolder[slot]);
      if (holder == 0) continue;
      const key = keyOf(this.picksKeys, "picks/", slot);
      if (!getShared(key.ptr, key.bytes)) continue;
      const value = arrivedPtr();
      const bytes = arrivedBytes();
      // Whoever had the slot before has left its picks behind.
      if (bytes < PICKS_BYTES || picksHolder(value) != holder) continue;
      ledger.mergePicks(value + PICKS_BYTES, picksRows(value, bytes));
    }
  }

  /** Slots that existed at the last merge. */
  get known(): i32 {
    return this.count;
  }

  /** The live VM that owns the slot, this one included; 0 if there is none. */
  ownerOf(slot: i32): u64 {
    return slot == this.index ? this.self : unchecked(this.seenHolder[slot]);
  }

  /**
   * Publishes this VM's accounts beside its slot; false where it has none. Unconditional: readers take
   * accounts only of the VM that owns the slot.
   */
  publishAccounts(ptr: usize, bytes: i32): bool {
    if (this.index < 0) return false;
    const key = keyOf(this.accountsKeys, "accounts/", this.index);
    return setShared(key.ptr, key.bytes, ptr, bytes, 0);
  }

  /** True with what was published beside the slot, by whomever, in the arrival buffer. */
  readAccounts(slot: i32): bool {
    const key = keyOf(this.accountsKeys, "accounts/", slot);
    return getShared(key.ptr, key.bytes);
  }

  private key(slot: i32): Text {
    return keyOf(this.keys, "slot/", slot);
  }

  private claim(nowMs: f64): void {
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      const key = this.key(slot);
      let cas: u32 = CREATE;
      if (getShared(key.ptr, key.bytes)) {
        if (isAlive(nowMs, arrivedPtr(), arrivedBytes())) continue;
        cas = arrivedCas();
      }
      this.index = slot;
      this.cas = cas;
      this.queue = 0;
      this.writeHead(nowMs, 0);
      if (!this.write(SLOT_BYTES)) continue;
      this.fresh = true;
      this.register();
      // Of the time of whoever had the slot: this VM takes over the state that came of it.
      while (dequeue(this.queue)) {}
      return;
    }
    this.lose();
    this.claimAtMs = nowMs + CLAIM_AGAIN_MS;
    this.noneFree.add();
  }

  /** Another VM thought this one dead, or there is none to have. */
  private lose(): void {
    this.index = -1;
    this.queue = 0;
  }

  private register(): void {
    const name = new Text(SHARED_PREFIX + "queue/" + this.index.toString());
    this.queue = registerQueue(name.ptr, name.bytes);
    this.publishedMs = 0;
  }

  /** Is the stored slot ours? Refreshes the CAS token. */
  private holds(): bool {
    const key = this.key(this.index);
    if (!getShared(key.ptr, key.bytes) || arrivedBytes() < SLOT_BYTES) return false;
    this.cas = arrivedCas();
    return slotHolder(arrivedPtr()) == this.self;
  }

  private publish(nowMs: f64, ledger: Ledger, changed: bool): void {
    const capacity = min(MAX_TALLIES, ledger.accounts);
    this.reserve(SLOT_BYTES + capacity * <i32>TALLY_STRIDE);
    const rows = ledger.writeTallies(addressOf(this.value) + SLOT_BYTES, capacity, false);
    if (changed) this.publication++;
    this.writeHead(nowMs, rows);
    // Between this token and the write nobody writes but a claimer who thinks us dead.
    if (!this.holds() || !this.write(SLOT_BYTES + rows * <i32>TALLY_STRIDE)) {
      this.lose();
      return;
    }
    this.publishedMs = nowMs;
    this.publishedChanges = ledger.changes;
    if (this.fresh || (ledger.changes != this.publishedPicks && nowMs - this.picksMs >= PICKS_EVERY_MS)) {
      this.publishPicks(nowMs, ledger);
    }
    this.fresh = false;
  }

  /** Unconditional: readers take picks only of the VM that owns the slot. */
  private publishPicks(nowMs: f64, ledger: Ledger): void {
    const capacity = min(MAX_TALLIES, ledger.accounts);
    this.reserve(PICKS_BYTES + capacity * <i32>PICK_ROW_BYTES);
    const value = addressOf(this.value);
    const rows = ledger.writePicks(value + PICKS_BYTES, capacity);
    writePicks(value, this.self, rows);
    const key = keyOf(this.picksKeys, "picks/", this.index);
    if (!setShared(key.ptr, key.bytes, value, PICKS_BYTES + rows * <i32>PICK_ROW_BYTES, 0)) return;
    this.picksMs = nowMs;
    this.publishedPicks = ledger.changes;
  }

  private reserve(bytes: i32): void {
    if (this.value.length < bytes) this.value = new StaticArray<u8>((bytes + 4095) & ~4095);
  }

  private writeHead(nowMs: f64, rows: i32): void {
    writeSlot(addressOf(this.value), this.self, nowMs, this.queue, rows, this.publication);
  }

  private write(bytes: i32): bool {
    const key = this.key(this.index);
    return setShared(key.ptr, key.bytes, addressOf(this.value), bytes, this.cas);
  }

  /** Reads every slot once; what it collects replaces the merged counts only if a slot changed, appeared or died. */
  private merge(nowMs: f64, ledger: Ledger): bool {
    let changed = this.stale;
    let live = 0;
    let slot = 0;
    ledger.beginMerge();
    for (; slot < MAX_SLOTS; slot++) {
      let holder: u64 = 0;
      let publication: u32 = 0;
      let queue: u32 = 0;
      if (slot == this.index) {
        live++;
      } else {
        const key = this.key(slot);
        // Slots are claimed in this order: behind one that never was there is none.
        if (!getShared(key.ptr, key.bytes)) break;
        const value = arrivedPtr();
        const bytes = arrivedBytes();
        if (isAlive(nowMs, value, bytes)) {
          live++;
          holder = slotHolder(value);
          publication = slotPublication(value);
          queue = slotQueue(value);
          ledger.mergeTallies(value + SLOT_BYTES, slotRows(value, bytes));
        }
      }
      unchecked((this.queues[slot] = queue));
      if (
        unchecked(this.seenHolder[slot]) != holder ||
        unchecked(this.seenPublication[slot]) != publication
      ) {
        unchecked((this.seenHolder[slot] = holder));
        unchecked((this.seenPublication[slot] = publication));
        changed = true;
      }
    }
    this.count = slot;
    this.live = live;
    if (!changed) {
      ledger.heardRoots();
      return false;
    }
    this.stale = false;
    ledger.endMerge();
    return true;
  }
}

/** A heartbeat far ahead is none: the clock is the same for all, so that nobody's can be. */
function isAlive(nowMs: f64, value: usize, bytes: i32): bool {
  return bytes >= SLOT_BYTES && abs(nowMs - slotHeartbeatMs(value)) < DEAD_AFTER_MS;
}

/** The n-th key of a kind, made once. */
function keyOf(keys: Text[], kind: string, slot: i32): Text {
  while (keys.length <= slot) keys.push(new Text(SHARED_PREFIX + kind + keys.length.toString()));
  return keys[slot];
}
