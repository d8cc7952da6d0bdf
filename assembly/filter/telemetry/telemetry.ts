import { Accounts } from "../../core/accounts/accounts";
import { Outcome } from "../../core/accounts/outcome";
import { Settings } from "../settings";
import { Slots } from "../slots";

/** Accounts of this VM's requests, on Envoy's own page and published for the holder of the feed. */
export class Telemetry {
  readonly accounts: Accounts = new Accounts();

  /** `self` tells this VM from every other of the process. */
  constructor(
    private readonly self: u64,
    private readonly slots: Slots,
  ) {}

  /** The settings of the VM's active root. */
  configure(settings: Settings): void {}

  /** A request whose row `accounts.rowOf` gave goes on its way. */
  started(row: i32): void {
    this.accounts.started(row);
  }

  /** A request that `started` is over. */
  finished(outcome: Outcome): void {
    this.accounts.finished(outcome);
  }

  /** From each tick of the active root: what is not needed per request. */
  tick(nowMs: f64): void {}
}
