import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { getProperty } from "../../abi/properties";
import { Ledger } from "../../core/ledger";
import { Picker } from "../../core/picker";
import { Table } from "../../core/table";
import {
  DIRECTORY_ENTRY_BYTES,
  ENTRY_COUNT,
  ENTRY_OFFSET,
  ENTRY_STRIDE,
  HEADER_EPOCH,
  HEADER_FIXED_BYTES,
  HEADER_FLAGS,
  HEADER_HEADER_BYTES,
  HEADER_KIND,
  HEADER_MAGIC,
  HEADER_SECTION_COUNT,
  HEADER_SEQUENCE,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  IDENTITY_GENERATION,
  IDENTITY_HOLDER,
  IDENTITY_LAST_REFUSAL,
  IDENTITY_LIVE_SLOTS,
  IDENTITY_NODE,
  IDENTITY_REFUSED,
  IDENTITY_STRIDE,
  KIND_REPORT,
  MAGIC,
  MAX_ENDPOINTS,
  MAX_STRING_BYTES,
  POOL_TERMS_ID,
  POOL_TERMS_MISSING,
  POOL_TERMS_STRIDE,
  REPORT_SECTIONS,
  REPORT_SECTION_ENDPOINTS,
  REPORT_SECTION_IDENTITY,
  REPORT_SECTION_POOLS,
  REPORT_SECTION_STRINGS,
  TALLY_STRIDE,
  VERSION,
} from "../../wire/layout";
import { PROPERTY_NODE_ID } from "../names";
import { Settings } from "../settings";

/** Where the sections begin. */
const SECTIONS_START: u32 = HEADER_FIXED_BYTES + REPORT_SECTIONS * DIRECTORY_ENTRY_BYTES;

/** The message to the controller: who we are, which table is applied, what is in flight in this Envoy. */
export class Report {
  private value: StaticArray<u8> = new StaticArray<u8>(4096);
  bytes: i32 = 0;
  private node: ArrayBuffer = new ArrayBuffer(0);

  /** Rows for the pools whose profile is not whole here; returns how many. */
  private writeMissingTerms(rows: usize, table: Table, picker: Picker): u32 {
    let count: u32 = 0;
    for (let pool = 0; pool < table.poolCount; pool++) {
      const missing = picker.missingTerms(table, pool);
      if (missing == 0) continue;
      const row = rows + count++ * POOL_TERMS_STRIDE;
      store<u64>(row + POOL_TERMS_ID, table.poolId[pool]);
      store<u64>(row + POOL_TERMS_MISSING, missing);
    }
    return count;
  }

  get ptr(): usize {
    return changetype<usize>(this.value);
  }

  build(
    table: Table,
    ledger: Ledger,
    picker: Picker,
    settings: Settings,
    holder: u64,
    refused: u32,
    lastRefusal: u32,
    liveSlots: u32,
  ): void {
    if (this.node.byteLength == 0) this.node = nodeName(settings.node);
    const nodeBytes = this.node.byteLength;
    const identity = SECTIONS_START;
    const tallies = identity + IDENTITY_STRIDE;
    const capacity = min(<i32>MAX_ENDPOINTS, ledger.accounts);
    const most =
      <i32>tallies + capacity * <i32>TALLY_STRIDE + nodeBytes + table.poolCount * <i32>POOL_TERMS_STRIDE;
    if (this.value.length < most) this.value = new StaticArray<u8>((most + 4095) & ~4095);
    const base = this.ptr;
    const rows = <u32>ledger.writeTotals(base + tallies, capacity);
    const strings = tallies + rows * TALLY_STRIDE;
    memory.copy(base + strings, changetype<usize>(this.node), nodeBytes);
    const pools = strings + nodeBytes;
    const lacking = this.writeMissingTerms(base + pools, table, picker);
    this.bytes = <i32>(pools + lacking * POOL_TERMS_STRIDE);

    memory.fill(base, 0, tallies);
    store<u32>(base + HEADER_MAGIC, MAGIC);
    store<u16>(base + HEADER_VERSION, <u16>VERSION);
    store<u16>(base + HEADER_HEADER_BYTES, <u16>HEADER_FIXED_BYTES);
    store<u16>(base + HEADER_KIND, <u16>KIND_REPORT);
    store<u16>(base + HEADER_FLAGS, 0);
    store<u32>(base + HEADER_TOTAL_BYTES, this.bytes);
    store<u64>(base + HEADER_EPOCH, table.epoch);
    store<u64>(base + HEADER_SEQUENCE, table.sequence);
    store<u32>(base + HEADER_SECTION_COUNT, REPORT_SECTIONS);
    directory(base, REPORT_SECTION_IDENTITY, identity, 1, IDENTITY_STRIDE);
    directory(base, REPORT_SECTION_ENDPOINTS, tallies, rows, TALLY_STRIDE);
    directory(base, REPORT_SECTION_STRINGS, strings, nodeBytes, 1);
    directory(base, REPORT_SECTION_POOLS, pools, lacking, POOL_TERMS_STRIDE);
    const row = base + identity;
    store<u32>(row + IDENTITY_NODE + 4, nodeBytes);
    store<u64>(row + IDENTITY_GENERATION, settings.generation);
    store<u64>(row + IDENTITY_HOLDER, holder);
    store<u32>(row + IDENTITY_REFUSED, refused);
    store<u32>(row + IDENTITY_LAST_REFUSAL, lastRefusal);
    store<u32>(row + IDENTITY_LIVE_SLOTS, liveSlots);
  }
}

/** The configured name, else Envoy's node id; empty where Envoy has none. */
function nodeName(configured: string): ArrayBuffer {
  if (configured.length > 0) return String.UTF8.encode(configured);
  const bytes = getProperty(PROPERTY_NODE_ID) ? min(arrivedBytes(), <i32>MAX_STRING_BYTES) : 0;
  const name = new ArrayBuffer(bytes);
  memory.copy(changetype<usize>(name), arrivedPtr(), bytes);
  return name;
}

function directory(base: usize, section: u32, offset: u32, count: u32, stride: u32): void {
  const entry = base + HEADER_FIXED_BYTES + section * DIRECTORY_ENTRY_BYTES;
  store<u32>(entry + ENTRY_OFFSET, offset);
  store<u32>(entry + ENTRY_COUNT, count);
  store<u16>(entry + ENTRY_STRIDE, <u16>stride);
}
