import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { CREATE, arrivedCas, getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { addressOf } from "../../wire/bytes";
import {
  LEASE_BYTES,
  leaseExpiresMs,
  leaseGeneration,
  leaseHolder,
  leaseTableVersion,
  writeLease,
} from "../../wire/shared";
import { SHARED_PREFIX } from "../names";

/**
 * How long a silent holder keeps it: what a trapped VM costs the feed at most, beside a tick. It is
 * renewed at the first tick after TERM - RENEW_WITHIN, so that the longest tick (MAX_TICK_MS in
 * settings.ts) must stay well below RENEW_WITHIN.
 */
const TERM_MS: f64 = 1000;
const RENEW_WITHIN_MS: f64 = 600;
/**
 * After this long without any holder a lower generation may serve again: the configuration was
 * rolled back. Until then the root contexts that Envoy keeps of a replaced configuration stay out.
 */
const ABANDONED_MS: f64 = 30000;

/**
 * Who of an Envoy's VMs holds the feed: one value in shared data, changed by compare-and-swap only.
 * It also carries the version of the shared table, so one read a tick tells a VM both.
 */
export class Lease {
  /** As read last. */
  tableVersion: u32 = 0;
  /** Ours as of the last `tick`, `read` or `publish`, and worth the work of a holder. */
  held: bool = false;
  private readonly key: Text = new Text(SHARED_PREFIX + "lease");
  private readonly value: StaticArray<u8> = new StaticArray<u8>(LEASE_BYTES);
  private cas: u32 = CREATE;
  private generation: u64 = 0;
  private holder: u64 = 0;
  private expiresMs: f64 = 0;

  constructor(private readonly self: u64) {}

  /** Nobody else has claimed it, as read last; an expired one too is its holder's until then. */
  get mine(): bool {
    return this.holder == this.self;
  }

  /** Reads, renews or claims; afterwards `held` and `tableVersion` are true for this tick. */
  tick(nowMs: f64, generation: u64): void {
    this.read();
    if (this.mine) {
      const isFresh = generation == this.generation && nowMs < this.expiresMs - RENEW_WITHIN_MS;
      this.held = isFresh || this.write(nowMs, generation, this.tableVersion);
      return;
    }
    // Nobody writes an expiry so far ahead (nor one that is no number): it is not a lease.
    const broken = !(this.expiresMs < nowMs + 2 * TERM_MS);
    const expired = nowMs >= this.expiresMs;
    const claimable =
      broken ||
      generation > this.generation ||
      (expired && generation == this.generation) ||
      nowMs >= this.expiresMs + ABANDONED_MS;
    this.held = claimable && this.write(nowMs, generation, this.tableVersion);
  }

  /** Publishes a new table version and renews; false where the lease was lost since `read`. */
  publish(nowMs: f64, generation: u64, tableVersion: u32): bool {
    this.held = this.write(nowMs, generation, tableVersion);
    return this.held;
  }

  /** Refreshes `mine` and `tableVersion`; an absent or foreign value reads as never held. */
  read(): void {
    this.cas = CREATE;
    this.generation = 0;
    this.holder = 0;
    this.expiresMs = 0;
    this.tableVersion = 0;
    if (getShared(this.key.ptr, this.key.bytes)) {
      this.cas = arrivedCas();
      if (arrivedBytes() >= LEASE_BYTES) {
        const value = arrivedPtr();
        this.generation = leaseGeneration(value);
        this.holder = leaseHolder(value);
        this.expiresMs = leaseExpiresMs(value);
        this.tableVersion = leaseTableVersion(value);
      }
    }
    if (!this.mine) this.held = false;
  }

  private write(nowMs: f64, generation: u64, tableVersion: u32): bool {
    const value = addressOf(this.value);
    writeLease(value, generation, this.self, nowMs + TERM_MS, tableVersion);
    if (!setShared(this.key.ptr, this.key.bytes, value, LEASE_BYTES, this.cas)) return false;
    this.generation = generation;
    this.holder = this.self;
    this.expiresMs = nowMs + TERM_MS;
    this.tableVersion = tableVersion;
    return true;
  }
}
