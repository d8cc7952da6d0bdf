import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { Flights } from "../../core/flights/flights";
import { addressOf } from "../../wire/bytes";
import { SHARED_PREFIX } from "../names";

/** What a VM that starts within this time after another's trap has to learn again at most. */
const PUBLISH_EVERY_MS: f64 = 5000;
/** The most that is published: 2,000 pools of 4 KB. */
const MAX_STATE_BYTES: i32 = 8388608;
const FIRST_STATE_BYTES: i32 = 16384;
/** More than one pool takes: a state that ends closer to the end of its buffer may have been cut short. */
const SPARE_BYTES: i32 = 8192;

/**
 * What this Envoy has learned of its endpoints, in shared data: written by the holder of the feed, which hears what all VMs
 * learn, and read once by each VM that starts. The write is unconditional: whoever wrote last knew as much as anybody.
 */
export class LearnedStore {
  private readonly key: Text = new Text(SHARED_PREFIX + "learned");
  private publishedMs: f64 = 0;
  private value: StaticArray<u8> = new StaticArray<u8>(FIRST_STATE_BYTES);

  /** Publishes when it is due. */
  tick(nowMs: f64, flights: Flights): void {
    if (nowMs - this.publishedMs < PUBLISH_EVERY_MS) return;
    this.publish(nowMs, flights);
  }

  publish(nowMs: f64, flights: Flights): void {
    this.publishedMs = nowMs;
    let bytes = flights.writeState(addressOf(this.value), this.value.length);
    while (bytes > this.value.length - SPARE_BYTES && this.value.length < MAX_STATE_BYTES) {
      this.value = new StaticArray<u8>(this.value.length * 2);
      bytes = flights.writeState(addressOf(this.value), this.value.length);
    }
    if (bytes > 0) setShared(this.key.ptr, this.key.bytes, addressOf(this.value), bytes, 0);
  }

  /** Takes over what was published last; false where there is nothing, or nothing that can be read. */
  restore(flights: Flights): bool {
    return getShared(this.key.ptr, this.key.bytes) && flights.readState(arrivedPtr(), arrivedBytes());
  }
}
