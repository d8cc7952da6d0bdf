import { monotonicMs, randomBits } from "../abi/clock";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { actFor } from "../abi/contexts";
import { BUFFER_GRPC_MESSAGE, getBuffer } from "../abi/buffers";
import { Counter } from "../abi/metrics";
import { LEVEL_INFO, LEVEL_WARN, log } from "../abi/log";
import { setTickPeriod } from "../abi/timer";
import { Flights } from "../core/flights/flights";
import { Ledger } from "../core/ledger";
import { Picker } from "../core/picker";
import { Table } from "../core/table";
import { addressOf } from "../wire/bytes";
import {
  ACCEPTED,
  HEADER_FIXED_BYTES,
  KIND_PREFIXES,
  MAX_MESSAGE_BYTES,
  REFUSED_OVERSIZED,
} from "../wire/layout";
import { ITEM_WAKE } from "../wire/queue_items";
import { messageKind } from "../wire/reader";
import { EndpointEpochs } from "./endpoint_epochs";
import { Exchange } from "./exchange/exchange";
import { SharedSecret } from "./exchange/shared_secret";
import { Feed } from "./feed/feed";
import { Lease } from "./feed/lease";
import { TableStore } from "./feed/table_store";
import { Garbage } from "./garbage";
import { PrefixMemory } from "./prefix_memory";
import { Root, Roots } from "./roots";
import { Settings } from "./settings";
import { Slots } from "./slots";
import { Telemetry } from "./telemetry/telemetry";

/** Tick of a root context that only waits for the active one to go; above every `tickMs`. */
const WAITING_TICK_MS: u32 = 1000;
/**
 * A waiting root that ticks this often in a row without a tick of the active one in between takes over.
 * Counted in ticks, since after a stall of the thread the waiting one may simply be the first to run.
 */
const MISSED_TICKS: i32 = 2;

/**
 * What one Wasm VM (a worker, or the main thread) knows. A VM can hold several root contexts at once,
 * since Envoy keeps those of a replaced configuration for minutes: table and counts belong to the VM,
 * one root, the active one, does the VM's periodic work under its settings; how a pick leaves the
 * filter, and whether bodies are waited for, is each root's own.
 */
export class Vm {
  readonly table: Table = new Table();
  readonly ledger: Ledger = new Ledger();
  readonly flights: Flights = new Flights(this.ledger);
  /** With which keys of prompts are made. */
  readonly secret: SharedSecret = new SharedSecret(randomBits());
  readonly picker: Picker;
  readonly prefixes: PrefixMemory = new PrefixMemory();
  readonly telemetry: Telemetry;
  readonly garbage: Garbage = new Garbage();
  private readonly slots: Slots;
  private readonly lease: Lease;
  private readonly exchange: Exchange = new Exchange(this.flights, this.secret);
  private readonly epochs: EndpointEpochs = new EndpointEpochs();
  /** True once any table was decoded. */
  ready: bool = false;
  /** What the Envoy's other VMs had learned was taken over. */
  private begun: bool = false;
  /** Monotonic time of the last tick, which is at most `tickMs` ago unless the thread was busy. */
  tickedMs: f64 = 0;
  /** Picks since the last tick, which adds them to the host's counter: one call a tick, not one a request. */
  picks: i64 = 0;
  /** `ledger.changes` at the last tick. */
  private seenChanges: u32 = 0;
  private readonly store: TableStore = new TableStore();
  private readonly feed: Feed = new Feed();
  private readonly roots: Roots = new Roots();
  /** Those of the active root. */
  private settings: Settings = new Settings();
  /** 0 while there is none. */
  private activeRoot: u32 = 0;
  private activeTicks: u32 = 0;
  /** The root context that registered the slot's queue: queues wake only whoever registered last. */
  private queueOwner: u32 = 0;
  private decodedVersion: u32 = 0;
  /** The stream made last, and the settings of its root. */
  private newestStream: u32 = 0;
  private newestSettings: Settings = new Settings();
  private readonly picksCounter: Counter = new Counter("inference_picker.picks");
  /** Bytes by which the memories of all VMs grew after their start: flat once load has been at its highest. */
  private readonly memoryGrowth: Counter = new Counter("inference_picker.memory_growth_bytes");
  private memoryPages: i32 = memory.size();
  private readonly unreadable: Counter = new Counter("inference_picker.feed.tables_unreadable");
  private readonly wakeItem: StaticArray<u8> = [ITEM_WAKE];

  /** `self` tells this VM from every other of the process. */
  constructor(private readonly self: u64) {
    this.picker = new Picker(self ^ randomBits());
    const slots = new Slots(self);
    this.slots = slots;
    this.telemetry = new Telemetry(self, slots);
    this.lease = new Lease(self);
  }

  /** A root context was configured: it becomes the active one, unless one of a higher generation lives. */
  configure(id: u32, settings: Settings): void {
    const root = new Root(id, settings);
    this.roots.put(root);
    setTickPeriod(settings.tickMs);
    if (this.activeRoot != 0 && this.activeRoot != id && settings.generation < this.settings.generation) {
      log(
        LEVEL_INFO,
        "generation " +
          settings.generation.toString() +
          " waits until generation " +
          this.settings.generation.toString() +
          " is gone",
      );
    } else this.activate(root, id);
    // The table of the process is there at once, before the first tick: a swap under load needs it.
    this.adoptShared();
  }

  tick(id: u32): void {
    if (id != this.activeRoot && !this.takesOver(id)) return;
    this.activeTicks++;
    const nowMs = monotonicMs();
    this.tickedMs = nowMs;
    if (this.picks > 0) {
      this.picksCounter.add(this.picks);
      this.picks = 0;
    }
    const grownPages = memory.size() - this.memoryPages;
    if (grownPages > 0) {
      this.memoryPages += grownPages;
      this.memoryGrowth.add((<i64>grownPages) << 16);
    }
    if (this.queueOwner != id) {
      this.slots.adoptQueue();
      this.queueOwner = id;
    }
    const changed = this.ledger.changes != this.seenChanges;
    this.seenChanges = this.ledger.changes;
    const othersChanged = this.slots.tick(nowMs, this.ledger);
    this.lease.tick(nowMs, this.settings.generation);
    if (this.ready && !this.begun) {
      this.begun = true;
      this.exchange.begin();
    }
    this.exchange.tick(nowMs, this.slots, this.lease.held);
    if (this.lease.tableVersion != this.decodedVersion) this.adoptShared();
    if (this.lease.held) {
      this.feed.tick(
        nowMs,
        this.table,
        this.flights,
        this.picker,
        this.settings,
        this.self,
        this.slots,
        this.exchange.outbox,
        this.secret,
        changed || othersChanged,
      );
    } else this.feed.drop();
    this.telemetry.tick(nowMs);
    if (this.ready) this.table.age(nowMs);
    this.prefixes.tick(this.table, this.flights);
    this.flights.tick(nowMs);
  }

  /** Wakes on a new table, and on what other VMs tell; also empties what was queued for a root that this one replaced. */
  queueReady(token: u32): void {
    if (!this.slots.ownsQueue(token)) return;
    if (!this.exchange.drain(this.slots, this.lease.held)) return;
    this.lease.read();
    if (this.lease.tableVersion != this.decodedVersion) this.adoptShared();
  }

  /**
   * The feed's message is in the host's buffer. A VM that slept through its lease wakes up here, before its
   * tick: the store's token is taken first, the lease is looked at next, and whoever claims after that
   * writes the store with another token before this VM could.
   */
  receive(token: u32, bytes: u32): void {
    if (!this.feed.knows(token)) return;
    if (bytes > MAX_MESSAGE_BYTES) {
      this.feed.refuse(REFUSED_OVERSIZED);
      return;
    }
    // The kind alone: what is in the store is as large as a table, and messages of prompts come far more often.
    if (!getBuffer(BUFFER_GRPC_MESSAGE, 0, min(bytes, HEADER_FIXED_BYTES))) return;
    const ofPrefixes = messageKind(arrivedPtr(), arrivedBytes()) == KIND_PREFIXES;
    if (!ofPrefixes) this.store.look();
    this.lease.read();
    if (!this.lease.mine) {
      this.feed.drop();
      return;
    }
    if (!getBuffer(BUFFER_GRPC_MESSAGE, 0, bytes)) return;
    const nowMs = monotonicMs();
    const message = arrivedPtr();
    const messageBytes = arrivedBytes();
    if (ofPrefixes) {
      this.exchange.relayed(message, messageBytes, this.slots);
      return;
    }
    if (!this.feed.receive(token, message, messageBytes, nowMs, this.table)) return;
    this.applied(nowMs);
    // Above the stored one too: a holder that lost the lease in between may have stored without publishing.
    const version = max(this.lease.tableVersion, this.store.version) + 1;
    if (!this.store.write(message, messageBytes, nowMs, version)) {
      this.feed.drop();
      return;
    }
    this.decodedVersion = version;
    if (!this.lease.publish(nowMs, this.settings.generation, version)) {
      this.feed.drop();
      return;
    }
    this.slots.sendOthers(addressOf(this.wakeItem), this.wakeItem.length);
  }

  closed(token: u32): void {
    this.feed.closed(token, monotonicMs());
  }

  /** A stream of `root` begins; its headers come next. */
  began(stream: u32, root: u32): void {
    const found = this.roots.find(root);
    this.newestStream = stream;
    this.newestSettings = found != null ? found.settings : this.settings;
  }

  /** Those of the stream's root; to be asked at the stream's headers. */
  settingsOf(stream: u32): Settings {
    return stream == this.newestStream ? this.newestSettings : this.settings;
  }

  /** A root context is being taken down, or a stream has ended. */
  deleted(id: u32): void {
    if (!this.roots.remove(id) || id != this.activeRoot) return;
    // Its streams go with it.
    this.feed.forget();
    this.activeRoot = 0;
    this.promote(id);
    if (this.activeRoot == 0) this.leave();
  }

  /** The last root is gone, and its streams before it: Envoy destroys the VM. */
  private leave(): void {
    const nowMs = monotonicMs();
    // One that never took over what others have learned would leave them its ignorance.
    if (this.begun) this.exchange.leave(nowMs);
    this.slots.leave(nowMs, this.ledger);
    this.telemetry.leave(nowMs);
  }

  /** A tick of a root that is not the active one: does it become that? */
  private takesOver(id: u32): bool {
    const root = this.roots.find(id);
    if (root == null) return false;
    if (root.seenTicks != this.activeTicks) {
      root.seenTicks = this.activeTicks;
      root.missed = 0;
    } else root.missed++;
    if (root.missed < MISSED_TICKS) {
      if (!root.slowed) setTickPeriod(WAITING_TICK_MS);
      root.slowed = true;
      return false;
    }
    this.roots.remove(this.activeRoot);
    this.promote(id);
    return this.activeRoot == id;
  }

  /** Makes the best root that is left the active one. */
  private promote(caller: u32): void {
    let best = this.roots.best();
    while (best != null && !actFor(best.id)) {
      this.roots.remove(best.id);
      best = this.roots.best();
    }
    if (best != null) this.activate(best, caller);
  }

  /** `caller` is the context whose callback runs. */
  private activate(root: Root, caller: u32): void {
    const previous = this.activeRoot;
    if (previous != 0) {
      // A stream belongs to the root context that opened it, and only for that one can it be closed.
      if (actFor(previous)) this.feed.drop();
      else this.feed.forget();
    }
    this.activeRoot = root.id;
    this.settings = root.settings;
    this.telemetry.configure(root.settings);
    root.slowed = false;
    root.missed = 0;
    this.queueOwner = 0;
    this.feed.retarget(root.settings.feeds);
    if (root.id != caller && actFor(root.id)) setTickPeriod(root.settings.tickMs);
    actFor(caller);
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
    this.table.age(nowMs);
    this.flights.adopt(this.table);
    this.epochs.adopt(this.table, this.flights);
    if (this.secret.adopt(this.table.secret)) this.exchange.forgetPrompts();
  }
}
