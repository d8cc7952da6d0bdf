import { addressOf } from "../../wire/bytes";
import {
  ACCOUNTS_IDENTITY_STRIDE,
  ACCOUNTS_SECTIONS,
  ACCOUNTS_SECTION_COUNTS,
  ACCOUNTS_SECTION_IDENTITY,
  ACCOUNTS_SECTION_ROWS,
  ACCOUNTS_SECTION_STRINGS,
  ACCOUNT_STRIDE,
  COUNT_STRIDE,
  DIRECTORY_ENTRY_BYTES,
  HEADER_FIXED_BYTES,
  KIND_ACCOUNTS,
} from "../../wire/layout";
import {
  writeAccount,
  writeAccountsIdentity,
  writeCount,
  writeHeader,
  writeSection,
} from "../../wire/writer";
import { fresh } from "../columns";
import { Accounts } from "./accounts";
import { CELLS, CELL_KEYS } from "./cells";

/** Where the sections begin: sections are eight bytes apart from here on as far as their rows are. */
const SECTIONS_START: u32 = HEADER_FIXED_BYTES + ACCOUNTS_SECTIONS * DIRECTORY_ENTRY_BYTES;
/** 2^53 - 1: a reader may count in doubles. */
const MOST: u64 = 0x1fffffffffffff;

/** The accounts as a message. Its buffer grows with the rows and is used again. */
export class AccountsMessage {
  bytes: i32 = 0;
  private value: StaticArray<u8> = new StaticArray<u8>(0);

  get ptr(): usize {
    return addressOf(this.value);
  }

  /**
   * Writes all of `accounts`: `vm` and `node` say whose they are, `sequence` counts the messages of this VM,
   * `ageMs` is the time since its start. Afterwards `bytes` bytes are at `ptr`.
   */
  build(accounts: Accounts, vm: u64, sequence: u64, node: usize, nodeBytes: i32, ageMs: u64): void {
    const rows = <u32>accounts.rows;
    let strings: u32 = nodeBytes;
    for (let row = 0; row < <i32>rows; row++) {
      strings += accounts.poolBytes(row) + accounts.modelBytes(row) + accounts.targetBytes(row);
    }
    const most = SECTIONS_START + ACCOUNTS_IDENTITY_STRIDE + rows * (ACCOUNT_STRIDE + CELLS * COUNT_STRIDE);
    this.value = fresh<u8>(this.value, most + strings);
    const base = this.ptr;
    const identity = SECTIONS_START;
    const rowsStart = identity + ACCOUNTS_IDENTITY_STRIDE;
    const countsStart = rowsStart + rows * ACCOUNT_STRIDE;
    let counts: u32 = 0;
    let names: u32 = nodeBytes;
    for (let row: u32 = 0; row < rows; row++) {
      const first = counts;
      counts += writeCounts(base + countsStart + counts * COUNT_STRIDE, accounts, row);
      const poolBytes = accounts.poolBytes(row);
      const modelBytes = accounts.modelBytes(row);
      const targetBytes = accounts.targetBytes(row);
      writeAccount(
        base + rowsStart + row * ACCOUNT_STRIDE,
        names,
        poolBytes,
        modelBytes,
        targetBytes,
        first,
        counts - first,
        unchecked(accounts.running[row]),
      );
      names += poolBytes + modelBytes + targetBytes;
    }
    const stringsStart = countsStart + counts * COUNT_STRIDE;
    memory.copy(base + stringsStart, node, nodeBytes);
    let at = base + stringsStart + nodeBytes;
    for (let row = 0; row < <i32>rows; row++) {
      const length = accounts.poolBytes(row) + accounts.modelBytes(row) + accounts.targetBytes(row);
      memory.copy(at, accounts.namesPtr(row), length);
      at += length;
    }
    this.bytes = <i32>(stringsStart + strings);
    writeHeader(base, KIND_ACCOUNTS, this.bytes, vm, sequence, ACCOUNTS_SECTIONS);
    writeSection(base, ACCOUNTS_SECTION_IDENTITY, identity, 1, ACCOUNTS_IDENTITY_STRIDE);
    writeSection(base, ACCOUNTS_SECTION_ROWS, rowsStart, rows, ACCOUNT_STRIDE);
    writeSection(base, ACCOUNTS_SECTION_COUNTS, countsStart, counts, COUNT_STRIDE);
    writeSection(base, ACCOUNTS_SECTION_STRINGS, stringsStart, strings, 1);
    writeAccountsIdentity(base + identity, nodeBytes, ageMs);
  }
}

/** Writes a COUNTS row for each cell that is not zero; returns how many. */
function writeCounts(at: usize, accounts: Accounts, row: i32): u32 {
  let count: u32 = 0;
  for (let cell = 0; cell < CELLS; cell++) {
    const value = accounts.cell(row, cell);
    if (value == 0) continue;
    writeCount(at + count++ * COUNT_STRIDE, unchecked(CELL_KEYS[cell]), min<u64>(value, MOST));
  }
  return count;
}
