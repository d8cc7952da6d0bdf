import { Flights } from "../../core/flights/flights";
import { BASE, CONTEXT, PROMPT, SEQUENCE } from "../../core/learning/step_model";
import { Picker } from "../../core/picker";
import { Table } from "../../core/table";
import { addressOf } from "../../wire/bytes";
import {
  DIRECTORY_ENTRY_BYTES,
  EXCHANGE_STRIDE,
  HEADER_FIXED_BYTES,
  IDENTITY_STRIDE,
  KIND_REPORT,
  LEARNED_STRIDE,
  MAX_ENDPOINTS,
  POOL_TERMS_STRIDE,
  REPORT_SECTIONS,
  REPORT_SECTION_ENDPOINTS,
  REPORT_SECTION_EXCHANGE,
  REPORT_SECTION_IDENTITY,
  REPORT_SECTION_LEARNED,
  REPORT_SECTION_POOLS,
  REPORT_SECTION_SPEEDS,
  REPORT_SECTION_STRINGS,
  SPEED_STRIDE,
  TALLY_STRIDE,
} from "../../wire/layout";
import {
  writeHeader,
  writeIdentity,
  writeLearned,
  writePoolTerms,
  writeSecret,
  writeSection,
  writeSpeed,
} from "../../wire/writer";
import { nodeName } from "../node_name";
import { Settings } from "../settings";

/** Where the sections begin. */
const SECTIONS_START: u32 = HEADER_FIXED_BYTES + REPORT_SECTIONS * DIRECTORY_ENTRY_BYTES;

/** Models of a pool, all together: see `TokenRatios`. */
const ANY_MODEL: u64 = 0;

/** The message to the controller: who we are, which table is applied, what is in flight and was learned in this Envoy. */
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

  /** Rows for the pools that answers have taught something of; returns how many. */
  private writePools(rows: usize, table: Table, flights: Flights): u32 {
    let count: u32 = 0;
    for (let pool = 0; pool < table.poolCount; pool++) {
      const id = unchecked(table.poolId[pool]);
      const learned = flights.learning.poolOf(id);
      const steps = learned.steps;
      if (!(steps.rows > 0)) continue;
      writeLearned(
        rows + count++ * LEARNED_STRIDE,
        id,
        steps.theta[BASE],
        steps.theta[CONTEXT],
        steps.theta[SEQUENCE],
        steps.theta[PROMPT],
        learned.lengths.mean,
        learned.ratios.of(ANY_MODEL),
        steps.rows,
      );
    }
    return count;
  }

  /** Rows for the endpoints of those pools; returns how many. */
  private writeSpeeds(rows: usize, table: Table, flights: Flights): u32 {
    let count: u32 = 0;
    for (let pool = 0; pool < table.poolCount; pool++) {
      const learned = flights.learning.poolOf(unchecked(table.poolId[pool]));
      if (!(learned.steps.rows > 0)) continue;
      const start = unchecked(table.poolEndpointStart[pool]);
      for (let row = start, end = start + unchecked(table.poolEndpointCount[pool]); row < end; row++) {
        const factor = flights.learning.factorOf(learned, unchecked(table.rowAccount[row]));
        writeSpeed(rows + count++ * SPEED_STRIDE, unchecked(table.rowId[row]), factor);
      }
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

  /** `secret`: of the table in use, 0 if none; `withLearned`: what was learned is told too. */
  build(
    table: Table,
    flights: Flights,
    picker: Picker,
    settings: Settings,
    holder: u64,
    refused: u32,
    lastRefusal: u32,
    liveSlots: u32,
    secret: u64,
    withLearned: bool,
  ): void {
    const ledger = flights.ledger;
    if (this.node.byteLength == 0) this.node = nodeName(settings.node);
    const nodeBytes = this.node.byteLength;
    const identity = SECTIONS_START;
    const tallies = identity + IDENTITY_STRIDE;
    const capacity = min(<i32>MAX_ENDPOINTS, ledger.accounts);
    const most =
      <i32>(tallies + EXCHANGE_STRIDE) +
      capacity * <i32>TALLY_STRIDE +
      nodeBytes +
      table.poolCount * <i32>(POOL_TERMS_STRIDE + LEARNED_STRIDE) +
      table.endpointCount * <i32>SPEED_STRIDE;
    if (this.value.length < most) this.value = new StaticArray<u8>((most + 4095) & ~4095);
    const base = this.ptr;
    const rows = <u32>ledger.writeTotals(base + tallies, capacity);
    const strings = tallies + rows * TALLY_STRIDE;
    memory.copy(base + strings, changetype<usize>(this.node), nodeBytes);
    const pools = strings + nodeBytes;
    const lacking = this.writeMissingTerms(base + pools, table, picker);
    const exchange = pools + lacking * POOL_TERMS_STRIDE;
    writeSecret(base + exchange, secret);
    const learned = exchange + EXCHANGE_STRIDE;
    const learnedRows = withLearned ? this.writePools(base + learned, table, flights) : 0;
    const speeds = learned + learnedRows * LEARNED_STRIDE;
    const speedRows = withLearned ? this.writeSpeeds(base + speeds, table, flights) : 0;
    this.bytes = <i32>(speeds + speedRows * SPEED_STRIDE);

    writeHeader(base, KIND_REPORT, this.bytes, table.epoch, table.sequence, REPORT_SECTIONS);
    writeSection(base, REPORT_SECTION_IDENTITY, identity, 1, IDENTITY_STRIDE);
    writeSection(base, REPORT_SECTION_ENDPOINTS, tallies, rows, TALLY_STRIDE);
    writeSection(base, REPORT_SECTION_STRINGS, strings, nodeBytes, 1);
    writeSection(base, REPORT_SECTION_POOLS, pools, lacking, POOL_TERMS_STRIDE);
    writeSection(base, REPORT_SECTION_EXCHANGE, exchange, 1, EXCHANGE_STRIDE);
    writeSection(base, REPORT_SECTION_LEARNED, learned, learnedRows, LEARNED_STRIDE);
    writeSection(base, REPORT_SECTION_SPEEDS, speeds, speedRows, SPEED_STRIDE);
    writeIdentity(base + identity, nodeBytes, settings.generation, holder, refused, lastRefusal, liveSlots);
  }
}
