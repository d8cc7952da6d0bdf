import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { arrivedCas, getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { SHARED_PREFIX } from "../names";

/*  The lease's value, 32 bytes:
 *   0            8         16             24        28
 *  | generation | holder  | expires       | table   | reserved |
 *  | u64        | u64     | monotonic ms  | version |          |
 *  |            |         | f64           | u32     |          |
 */
const GENERATION: usize = 0;
const HOLDER: usize = 8;
const EXPIRES: usize = 16;
const TABLE_VERSION: usize = 24;
const LEASE_BYTES: i32 = 32;

/** How long a silent holder keeps it: what a trapped VM costs the feed at most, beside a tick. */
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
  held: bool = false;
  private readonly key: Text = new Text(SHARED_PREFIX + "lease");
  private readonly value: StaticArray<u8> = new StaticArray<u8>(LEASE_BYTES);
  private cas: u32 = 0;
  private generation: u64 = 0;
  private holder: u64 = 0;
  private expiresMs: f64 = 0;

  constructor(private readonly self: u64) {}

  /** Reads, renews or claims; afterwards `held` and `tableVersion` are true for this tick. */
  tick(nowMs: f64, generation: u64): void {
    this.read();
    const mine = this.holder == this.self;
    if (mine && generation >= this.generation) {
      this.held =
        nowMs < this.expiresMs - RENEW_WITHIN_MS || this.write(nowMs, generation, this.tableVersion);
      return;
    }
    const expired = nowMs >= this.expiresMs;
    const claimable =
      generation > this.generation ||
      (expired && generation == this.generation) ||
      nowMs >= this.expiresMs + ABANDONED_MS;
    this.held = claimable && this.write(nowMs, generation, this.tableVersion);
  }

  /** Publishes a new table version; false where the lease was lost meanwhile. */
  publish(nowMs: f64, generation: u64, tableVersion: u32): bool {
    this.read();
    if (this.holder != this.self) {
      this.held = false;
      return false;
    }
    this.held = this.write(nowMs, generation, tableVersion);
    return this.held;
  }

  /** Refreshes `tableVersion`; an absent or foreign value reads as never held. */
  read(): void {
    this.cas = 0;
    this.generation = 0;
    this.holder = 0;
    this.expiresMs = 0;
    this.tableVersion = 0;
    if (!getShared(this.key.ptr, this.key.bytes)) return;
    this.cas = arrivedCas();
    if (arrivedBytes() < LEASE_BYTES) return;
    const value = arrivedPtr();
    this.generation = load<u64>(value, GENERATION);
    this.holder = load<u64>(value, HOLDER);
    this.expiresMs = load<f64>(value, EXPIRES);
    this.tableVersion = load<u32>(value, TABLE_VERSION);
  }

  private write(nowMs: f64, generation: u64, tableVersion: u32): bool {
    const value = changetype<usize>(this.value);
    store<u64>(value, generation, GENERATION);
    store<u64>(value, this.self, HOLDER);
    store<f64>(value, nowMs + TERM_MS, EXPIRES);
    store<u32>(value, tableVersion, TABLE_VERSION);
    if (!setShared(this.key.ptr, this.key.bytes, value, LEASE_BYTES, this.cas)) return false;
    this.generation = generation;
    this.holder = this.self;
    this.expiresMs = nowMs + TERM_MS;
    this.tableVersion = tableVersion;
    return true;
  }
}
