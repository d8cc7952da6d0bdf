import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { ACCEPTED, KIND_ACCOUNTS } from "../../wire/layout";
import { checkMessage, messageEpoch, messageSequence } from "../../wire/reader";
import { Link } from "../feed/link";
import { MAX_FEEDS } from "../settings";
import { MAX_SLOTS, Slots } from "../slots";
import { RunningGauges } from "./running_gauges";

/** A round looks at each slot once, one a tick, and begins no sooner than this after the one before. */
const ROUND_EVERY_MS: f64 = 1000;
/** What a controller takes from an Envoy without a second thought; who exceeds it waits, and loses nothing. */
const BYTES_PER_MS: f64 = 1000;
const BURST_BYTES: f64 = 1000000;

/**
 * The holder's side of accounts: what each VM of the Envoy has published goes to every controller as it is,
 * where it changed. Messages are cumulative and bear their VM's number and their own, so that sending one
 * again, or skipping one, changes no total.
 */
export class AccountsRelay {
  private readonly gauges: RunningGauges = new RunningGauges();
  private slot: i32 = 0;
  private roundMs: f64 = 0;
  private filledMs: f64 = 0;
  private creditBytes: f64 = BURST_BYTES;
  /** Of each link: the stream that the marks below are of. */
  private readonly tokens: StaticArray<u32> = new StaticArray<u32>(MAX_FEEDS);
  /** Of each link and slot, what went over the stream last; VM 0: nothing yet. */
  private readonly sentVm: StaticArray<u64> = new StaticArray<u64>(MAX_FEEDS * MAX_SLOTS);
  private readonly sentSequence: StaticArray<u64> = new StaticArray<u64>(MAX_FEEDS * MAX_SLOTS);

  /** Another VM holds the feed. */
  rest(): void {
    this.slot = 0;
    this.gauges.forget();
  }

  /** One slot's accounts, from each tick of the holder; `shows`: the gauges on Envoy's page too. */
  tick(nowMs: f64, slots: Slots, links: Link[], shows: bool): void {
    const elapsedMs = max<f64>(0, nowMs - this.filledMs);
    this.creditBytes = min<f64>(BURST_BYTES, this.creditBytes + elapsedMs * BYTES_PER_MS);
    this.filledMs = nowMs;
    if (this.creditBytes < 0) return;
    if (this.slot == 0) {
      if (nowMs < this.roundMs) return;
      this.roundMs = nowMs + ROUND_EVERY_MS;
      this.gauges.sums.begin();
    }
    if (this.slot < slots.known) this.relay(this.slot, slots, links);
    this.slot++;
    if (this.slot < slots.known) return;
    this.slot = 0;
    if (shows) this.gauges.show();
  }

  private relay(slot: i32, slots: Slots, links: Link[]): void {
    if (!slots.readAccounts(slot)) return;
    const message = arrivedPtr();
    const bytes = arrivedBytes();
    if (checkMessage(message, bytes, KIND_ACCOUNTS) != ACCEPTED) return;
    const vm = messageEpoch(message);
    const lives = vm == slots.ownerOf(slot);
    this.gauges.sums.add(message, lives);
    const sequence = messageSequence(message);
    let isSent = false;
    for (let i = 0; i < links.length; i++)
      isSent = this.send(i, links[i], slot, vm, lives, sequence, message, bytes) || isSent;
    if (isSent) this.creditBytes -= bytes;
  }

  /**
   * What a VM published last may come after its death, where a round takes longer than dying. It goes only to who had
   * something of that VM over this stream: others may have forgotten the VM, and would count it anew.
   */
  private send(
    index: i32,
    link: Link,
    slot: i32,
    vm: u64,
    lives: bool,
    sequence: u64,
    message: usize,
    bytes: i32,
  ): bool {
    if (unchecked(this.tokens[index]) != link.token) {
      unchecked((this.tokens[index] = link.token));
      const first = index * MAX_SLOTS;
      for (let at = first; at < first + MAX_SLOTS; at++) unchecked((this.sentVm[at] = 0));
    }
    const at = index * MAX_SLOTS + slot;
    const isKnown = unchecked(this.sentVm[at]) == vm;
    if (isKnown ? unchecked(this.sentSequence[at]) == sequence : !lives) return false;
    if (!link.send(message, bytes)) return false;
    unchecked((this.sentVm[at] = vm));
    unchecked((this.sentSequence[at] = sequence));
    return true;
  }
}
