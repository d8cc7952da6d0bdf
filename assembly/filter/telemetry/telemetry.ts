import { Accounts } from "../../core/accounts/accounts";
import { AccountsMessage } from "../../core/accounts/accounts_message";
import { Outcome } from "../../core/accounts/outcome";
import { nodeName } from "../node_name";
import { Settings } from "../settings";
import { Slots } from "../slots";
import { EnvoyPage } from "./envoy_page";

/** Accounts that changed are published this often at most … */
const PUBLISH_EVERY_MS: f64 = 1000;
/** … and unchanged ones this often, so that a controller knows which VMs live, and how old they are. */
const HEARTBEAT_EVERY_MS: f64 = 5000;

/** Accounts of this VM's requests, on Envoy's own page and published for the holder of the feed. */
export class Telemetry {
  readonly accounts: Accounts = new Accounts();
  private readonly page: EnvoyPage = new EnvoyPage();
  private readonly message: AccountsMessage = new AccountsMessage();
  private settings: Settings = new Settings();
  private node: ArrayBuffer = new ArrayBuffer(0);
  private sequence: u64 = 0;
  /** First tick; -1 before it. */
  private bornMs: f64 = -1;
  private publishedMs: f64 = -HEARTBEAT_EVERY_MS;
  /** `accounts.changes` as published last, and as handed to the page last. */
  private publishedChanges: u32 = 0;
  private flushedChanges: u32 = 0;

  /** `self` tells this VM from every other of the process. */
  constructor(
    private readonly self: u64,
    private readonly slots: Slots,
  ) {}

  /** The settings of the VM's active root. */
  configure(settings: Settings): void {
    this.settings = settings;
    this.node = new ArrayBuffer(0);
  }

  /** A request whose row `accounts.rowOf` gave goes on its way. No host call. */
  started(row: i32): void {
    this.accounts.started(row);
  }

  /** A request that `started` is over. No host call. */
  finished(outcome: Outcome): void {
    const row = outcome.row;
    if (row < 0 || row >= this.accounts.rows) return;
    this.accounts.finished(outcome);
    if (this.settings.metricsOnPage) this.page.finished(this.accounts, row, outcome.isEventStream);
  }

  /** From each tick of the active root: what is not needed per request. */
  tick(nowMs: f64): void {
    if (this.bornMs < 0) this.bornMs = nowMs;
    const changes = this.accounts.changes;
    if (changes != this.flushedChanges) {
      this.flushedChanges = changes;
      this.page.flush(this.accounts, this.settings.metricsOnPage);
    }
    const since = nowMs - this.publishedMs;
    if (since < (changes != this.publishedChanges ? PUBLISH_EVERY_MS : HEARTBEAT_EVERY_MS)) return;
    this.publishedMs = nowMs;
    this.publish(nowMs);
  }

  /** This VM goes: what it counted since its last publication would be lost. */
  leave(nowMs: f64): void {
    if (this.bornMs >= 0 && this.accounts.changes != this.publishedChanges) this.publish(nowMs);
  }

  private publish(nowMs: f64): void {
    if (this.node.byteLength == 0) this.node = nodeName(this.settings.node);
    this.sequence++;
    this.message.build(
      this.accounts,
      this.self,
      this.sequence,
      changetype<usize>(this.node),
      this.node.byteLength,
      <u64>(nowMs - this.bornMs),
    );
    const changes = this.accounts.changes;
    if (this.slots.publishAccounts(this.message.ptr, this.message.bytes)) this.publishedChanges = changes;
  }
}
