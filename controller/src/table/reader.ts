import * as L from "../../../assembly/wire/layout.ts";
import { WireError } from "./wire-error.ts";

export interface SectionView {
  readonly offset: number;
  readonly count: number;
  readonly stride: number;
}

/** What a reader knows of a section: rows may be longer than `minStride`, never shorter. */
export interface SectionRule {
  readonly name: string;
  readonly minStride: number;
  readonly maxRows: number;
  /** Byte heaps count bytes, not rows, and have stride 1. */
  readonly heap?: boolean;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A message whose header, directory and section bounds have been checked; a view afterwards.
 * A longer directory is taken (later sections are ignored), a shorter one means empty sections.
 */
export class MessageReader {
  readonly view: DataView;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly #bytes: Uint8Array;
  readonly #rules: readonly SectionRule[];
  readonly #sections: SectionView[] = [];
  readonly #stringSection: number;
  /** Rows of each section that runs have named so far. */
  readonly #taken: number[];

  /** @throws WireError with the REFUSED_* number, the value found and the bound that it broke. */
  constructor(bytes: Uint8Array, kind: number, rules: readonly SectionRule[], stringSection: number) {
    const { length } = bytes;
    if (length > L.MAX_MESSAGE_BYTES) {
      throw new WireError(L.REFUSED_OVERSIZED, "message", length, L.MAX_MESSAGE_BYTES);
    }
    requireBytes(length, L.HEADER_MAGIC + 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const magic = view.getUint32(L.HEADER_MAGIC, true);
    if (magic === L.MAGIC_SWAPPED) {
      throw new WireError(L.REFUSED_FOREIGN_ENDIAN, "header.magic", magic, L.MAGIC);
    }
    if (magic !== L.MAGIC) throw new WireError(L.REFUSED_MAGIC, "header.magic", magic, L.MAGIC);
    requireBytes(length, L.HEADER_VERSION + 2);
    const version = view.getUint16(L.HEADER_VERSION, true);
    if (version !== L.VERSION) throw new WireError(L.REFUSED_VERSION, "header.version", version, L.VERSION);
    requireBytes(length, L.HEADER_FIXED_BYTES);
    const found = view.getUint16(L.HEADER_KIND, true);
    if (found !== kind) throw new WireError(L.REFUSED_KIND, "header.kind", found, kind);
    // Within one version only rows and the number of sections may grow, never the header.
    const headerBytes = view.getUint16(L.HEADER_HEADER_BYTES, true);
    if (headerBytes !== L.HEADER_FIXED_BYTES) {
      throw new WireError(L.REFUSED_HEADER, "header.headerBytes", headerBytes, L.HEADER_FIXED_BYTES);
    }
    const total = view.getUint32(L.HEADER_TOTAL_BYTES, true);
    if (total > L.MAX_MESSAGE_BYTES) {
      throw new WireError(L.REFUSED_OVERSIZED, "header.total", total, L.MAX_MESSAGE_BYTES);
    }
    if (total > length) throw new WireError(L.REFUSED_TRUNCATED, "header.total", total, length);
    if (total < length) throw new WireError(L.REFUSED_HEADER, "header.total", total, length);
    const sectionCount = view.getUint32(L.HEADER_SECTION_COUNT, true);
    if (sectionCount > L.MAX_SECTIONS) {
      throw new WireError(L.REFUSED_HEADER, "header.sections", sectionCount, L.MAX_SECTIONS);
    }
    const bodyStart = headerBytes + sectionCount * L.DIRECTORY_ENTRY_BYTES;
    if (bodyStart > length) throw new WireError(L.REFUSED_SECTION, "header.sections", bodyStart, length);
    this.view = view;
    this.#bytes = bytes;
    this.#rules = rules;
    this.#stringSection = stringSection;
    this.#taken = rules.map(() => 0);
    this.epoch = view.getBigUint64(L.HEADER_EPOCH, true);
    this.sequence = view.getBigUint64(L.HEADER_SEQUENCE, true);
    for (let index = 0; index < Math.max(sectionCount, rules.length); index++) {
      const rule = rules[index] ?? unknownSection(index);
      if (index >= sectionCount) {
        this.#sections.push({ offset: length, count: 0, stride: rule.minStride });
        continue;
      }
      const entry = headerBytes + index * L.DIRECTORY_ENTRY_BYTES;
      this.#sections.push(readSection(view, entry, rule, bodyStart, length));
    }
  }

  section(index: number): SectionView {
    return this.#sections[index]!;
  }

  row(section: number, index: number): number {
    const { offset, stride } = this.#sections[section]!;
    return offset + index * stride;
  }

  /**
   * The string at a pair of u32.
   * @throws WireError REFUSED_REFERENCE outside the heap or above `mostBytes`, REFUSED_VALUE for bad UTF-8.
   */
  string(at: number, path: string, mostBytes = L.MAX_STRING_BYTES): string {
    const heap = this.#sections[this.#stringSection]!;
    const offset = this.view.getUint32(at, true);
    const bytes = this.view.getUint32(at + 4, true);
    if (bytes > mostBytes) throw new WireError(L.REFUSED_REFERENCE, path, bytes, mostBytes);
    if (offset + bytes > heap.count) {
      throw new WireError(L.REFUSED_REFERENCE, path, offset + bytes, heap.count);
    }
    try {
      return decoder.decode(this.#bytes.subarray(heap.offset + offset, heap.offset + offset + bytes));
    } catch {
      throw new WireError(L.REFUSED_VALUE, path, "invalid bytes", "UTF-8");
    }
  }

  /**
   * Indices of a run of rows, each run to be asked for once.
   * @throws WireError REFUSED_REFERENCE if it leaves its section, or if the runs so far name more rows than
   * the section has: some are shared.
   */
  run(section: number, startAt: number, countAt: number, path: string): number[] {
    const start = this.view.getUint32(startAt, true);
    const count = this.view.getUint32(countAt, true);
    const { count: rows } = this.#sections[section]!;
    if (start + count > rows) {
      throw new WireError(L.REFUSED_REFERENCE, `${path}.${this.#rules[section]!.name}`, start + count, rows);
    }
    const taken = this.#taken[section]! + count;
    this.#taken[section] = taken;
    if (taken > rows) {
      throw new WireError(L.REFUSED_REFERENCE, `${path}.${this.#rules[section]!.name}`, taken, rows);
    }
    return Array.from({ length: count }, (_, index) => start + index);
  }
}

function requireBytes(length: number, bound: number): void {
  if (length < bound) throw new WireError(L.REFUSED_TRUNCATED, "message", length, bound);
}

/** A section of a newer writer: ignored, but it must lie inside the message. */
function unknownSection(index: number): SectionRule {
  return { name: `section${index}`, minStride: 0, maxRows: L.MAX_MESSAGE_BYTES };
}

function readSection(
  view: DataView,
  entry: number,
  rule: SectionRule,
  bodyStart: number,
  length: number,
): SectionView {
  const offset = view.getUint32(entry + L.ENTRY_OFFSET, true);
  const count = view.getUint32(entry + L.ENTRY_COUNT, true);
  const stride = view.getUint16(entry + L.ENTRY_STRIDE, true);
  const path = `sections.${rule.name}`;
  if (rule.heap === true ? stride !== 1 : stride < rule.minStride || stride > L.MAX_STRIDE) {
    throw new WireError(L.REFUSED_SECTION, `${path}.stride`, stride, rule.minStride);
  }
  if (count > rule.maxRows) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.count`, count, rule.maxRows);
  }
  if (offset + count * stride > length || (count > 0 && offset < bodyStart)) {
    throw new WireError(L.REFUSED_SECTION, `${path}.offset`, offset, length);
  }
  return { offset, count, stride };
}
