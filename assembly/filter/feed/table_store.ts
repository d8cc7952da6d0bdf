import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { SHARED_PREFIX } from "../names";

/*  The shared table: an envelope of 16 bytes, then the message as the controller sent it.
 *   0               8         12         16
 *  | received       | version | reserved | message … |
 *  | monotonic ms   | u32     |          |
 *  | f64            |         |          |
 */
const RECEIVED: usize = 0;
const ENVELOPE_VERSION: usize = 8;
const ENVELOPE_BYTES: i32 = 16;

/** The table in shared data: written by the lease's holder, read once per version by every other VM. */
export class TableStore {
  /** Where the bytes of the last `read` start, valid until the next host call. */
  messagePtr: usize = 0;
  messageBytes: i32 = 0;
  receivedMs: f64 = 0;
  version: u32 = 0;
  private readonly key: Text = new Text(SHARED_PREFIX + "table");
  private value: StaticArray<u8> = new StaticArray<u8>(0);

  read(): bool {
    if (!getShared(this.key.ptr, this.key.bytes) || arrivedBytes() < ENVELOPE_BYTES) return false;
    const value = arrivedPtr();
    this.receivedMs = load<f64>(value, RECEIVED);
    this.version = load<u32>(value, ENVELOPE_VERSION);
    this.messagePtr = value + ENVELOPE_BYTES;
    this.messageBytes = arrivedBytes() - ENVELOPE_BYTES;
    return true;
  }

  /** Unconditional: only the holder writes, and a holder that lost the lease is found out at `Lease.publish`. */
  write(messagePtr: usize, messageBytes: i32, receivedMs: f64, version: u32): bool {
    const bytes = ENVELOPE_BYTES + messageBytes;
    if (this.value.length < bytes) this.value = new StaticArray<u8>((bytes + 4095) & ~4095);
    const value = changetype<usize>(this.value);
    store<f64>(value, receivedMs, RECEIVED);
    store<u32>(value, version, ENVELOPE_VERSION);
    memory.copy(value + ENVELOPE_BYTES, messagePtr, messageBytes);
    return setShared(this.key.ptr, this.key.bytes, value, bytes, 0);
  }
}
