import * as L from "../../../assembly/wire/layout.ts";
import {
  MAX_PREFIX_KEYS,
  MAX_PREFIXES_BYTES,
  PREFIX_ENDPOINT,
  PREFIX_KEY_BYTES,
  PREFIX_KEYS,
  PREFIX_RECORD_BYTES,
} from "../../../assembly/wire/prefixes.ts";
import { MessageWriter } from "./message.ts";
import { MessageReader, type SectionRule } from "./reader.ts";
import { WireError } from "./wire-error.ts";

/** One prompt that went to an endpoint. */
export interface PrefixRecord {
  /** FNV-1a of the endpoint's address. */
  readonly endpoint: bigint;
  /** The record as `prefixes.ts` of the wire format draws it: keys and all. */
  readonly bytes: Uint8Array;
}

export interface PrefixesMessage {
  /** `secretTag` of the secret that the keys are made with. */
  readonly tag: bigint;
  /** Oldest first. */
  readonly records: readonly PrefixRecord[];
}

const SECTIONS: readonly SectionRule[] = [
  { name: "records", minStride: 1, maxRows: MAX_PREFIXES_BYTES, heap: true },
];

const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** What names a secret without being it: FNV-1a, 64 bits, of its eight bytes, little-endian. */
export function secretTag(secret: bigint): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (let shift = 0n; shift < 64n; shift += 8n) {
    hash = ((hash ^ ((secret >> shift) & 0xffn)) * 0x100_0000_01b3n) & MASK_64;
  }
  return hash;
}

/**
 * Reads a message of prefixes; the records' bytes are views of it. Never reads outside `bytes`, whatever they hold.
 * @throws WireError with the REFUSED_* number, the value and the bound.
 */
export function decodePrefixes(bytes: Uint8Array): PrefixesMessage {
  const reader = new MessageReader(bytes, L.KIND_PREFIXES, SECTIONS, L.PREFIXES_SECTION_RECORDS);
  const { offset, count } = reader.section(L.PREFIXES_SECTION_RECORDS);
  const end = offset + count;
  const records: PrefixRecord[] = [];
  for (let at = offset; at < end; ) {
    const path = `records[${records.length}]`;
    if (at + PREFIX_RECORD_BYTES > end) throw new WireError(L.REFUSED_REFERENCE, path, end - at, "a record");
    const keys = reader.view.getUint32(at + PREFIX_KEYS, true);
    if (keys < 1 || keys > MAX_PREFIX_KEYS) {
      throw new WireError(L.REFUSED_VALUE, `${path}.keys`, keys, MAX_PREFIX_KEYS);
    }
    const length = PREFIX_RECORD_BYTES + keys * PREFIX_KEY_BYTES;
    if (at + length > end) throw new WireError(L.REFUSED_REFERENCE, `${path}.keys`, length, end - at);
    records.push({
      endpoint: reader.view.getBigUint64(at + PREFIX_ENDPOINT, true),
      bytes: bytes.subarray(at, at + length),
    });
    at += length;
  }
  return { tag: reader.epoch, records };
}

/**
 * @param records at most MAX_PREFIXES_BYTES in all
 * @param sequence counts the sender's messages
 * @throws PickerError TABLE_VALUE for what the format cannot hold.
 */
export function encodePrefixes(tag: bigint, sequence: bigint, records: readonly Uint8Array[]): Uint8Array {
  const count = records.reduce((sum, { length }) => sum + length, 0);
  const writer = new MessageWriter(L.KIND_PREFIXES, tag, sequence, [{ count, stride: 1 }]);
  let at = writer.sectionOffset(L.PREFIXES_SECTION_RECORDS);
  for (const record of records) {
    writer.bytes.set(record, at);
    at += record.length;
  }
  return writer.bytes;
}

/** A record: for tests and for simulated Envoys. */
export function prefixRecord(endpoint: bigint, keys: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(PREFIX_RECORD_BYTES + keys.length * PREFIX_KEY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(PREFIX_ENDPOINT, endpoint, true);
  view.setUint32(PREFIX_KEYS, keys.length, true);
  keys.forEach((key, index) => {
    view.setBigUint64(PREFIX_RECORD_BYTES + index * PREFIX_KEY_BYTES, key, true);
  });
  return bytes;
}
