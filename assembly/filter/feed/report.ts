import { Ledger } from "../../core/ledger";
import { Picker } from "../../core/picker";
import { Table } from "../../core/table";
import { addressOf } from "../../wire/bytes";
import {
  DIRECTORY_ENTRY_BYTES,
  HEADER_FIXED_BYTES,
  IDENTITY_STRIDE,
  KIND_REPORT,
  MAX_ENDPOINTS,
  POOL_TERMS_STRIDE,
  REPORT_SECTIONS,
  REPORT_SECTION_ENDPOINTS,
  REPORT_SECTION_IDENTITY,
  REPORT_SECTION_POOLS,
  REPORT_SECTION_STRINGS,
  TALLY_STRIDE,
} from "../../wire/layout";
import { writeHeader, writeIdentity, writePoolTerms, writeSection } from "../../wire/writer";
import { nodeName } from "../node_name";
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
      writePoolTerms(row, table.poolId[pool], missing);
    }
    return count;
  }

  /** The configuration may name the node differently now. */
  forgetNode(): void {
    this.node = new ArrayBuffer(0);
  }

  get ptr(): usize {
    return addressOf(this.value);
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

    writeHeader(base, KIND_REPORT, this.bytes, table.epoch, table.sequence, REPORT_SECTIONS);
    writeSection(base, REPORT_SECTION_IDENTITY, identity, 1, IDENTITY_STRIDE);
    writeSection(base, REPORT_SECTION_ENDPOINTS, tallies, rows, TALLY_STRIDE);
    writeSection(base, REPORT_SECTION_STRINGS, strings, nodeBytes, 1);
    writeSection(base, REPORT_SECTION_POOLS, pools, lacking, POOL_TERMS_STRIDE);
    writeIdentity(base + identity, nodeBytes, settings.generation, holder, refused, lastRefusal, liveSlots);
  }
}
