import { ACCEPTED, KIND_TABLE, REFUSED_STALE_SEQUENCE } from "../../wire/layout";
import { checkMessage, messageEpoch, messageSequence } from "../../wire/reader";
import { Flights } from "../../core/flights/flights";
import { Picker } from "../../core/picker";
import { Table } from "../../core/table";
import { Counter } from "../../abi/metrics";
import { FeedTarget, Settings } from "../settings";
import { PrefixOutbox } from "../exchange/prefix_outbox";
import { SharedSecret } from "../exchange/shared_secret";
import { Slots } from "../slots";
import { AccountsRelay } from "../telemetry/accounts_relay";
import { Link } from "./link";
import { Report } from "./report";

/** Time without a good table after which a controller's epoch no longer keeps an older one's tables out. */
const SILENT_MS: f64 = 2000;
const REPORT_EVERY_MS: f64 = 100;
const HELLO_EVERY_MS: f64 = 1000;
/** What was learned changes slowly. */
const LEARNED_EVERY_MS: f64 = 1000;

/**
 * The lease holder's side of the feed: one stream to every controller, the newest table of one of
 * them applied, the Envoy's counts reported to all, its VMs' accounts relayed, and told which prompts went where.
 */
export class Feed {
  refused: u32 = 0;
  /** REFUSED_* of the last refusal, 0 if there was none. */
  lastRefusal: u32 = 0;
  private links: Link[] = [];
  private readonly report: Report = new Report();
  private readonly accounts: AccountsRelay = new AccountsRelay();
  private reportedMs: f64 = 0;
  private learnedMs: f64 = 0;
  private toldMs: f64 = 0;
  /** Counts moved since the last report, or a table came: its controller waits to hear that it is in force. */
  private dirty: bool = false;
  private readonly acceptedCounter: Counter = new Counter("inference_picker.feed.tables_accepted");
  private readonly outrankedCounter: Counter = new Counter("inference_picker.feed.tables_outranked");
  private readonly refusedCounter: Counter = new Counter("inference_picker.feed.tables_refused");
  private readonly promptsSent: Counter = new Counter("inference_picker.exchange.prompts_sent");
  private readonly promptsDropped: Counter = new Counter("inference_picker.exchange.prompts_dropped");

  /** Replaces the targets; live streams of the old ones are closed. */
  retarget(targets: FeedTarget[]): void {
    this.drop();
    this.links = [];
    for (let i = 0; i < targets.length; i++) this.links.push(new Link(targets[i]));
    this.report.forgetNode();
  }

  /**
   * Dials what is due, passes on what the VMs have published of their accounts, and reports: at once on a new
   * stream, else when counts changed or a table came, else once a second.
   */
  tick(
    nowMs: f64,
    table: Table,
    flights: Flights,
    picker: Picker,
    settings: Settings,
    self: u64,
    slots: Slots,
    outbox: PrefixOutbox,
    secret: SharedSecret,
    changed: bool,
  ): void {
    let opened = false;
    for (let i = 0; i < this.links.length; i++) opened = this.links[i].tick(nowMs) || opened;
    this.accounts.tick(nowMs, slots, this.links, settings.metricsOnPage);
    this.dirty = this.dirty || changed;
    this.tell(nowMs, table, outbox, secret);
    const since = nowMs - this.reportedMs;
    if (!opened && since < (this.dirty ? REPORT_EVERY_MS : HELLO_EVERY_MS)) return;
    this.dirty = false;
    this.reportedMs = nowMs;
    slots.mergePicks(flights.ledger);
    const withLearned = opened || nowMs - this.learnedMs >= LEARNED_EVERY_MS;
    if (withLearned) this.learnedMs = nowMs;
    this.report.build(
      table,
      flights,
      picker,
      settings,
      self,
      this.refused,
      this.lastRefusal,
      slots.live,
      secret.isShared ? secret.value : 0,
      withLearned,
    );
    for (let i = 0; i < this.links.length; i++) this.links[i].send(this.report.ptr, this.report.bytes);
  }

  /**
   * Tells which prompts went where to the controller whose table is in use, and to no other: each passes them on to all
   * Envoys. What cannot be sent stays, and is pushed out by what is newer.
   */
  private tell(nowMs: f64, table: Table, outbox: PrefixOutbox, secret: SharedSecret): void {
    if (outbox.isEmpty || nowMs - this.toldMs < REPORT_EVERY_MS) return;
    this.toldMs = nowMs;
    const dropped = outbox.takeDropped();
    if (dropped > 0) this.promptsDropped.add(dropped);
    outbox.seal(secret.tag);
    for (let i = 0; i < this.links.length; i++) {
      const link = this.links[i];
      if (link.epoch == 0 || link.epoch != table.epoch) continue;
      if (!link.send(outbox.ptr, outbox.bytes)) continue;
      this.promptsSent.add(outbox.records);
      outbox.clear();
      return;
    }
  }

  /**
   * A message from a controller. True if `table` took it. The rule: within an epoch the sequence must
   * rise; a later epoch (a controller that started later) always wins; an earlier one only while no
   * open stream has lately brought a good table of the present epoch.
   */
  receive(token: u32, message: usize, bytes: u32, nowMs: f64, table: Table): bool {
    const link = this.linkOf(token);
    if (link == null) return false;
    link.heard();
    let verdict = checkMessage(message, bytes, KIND_TABLE);
    if (verdict == ACCEPTED) {
      const epoch = messageEpoch(message);
      if (epoch < table.epoch && this.hears(table.epoch, nowMs)) {
        this.outrankedCounter.add();
        return false;
      }
      if (epoch == table.epoch && messageSequence(message) <= table.sequence)
        verdict = REFUSED_STALE_SEQUENCE;
      else verdict = table.decode(message, bytes, nowMs);
      if (verdict == ACCEPTED) {
        link.accepted(nowMs, epoch);
        this.acceptedCounter.add();
        this.dirty = true;
        return true;
      }
    }
    this.refuse(verdict);
    return false;
  }

  /** Counts a message that was not taken, for a REFUSED_* reason. */
  refuse(verdict: u32): void {
    this.refused++;
    this.lastRefusal = verdict;
    this.refusedCounter.add();
  }

  /** Is it a stream of ours? */
  knows(token: u32): bool {
    return this.linkOf(token) != null;
  }

  /** False for a stream that is not ours (any more). */
  closed(token: u32, nowMs: f64): bool {
    const link = this.linkOf(token);
    if (link == null) return false;
    link.closed(nowMs);
    return true;
  }

  drop(): void {
    this.accounts.rest();
    for (let i = 0; i < this.links.length; i++) this.links[i].drop();
  }

  forget(): void {
    for (let i = 0; i < this.links.length; i++) this.links[i].forget();
  }

  private hears(epoch: u64, nowMs: f64): bool {
    for (let i = 0; i < this.links.length; i++) {
      const link = this.links[i];
      if (link.token != 0 && link.epoch == epoch && nowMs - link.acceptedMs < SILENT_MS) return true;
    }
    return false;
  }

  private linkOf(token: u32): Link | null {
    if (token == 0) return null;
    for (let i = 0; i < this.links.length; i++) if (this.links[i].token == token) return this.links[i];
    return null;
  }
}
