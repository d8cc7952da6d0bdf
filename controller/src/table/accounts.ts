import * as L from "../../../assembly/wire/layout.ts";
import { MessageWriter, StringHeap } from "./message.ts";
import { MessageReader, type SectionRule } from "./reader.ts";
import { WireError } from "./wire-error.ts";

/** What a VM has counted for one pool, model and target. */
export interface AccountRow {
  /** `namespace/name`; empty in the row for what has no row of its own. */
  readonly pool: string;
  /** Empty: the request names none. */
  readonly model: string;
  readonly target: string;
  /** Requests under way. */
  readonly running: number;
  /** Cumulative, by `countKey`; what is zero is left out. */
  readonly counts: ReadonlyMap<number, number>;
}

/** Everything that one VM of an Envoy has counted since its start. */
export interface AccountsMessage {
  /** Of the VM, drawn at its start: no other has it. */
  readonly vm: bigint;
  /** Counts the VM's messages, from 1. */
  readonly sequence: bigint;
  /** Envoy's node id. */
  readonly node: string;
  /** Age of the VM at writing. */
  readonly ageMs: number;
  readonly rows: readonly AccountRow[];
}

/** In the order of the ACCOUNTS_SECTION_* numbers. */
const SECTIONS: readonly SectionRule[] = [
  { name: "identity", minStride: L.ACCOUNTS_IDENTITY_STRIDE, maxRows: 1 },
  { name: "rows", minStride: L.ACCOUNT_STRIDE, maxRows: L.MAX_ACCOUNT_ROWS },
  { name: "counts", minStride: L.COUNT_STRIDE, maxRows: L.MAX_MESSAGE_BYTES },
  { name: "strings", minStride: 1, maxRows: L.MAX_MESSAGE_BYTES, heap: true },
];

/** Names a count: GROUP_* and the index within it. */
export function countKey(group: number, index: number): number {
  return group * 0x10000 + index;
}

/** The kind of a message whose header can be read at all; undefined for one that is too short for that. */
export function messageKind(bytes: Uint8Array): number | undefined {
  if (bytes.length < L.HEADER_FIXED_BYTES) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint16(L.HEADER_KIND, true);
}

/**
 * Reads a VM's accounts. Never reads outside `bytes`, whatever they hold; counts of groups that are not known
 * here are kept, and are the reader's to ignore.
 * @throws WireError with the REFUSED_* number, the value and the bound.
 */
export function decodeAccounts(bytes: Uint8Array): AccountsMessage {
  const reader = new MessageReader(bytes, L.KIND_ACCOUNTS, SECTIONS, L.ACCOUNTS_SECTION_STRINGS);
  const identities = reader.section(L.ACCOUNTS_SECTION_IDENTITY).count;
  if (identities !== 1) throw new WireError(L.REFUSED_SECTION, "sections.identity.count", identities, 1);
  const at = reader.row(L.ACCOUNTS_SECTION_IDENTITY, 0);
  const names = new Set<string>();
  const rows = Array.from({ length: reader.section(L.ACCOUNTS_SECTION_ROWS).count }, (_, index) => {
    const row = decodeRow(reader, index);
    const key = JSON.stringify([row.pool, row.model, row.target]);
    if (names.has(key)) throw new WireError(L.REFUSED_VALUE, `rows[${index}]`, key, "unique");
    names.add(key);
    return row;
  });
  return {
    vm: reader.epoch,
    sequence: reader.sequence,
    node: reader.string(at + L.ACCOUNTS_NODE, "identity.node"),
    ageMs: safeNumber(reader, at + L.ACCOUNTS_AGE_MS, "identity.age"),
    rows,
  };
}

function decodeRow(reader: MessageReader, index: number): AccountRow {
  const { view } = reader;
  const at = reader.row(L.ACCOUNTS_SECTION_ROWS, index);
  const path = `rows[${index}]`;
  const counts = new Map<number, number>();
  const count = view.getUint32(at + L.ACCOUNT_COUNT_COUNT, true);
  if (count > L.MAX_ROW_COUNTS) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.counts.count`, count, L.MAX_ROW_COUNTS);
  }
  const run = reader.run(
    L.ACCOUNTS_SECTION_COUNTS,
    at + L.ACCOUNT_COUNT_START,
    at + L.ACCOUNT_COUNT_COUNT,
    path,
  );
  for (const each of run) {
    const cell = reader.row(L.ACCOUNTS_SECTION_COUNTS, each);
    const key = countKey(
      view.getUint16(cell + L.COUNT_GROUP, true),
      view.getUint16(cell + L.COUNT_INDEX, true),
    );
    if (counts.has(key)) throw new WireError(L.REFUSED_VALUE, `counts[${each}].key`, key, "unique");
    counts.set(key, safeNumber(reader, cell + L.COUNT_VALUE, `counts[${each}].value`));
  }
  return {
    pool: reader.string(at + L.ACCOUNT_POOL, `${path}.pool`, L.MAX_POOL_NAME_BYTES),
    model: reader.string(at + L.ACCOUNT_MODEL, `${path}.model`, L.MAX_NAME_BYTES),
    target: reader.string(at + L.ACCOUNT_TARGET, `${path}.target`, L.MAX_NAME_BYTES),
    running: view.getUint32(at + L.ACCOUNT_RUNNING, true),
    counts,
  };
}

function safeNumber(reader: MessageReader, at: number, path: string): number {
  const value = reader.view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new WireError(L.REFUSED_VALUE, path, value, Number.MAX_SAFE_INTEGER);
  }
  return Number(value);
}

/**
 * Encodes accounts: for tests and for simulated Envoys. The filter lays out the same sections.
 * @throws PickerError TABLE_BOUND or TABLE_VALUE for what the format cannot hold.
 */
export function encodeAccounts(message: AccountsMessage): Uint8Array {
  const heap = new StringHeap();
  const node = heap.place(message.node, "node");
  const places = message.rows.map((row, index) => ({
    pool: heap.place(row.pool, `rows[${index}].pool`, L.MAX_POOL_NAME_BYTES),
    model: heap.place(row.model, `rows[${index}].model`, L.MAX_NAME_BYTES),
    target: heap.place(row.target, `rows[${index}].target`, L.MAX_NAME_BYTES),
  }));
  const writer = new MessageWriter(L.KIND_ACCOUNTS, message.vm, message.sequence, [
    { count: 1, stride: L.ACCOUNTS_IDENTITY_STRIDE },
    { count: message.rows.length, stride: L.ACCOUNT_STRIDE },
    { count: message.rows.reduce((sum, row) => sum + row.counts.size, 0), stride: L.COUNT_STRIDE },
    { count: heap.byteLength, stride: 1 },
  ]);
  const at = writer.row(L.ACCOUNTS_SECTION_IDENTITY, 0);
  writer.string(at + L.ACCOUNTS_NODE, node);
  writer.u64(at + L.ACCOUNTS_AGE_MS, BigInt(message.ageMs), "ageMs");
  let next = 0;
  message.rows.forEach((row, index) => {
    const path = `rows[${index}]`;
    const rowAt = writer.row(L.ACCOUNTS_SECTION_ROWS, index);
    const place = places[index]!;
    writer.string(rowAt + L.ACCOUNT_POOL, place.pool);
    writer.string(rowAt + L.ACCOUNT_MODEL, place.model);
    writer.string(rowAt + L.ACCOUNT_TARGET, place.target);
    writer.u32(rowAt + L.ACCOUNT_COUNT_START, next, path);
    writer.u32(rowAt + L.ACCOUNT_COUNT_COUNT, row.counts.size, path);
    writer.u32(rowAt + L.ACCOUNT_RUNNING, row.running, `${path}.running`);
    for (const [key, value] of row.counts) {
      const cell = writer.row(L.ACCOUNTS_SECTION_COUNTS, next++);
      writer.u32(cell + L.COUNT_INDEX, key, path);
      writer.u64(cell + L.COUNT_VALUE, BigInt(value), `${path}.counts`);
    }
  });
  heap.writeTo(writer.bytes, writer.sectionOffset(L.ACCOUNTS_SECTION_STRINGS));
  return writer.bytes;
}
