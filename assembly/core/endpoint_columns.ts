import { f32At, i32At, u32At, u64At } from "../wire/bytes";
import {
  ENDPOINT_ADAPTER_COUNT,
  ENDPOINT_ADAPTER_START,
  ENDPOINT_ADDRESS,
  ENDPOINT_AGE_MS,
  ENDPOINT_CLASSES,
  ENDPOINT_EPOCH,
  ENDPOINT_FLAGS,
  ENDPOINT_FLAG_DRAINING,
  ENDPOINT_FLAG_READY,
  ENDPOINT_ID,
  ENDPOINT_KV_BLOCKS,
  ENDPOINT_KV_BLOCK_TOKENS,
  ENDPOINT_KV_USED,
  ENDPOINT_MAX_ADAPTERS,
  ENDPOINT_QUEUED,
  ENDPOINT_REMOTE_REQUESTS,
  ENDPOINT_REMOTE_RESIDENT_TOKENS,
  ENDPOINT_REMOTE_UNCACHED_TOKENS,
  ENDPOINT_RUNNING,
  ENDPOINT_VALID,
  SECTION_ENDPOINTS,
} from "../wire/layout";
import { hasPicking, sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { Ledger } from "./ledger";

/**
 * What a table says of each endpoint, in flat columns by endpoint row; a pool's rows stand side by
 * side. Addresses are places in the table's string heap.
 */
export class EndpointColumns {
  endpointCount: i32 = 0;
  /** Start of the strings of the message in use. */
  protected heap: usize = 0;

  rowId: StaticArray<u64> = new StaticArray<u64>(0);
  /** ENDPOINT_FLAG_* bits */
  rowFlags: StaticArray<u32> = new StaticArray<u32>(0);
  /** VALID_* bits that count at the time of the last `age`. */
  rowValid: StaticArray<u32> = new StaticArray<u32>(0);
  rowAgeMs: StaticArray<u32> = new StaticArray<u32>(0);
  rowQueued: StaticArray<u32> = new StaticArray<u32>(0);
  rowRunning: StaticArray<u32> = new StaticArray<u32>(0);
  rowKvUsed: StaticArray<f32> = new StaticArray<f32>(0);
  rowKvBlocks: StaticArray<u32> = new StaticArray<u32>(0);
  rowKvBlockTokens: StaticArray<u32> = new StaticArray<u32>(0);
  rowMaxAdapters: StaticArray<u32> = new StaticArray<u32>(0);
  rowAdapterStart: StaticArray<i32> = new StaticArray<i32>(0);
  rowAdapterCount: StaticArray<i32> = new StaticArray<i32>(0);
  rowRemoteRequests: StaticArray<u32> = new StaticArray<u32>(0);
  rowRemoteUncached: StaticArray<u32> = new StaticArray<u32>(0);
  rowRemoteResident: StaticArray<u32> = new StaticArray<u32>(0);
  /** ENDPOINT_EPOCH: one that rose says that what the model server had cached is gone. */
  rowEpoch: StaticArray<u32> = new StaticArray<u32>(0);
  /** One bit a class of its pool, the first one lowest: requests of that class may be sent here. */
  rowClasses: StaticArray<u32> = new StaticArray<u32>(0);
  /** Ledger account of the row; -1 until `bind`. */
  rowAccount: StaticArray<i32> = new StaticArray<i32>(0);
  /** VALID_* bits as they were sent. */
  protected rowSentValid: StaticArray<u32> = new StaticArray<u32>(0);
  protected rowAddressOffset: StaticArray<u32> = new StaticArray<u32>(0);
  protected rowAddressLength: StaticArray<u32> = new StaticArray<u32>(0);

  /** Gives every row its account, opening accounts for endpoints that the ledger does not know. */
  bind(ledger: Ledger): void {
    for (let row = 0, rows = this.endpointCount; row < rows; row++) {
      unchecked((this.rowAccount[row] = ledger.accountOf(unchecked(this.rowId[row]))));
    }
  }

  /** True if the row may be picked: ready and not draining. */
  @inline isPickable(row: i32): bool {
    return isPickable(unchecked(this.rowFlags[row]));
  }

  addressPtr(row: i32): usize {
    return this.heap + unchecked(this.rowAddressOffset[row]);
  }

  addressBytes(row: i32): i32 {
    return <i32>unchecked(this.rowAddressLength[row]);
  }

  protected decodeEndpoints(message: usize): void {
    const count = sectionCount(message, SECTION_ENDPOINTS);
    const stride = sectionStride(message, SECTION_ENDPOINTS);
    const picking = hasPicking(message);
    this.growRows(count);
    this.endpointCount = count;
    let endpoint = sectionPtr(message, SECTION_ENDPOINTS);
    for (let row = 0; row < count; row++, endpoint += stride) {
      this.rowId[row] = u64At(endpoint + ENDPOINT_ID);
      this.rowAddressOffset[row] = u32At(endpoint + ENDPOINT_ADDRESS);
      this.rowAddressLength[row] = u32At(endpoint + ENDPOINT_ADDRESS + 4);
      this.rowFlags[row] = u32At(endpoint + ENDPOINT_FLAGS);
      this.rowSentValid[row] = u32At(endpoint + ENDPOINT_VALID);
      this.rowValid[row] = 0;
      this.rowAgeMs[row] = u32At(endpoint + ENDPOINT_AGE_MS);
      this.rowQueued[row] = u32At(endpoint + ENDPOINT_QUEUED);
      this.rowRunning[row] = u32At(endpoint + ENDPOINT_RUNNING);
      this.rowKvUsed[row] = f32At(endpoint + ENDPOINT_KV_USED);
      this.rowKvBlocks[row] = u32At(endpoint + ENDPOINT_KV_BLOCKS);
      this.rowKvBlockTokens[row] = u32At(endpoint + ENDPOINT_KV_BLOCK_TOKENS);
      this.rowMaxAdapters[row] = u32At(endpoint + ENDPOINT_MAX_ADAPTERS);
      this.rowAdapterStart[row] = i32At(endpoint + ENDPOINT_ADAPTER_START);
      this.rowAdapterCount[row] = i32At(endpoint + ENDPOINT_ADAPTER_COUNT);
      this.rowRemoteRequests[row] = u32At(endpoint + ENDPOINT_REMOTE_REQUESTS);
      this.rowRemoteUncached[row] = u32At(endpoint + ENDPOINT_REMOTE_UNCACHED_TOKENS);
      this.rowRemoteResident[row] = u32At(endpoint + ENDPOINT_REMOTE_RESIDENT_TOKENS);
      this.rowEpoch[row] = picking ? u32At(endpoint + ENDPOINT_EPOCH) : 0;
      this.rowClasses[row] = picking ? u32At(endpoint + ENDPOINT_CLASSES) : 0;
      this.rowAccount[row] = -1;
    }
  }

  private growRows(count: i32): void {
    this.rowId = fresh<u64>(this.rowId, count);
    this.rowAddressOffset = fresh<u32>(this.rowAddressOffset, count);
    this.rowAddressLength = fresh<u32>(this.rowAddressLength, count);
    this.rowFlags = fresh<u32>(this.rowFlags, count);
    this.rowSentValid = fresh<u32>(this.rowSentValid, count);
    this.rowValid = fresh<u32>(this.rowValid, count);
    this.rowAgeMs = fresh<u32>(this.rowAgeMs, count);
    this.rowQueued = fresh<u32>(this.rowQueued, count);
    this.rowRunning = fresh<u32>(this.rowRunning, count);
    this.rowKvUsed = fresh<f32>(this.rowKvUsed, count);
    this.rowKvBlocks = fresh<u32>(this.rowKvBlocks, count);
    this.rowKvBlockTokens = fresh<u32>(this.rowKvBlockTokens, count);
    this.rowMaxAdapters = fresh<u32>(this.rowMaxAdapters, count);
    this.rowAdapterStart = fresh<i32>(this.rowAdapterStart, count);
    this.rowAdapterCount = fresh<i32>(this.rowAdapterCount, count);
    this.rowRemoteRequests = fresh<u32>(this.rowRemoteRequests, count);
    this.rowRemoteUncached = fresh<u32>(this.rowRemoteUncached, count);
    this.rowRemoteResident = fresh<u32>(this.rowRemoteResident, count);
    this.rowEpoch = fresh<u32>(this.rowEpoch, count);
    this.rowClasses = fresh<u32>(this.rowClasses, count);
    this.rowAccount = fresh<i32>(this.rowAccount, count);
  }
}


@inline export function isPickable(flags: u32): bool {
  return (flags & (ENDPOINT_FLAG_READY | ENDPOINT_FLAG_DRAINING)) == ENDPOINT_FLAG_READY;
}
