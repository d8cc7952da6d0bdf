import { monotonicMs, randomBits } from "../abi/clock";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { actFor } from "../abi/contexts";
import { BUFFER_GRPC_MESSAGE, getBuffer } from "../abi/buffers";
import { Counter } from "../abi/metrics";
import { LEVEL_WARN, log } from "../abi/log";
import { Ledger } from "../core/ledger";
import { Picker } from "../core/picker";
import { Table } from "../core/table";
import { ACCEPTED } from "../wire/layout";
import { Feed } from "./feed/feed";
import { Lease } from "./feed/lease";
import { TableStore } from "./feed/table_store";
import { Settings } from "./settings";
import { Slots } from "./slots";

/** A root context that has not ticked for this long was taken down by Envoy. */
const ROOT_GONE_MS: f64 = 1000;

/**
 * What one Wasm VM (a worker, or the main thread) knows. A VM can hold several root contexts at once,
 * since Envoy keeps those of a replaced configuration for minutes: table and counts belong to the VM,
 * and one root, the active one, does the VM's periodic work.
 */
export class Vm {
  readonly table: Table = new Table();
  readonly ledger: Ledger = new Ledger();
  readonly picker: Picker;
  private readonly slots: Slots;
  private readonly lease: Lease;
  /** True once any table was decoded. */
  ready: bool = false;
  /** Picks since the last tick, which adds them to the host's counter: one call a tick, not one a request. */
  picks: i64 = 0;
  /** `ledger.changes` as published last. */
  private publishedChanges: u32 = 0;
  private readonly store: TableStore = new TableStore();
  private readonly feed: Feed = new Feed();
  settings: Settings = new Settings();
  private activeRoot: u32 = 0;
  private activeTickMs: f64 = 0;
  /** The root context that registered the slot's queue: queues wake only whoever registered last. */
  private queueOwner: u32 = 0;
  private decodedVersion: u32 = 0;
  private readonly picksCounter: Counter = new Counter("inference_picker.picks");
  /** Bytes by which the memories of all VMs grew after their start: flat once load has been at its highest. */
  private readonly memoryGrowth: Counter = new Counter("inference_picker.memory_growth_bytes");
  private memoryPages: i32 = memory.size();
  private readonly unreadable: Counter = new Counter("inference_picker.feed.tables_unreadable");

  /** `self` tells this VM from every other of the process. */
  constructor(private readonly self: u64) {
    this.picker = new Picker(self ^ randomBits());
    this.slots = new Slots(self);
    this.lease = new Lease(self);
  }

  /** A root context was configured: it becomes the active one unless a newer generation is. */
  configure(root: u32, settings: Settings): void {
    if (this.activeRoot != 0 && settings.generation < this.settings.generation) return;
    this.activate(root);
    this.settings = settings;
    this.feed.retarget(settings.feeds);
    // The table of the process is there at once, before the first tick: a swap under load needs it.
    this.adoptShared();
  }

  tick(root: u32): void {
    const nowMs = monotonicMs();
    if (root != this.activeRoot) {
      if (nowMs - this.activeTickMs < ROOT_GONE_MS) return;
      this.activate(root);
    }
    this.activeTickMs = nowMs;
    if (this.picks > 0) {
      this.picksCounter.add(this.picks);
      this.picks = 0;
    }
    const grownPages = memory.size() - this.memoryPages;
    if (grownPages > 0) {
      this.memoryPages += grownPages;
      this.memoryGrowth.add((<i64>grownPages) << 16);
    }
    const changed = this.ledger.changes != this.publishedChanges;
    this.publishedChanges = this.ledger.changes;
    if (this.queueOwner != root) {
      this.slots.adoptQueue();
      this.queueOwner = root;
    }
    const othersChanged = this.slots.tick(nowMs, this.ledger, changed);
    const wasHeld = this.lease.held;
    this.lease.tick(nowMs, this.settings.generation);
    if (this.lease.tableVersion != this.decodedVersion) this.adoptShared();
    if (this.lease.held) {
      this.feed.tick(
        nowMs,
        this.table,
        this.ledger,
        this.picker,
        this.settings,
        this.self,
        this.slots.live,
        changed || othersChanged,
      );
    } else if (wasHeld) this.feed.drop();
    if (this.ready) this.table.age(nowMs);
  }

  /** Wakes on a new table; also empties what was queued for a root that this one replaced. */
  queueReady(token: u32): void {
    if (!this.slots.ownsQueue(token)) return;
    this.slots.drain();
    this.lease.read();
    if (this.lease.tableVersion != this.decodedVersion) this.adoptShared();
  }

  /** The feed's message is in the host's buffer. */
  receive(token: u32, bytes: u32): void {
    if (!getBuffer(BUFFER_GRPC_MESSAGE, 0, bytes)) return;
    const nowMs = monotonicMs();
    const message = arrivedPtr();
    const messageBytes = arrivedBytes();
    if (!this.feed.receive(token, message, messageBytes, nowMs, this.table)) return;
    this.applied(nowMs);
    const version = this.lease.tableVersion + 1;
    if (!this.store.write(message, messageBytes, nowMs, version)) return;
    this.decodedVersion = version;
    if (!this.lease.publish(nowMs, this.settings.generation, version)) return;
    this.slots.wakeOthers(changetype<usize>(this.wakeValue), this.wakeValue.length);
  }

  closed(token: u32): void {
    this.feed.closed(token, monotonicMs());
  }

  /** A root context is being taken down. */
  deleted(root: u32): void {
    if (root == this.activeRoot) this.activeTickMs = -ROOT_GONE_MS;
  }

  private readonly wakeValue: StaticArray<u8> = [1];

  private activate(root: u32): void {
    const previous = this.activeRoot;
    if (root == previous) return;
    this.activeRoot = root;
    if (previous == 0) return;
    // A stream belongs to the root context that opened it, and only for that one can it be closed.
    if (actFor(previous)) this.feed.drop();
    else this.feed.forget();
    actFor(root);
    this.queueOwner = 0;
  }

  /** Decodes the table in shared data, once per version; true once there is any table. */
  adoptShared(): bool {
    if (!this.store.read() || this.store.version == this.decodedVersion) return this.ready;
    const verdict = this.table.decode(this.store.messagePtr, this.store.messageBytes, this.store.receivedMs);
    this.decodedVersion = this.store.version;
    if (verdict == ACCEPTED) this.applied(monotonicMs());
    else {
      this.unreadable.add();
      log(LEVEL_WARN, "shared table refused, reason " + verdict.toString());
    }
    return this.ready;
  }

  private applied(nowMs: f64): void {
    this.ready = true;
    this.slots.mergeAgain();
    this.table.bind(this.ledger);
    this.ledger.release(this.table);
    this.table.age(nowMs);
  }
}
