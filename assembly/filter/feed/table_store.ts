import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { CREATE, arrivedCas, getShared, setShared } from "../../abi/shared_data";
import { Text } from "../../abi/text";
import { addressOf } from "../../wire/bytes";
import { ENVELOPE_BYTES, envelopeReceivedMs, envelopeVersion, writeEnvelope } from "../../wire/shared";
import { SHARED_PREFIX } from "../names";

/** The table in shared data: written by the lease's holder, read once per version by every other VM. */
export class TableStore {
  /** Where the bytes of the last `read` start, valid until the next host call that returns bytes. */
  messagePtr: usize = 0;
  messageBytes: i32 = 0;
  receivedMs: f64 = 0;
  /** As read last; 0 if there was none. */
  version: u32 = 0;
  private cas: u32 = CREATE;
  private readonly key: Text = new Text(SHARED_PREFIX + "table");
  private value: StaticArray<u8> = new StaticArray<u8>(0);

  /** False where there is no table yet. */
  read(): bool {
    this.version = 0;
    this.cas = CREATE;
    if (!getShared(this.key.ptr, this.key.bytes)) return false;
    this.cas = arrivedCas();
    if (arrivedBytes() < ENVELOPE_BYTES) return false;
    const value = arrivedPtr();
    this.receivedMs = envelopeReceivedMs(value);
    this.version = envelopeVersion(value);
    this.messagePtr = value + ENVELOPE_BYTES;
    this.messageBytes = arrivedBytes() - ENVELOPE_BYTES;
    return true;
  }

  /** Takes version and token for a `write`. */
  look(): void {
    this.read();
  }

  /** False, and nothing is written, if anybody wrote since `look`. */
  write(messagePtr: usize, messageBytes: i32, receivedMs: f64, version: u32): bool {
    const bytes = ENVELOPE_BYTES + messageBytes;
    if (this.value.length < bytes) this.value = new StaticArray<u8>((bytes + 4095) & ~4095);
    const value = addressOf(this.value);
    writeEnvelope(value, receivedMs, version);
    memory.copy(value + ENVELOPE_BYTES, messagePtr, messageBytes);
    return setShared(this.key.ptr, this.key.bytes, value, bytes, this.cas);
  }
}
