import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { Counter } from "../../abi/metrics";
import { Flights } from "../../core/flights/flights";
import { addressOf } from "../../wire/bytes";
import { ACCEPTED, KIND_PREFIXES, PREFIXES_SECTION_RECORDS } from "../../wire/layout";
import { countPrefixRecords } from "../../wire/prefix_records";
import { MAX_PREFIXES_BYTES } from "../../wire/prefixes";
import {
  EXCHANGE_BYTES,
  ITEM_LEARNED,
  ITEM_RELAYED,
  ITEM_WAKE,
  MAX_ITEM_BYTES,
  MAX_ROWS_BYTES,
  itemKind,
  prefixesBytes,
  rowsBytes,
  writeExchange,
} from "../../wire/queue_items";
import { checkMessage, messageEpoch, sectionCount, sectionPtr } from "../../wire/reader";
import { Slots } from "../slots";
import { LearnedStore } from "./learned_store";
import { PrefixOutbox } from "./prefix_outbox";
import { SharedSecret } from "./shared_secret";

/** Of one VM in one tick, 25 ms: 31 prompts of 64 KB. What is beyond waits, or is lost: that is the core's to say. */
const PREFIXES_A_TICK: i32 = 32768;

/**
 * What VMs tell each other beside what is in flight: what they learned from answers, and which prompts went where. Between the VMs
 * of an Envoy it goes by their slots' queues, one item a tick and slot at most; the holder of the feed passes prompts on to
 * the controller, and to the other VMs what the controller has of other Envoys. All of it may be lost: a request is then
 * sent where its prompt is not cached, or a coefficient is learned a little later.
 */
export class Exchange {
  readonly outbox: PrefixOutbox = new PrefixOutbox();
  private readonly item: StaticArray<u8> = new StaticArray<u8>(MAX_ITEM_BYTES);
  private readonly store: LearnedStore = new LearnedStore();
  private readonly refused: Counter = new Counter("inference_picker.exchange.items_refused");
  private readonly relayedCounter: Counter = new Counter("inference_picker.exchange.prompts_received");

  constructor(
    private readonly flights: Flights,
    private readonly secret: SharedSecret,
  ) {}

  /** A VM that has its first table takes over what others have learned. */
  begin(): void {
    this.store.restore(this.flights);
  }

  /** Tells the other VMs what this one has found out since its last tick; `holds`: it has the feed. */
  tick(nowMs: f64, slots: Slots, holds: bool): void {
    const item = addressOf(this.item);
    const rows = this.flights.takeRows(item + EXCHANGE_BYTES, MAX_ROWS_BYTES);
    const records = item + EXCHANGE_BYTES + rows;
    let prefixes = this.flights.takePrefixRecords(records, PREFIXES_A_TICK);
    // Keys under a secret of this VM's own mean nothing to others.
    if (!this.secret.isShared) prefixes = 0;
    if (rows + prefixes > 0) {
      if (holds) this.outbox.add(records, prefixes);
      writeExchange(item, ITEM_LEARNED, rows, prefixes);
      slots.sendOthers(item, EXCHANGE_BYTES + rows + prefixes);
    }
    if (holds) this.store.tick(nowMs, this.flights);
    else this.outbox.clear();
  }

  /** This VM goes: what it learned last is left to whoever comes. */
  leave(nowMs: f64): void {
    this.store.publish(nowMs, this.flights);
  }

  /** The secret is another one: what waits to be told was made with the one before it. */
  forgetPrompts(): void {
    this.outbox.clear();
    this.flights.takePrefixRecords(addressOf(this.item), PREFIXES_A_TICK);
  }

  /** Empties the own queue; true if there was a wake-up in it. */
  drain(slots: Slots, holds: bool): bool {
    let isWoken = false;
    while (slots.nextItem()) isWoken = this.take(arrivedPtr(), arrivedBytes(), holds) || isWoken;
    return isWoken;
  }

  /** An item of a queue; true if it is a wake-up. */
  private take(item: usize, bytes: i32, holds: bool): bool {
    const kind = itemKind(item, bytes);
    if (kind == ITEM_WAKE) return true;
    if (kind == 0) {
      this.refused.add();
      return false;
    }
    const rows = rowsBytes(item);
    const prefixes = prefixesBytes(item);
    const records = item + EXCHANGE_BYTES + rows;
    if (rows > 0 && kind == ITEM_LEARNED) this.flights.applyRows(item + EXCHANGE_BYTES, rows);
    if (prefixes == 0) return false;
    this.flights.applyPrefixRecords(records, prefixes);
    if (holds && kind == ITEM_LEARNED && prefixes <= <i32>MAX_PREFIXES_BYTES)
      this.outbox.add(records, prefixes);
    return false;
  }

  /**
   * A message of a controller: which prompts went where through other Envoys. One that cannot be read is counted.
   * One whose keys are made with another secret says nothing: controllers may not have agreed yet.
   */
  relayed(message: usize, bytes: u32, slots: Slots): void {
    if (checkMessage(message, bytes, KIND_PREFIXES) != ACCEPTED) {
      this.refused.add();
      return;
    }
    const records = sectionPtr(message, PREFIXES_SECTION_RECORDS);
    const recordsBytes = sectionCount(message, PREFIXES_SECTION_RECORDS);
    if (recordsBytes > <i32>MAX_PREFIXES_BYTES) {
      this.refused.add();
      return;
    }
    if (recordsBytes == 0 || messageEpoch(message) != this.secret.tag) return;
    this.relayedCounter.add(countPrefixRecords(records, recordsBytes));
    this.flights.applyPrefixRecords(records, recordsBytes);
    const item = addressOf(this.item);
    writeExchange(item, ITEM_RELAYED, 0, recordsBytes);
    memory.copy(item + EXCHANGE_BYTES, records, recordsBytes);
    slots.sendOthers(item, EXCHANGE_BYTES + recordsBytes);
  }
}
