import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { Flights } from "../../core/flights/flights";
import { SHARED_PREFIX } from "../names";

/** What a VM that starts within this time after another's trap has to learn again at most. */
const PUBLISH_EVERY_MS: f64 = 5000;

/**
 * What this Envoy has learned of its endpoints, in shared data: written by the holder of the feed, which hears what all VMs
 * learn, and read once by each VM that starts. The write is unconditional: whoever wrote last knew as much as anybody.
 */
export class LearnedStore {
  private readonly key: Text = new Text(SHARED_PREFIX + "learned");
  private publishedMs: f64 = 0;

  /** Publishes when it is due; `scratch` has room for `capacity` bytes. */
  tick(nowMs: f64, flights: Flights, scratch: usize, capacity: i32): void {
    if (nowMs - this.publishedMs < PUBLISH_EVERY_MS) return;
    this.publish(nowMs, flights, scratch, capacity);
  }

  publish(nowMs: f64, flights: Flights, scratch: usize, capacity: i32): void {
    this.publishedMs = nowMs;
    const bytes = flights.writeState(scratch, capacity);
    if (bytes > 0) setShared(this.key.ptr, this.key.bytes, scratch, bytes, 0);
  }

  /** Takes over what was published last; false where there is nothing, or nothing that can be read. */
  restore(flights: Flights): bool {
    return getShared(this.key.ptr, this.key.bytes) && flights.readState(arrivedPtr(), arrivedBytes());
  }
}
