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
  /** First generation of writers that has the section; in messages of earlier ones it is left alone. Default 0. */
  readonly since?: number;
  /** By generation, `minStride` in messages of earlier ones than the newest. */
  readonly olderStrides?: readonly number[];
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A message whose header, directory and section bounds have been checked; a view afterwards.
 * A longer directory is taken (later sections are left alone), a shorter one means empty sections.
 */
export class MessageReader {
  readonly view: DataView;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly flags: number;
  /** Entries of the directory. */
  readonly sectionCount: number;
  readonly #bytes: Uint8Array;
  readonly #rules: readonly SectionRule[];
  readonly #sections: SectionView[] = [];
  readonly #stringSection: number;
  /** By section: 1 for each row that a run has named. */
  readonly #taken = new Map<number, Uint8Array>();

  /** @throws WireError with the REFUSED_* number, the value found and the bound that it broke. */
  constructor(
    bytes: Uint8Array,
    kind: number,
    rules: readonly SectionRule[],
    stringSection: number,
    generationOf: (sections: number, flags: number) => number = () => 0,
  ) {
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
    this.sectionCount = sectionCount;
    this.flags = view.getUint16(L.HEADER_FLAGS, true);
    this.epoch = view.getBigUint64(L.HEADER_EPOCH, true);
    this.sequence = view.getBigUint64(L.HEADER_SEQUENCE, true);
    const generation = generationOf(sectionCount, this.flags);
    for (let index = 0; index < Math.max(sectionCount, rules.length); index++) {
      const known = rules[index];
      const empty = { offset: length, count: 0, stride: known?.minStride ?? 0 };
      const rule = ruleIn(known, generation);
      const entry = headerBytes + index * L.DIRECTORY_ENTRY_BYTES;
      const section =
        index < sectionCount
          ? readSection(view, entry, rule ?? leftAlone(index), bodyStart, length)
          : undefined;
      this.#sections.push(rule === undefined || section === undefined ? empty : section);
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
   * @throws WireError REFUSED_REFERENCE if it leaves its section or has a row of an earlier run.
   */
  run(section: number, startAt: number, countAt: number, path: string): number[] {
    const start = this.view.getUint32(startAt, true);
    const count = this.view.getUint32(countAt, true);
    const { count: rows } = this.#sections[section]!;
    if (start + count > rows) {
      throw new WireError(L.REFUSED_REFERENCE, `${path}.${this.#rules[section]!.name}`, start + count, rows);
    }
    const taken = this.#taken.get(section) ?? new Uint8Array(rows);
    this.#taken.set(section, taken);
    const shared = taken.subarray(start, start + count).indexOf(1);
    if (shared >= 0) {
      const name = `${path}.${this.#rules[section]!.name}`;
      throw new WireError(L.REFUSED_REFERENCE, name, start + shared, "a row of one run");
    }
    taken.fill(1, start, start + count);
    return Array.from({ length: count }, (_, index) => start + index);
  }
}

/** @throws WireError REFUSED_VALUE for an empty or repeated name. */
export function requireNew(seen: Set<string>, name: string, path: string): void {
  if (name === "" || seen.has(name)) throw new WireError(L.REFUSED_VALUE, path, name, "non-empty and unique");
  seen.add(name);
}

function requireBytes(length: number, bound: number): void {
  if (length < bound) throw new WireError(L.REFUSED_TRUNCATED, "message", length, bound);
}

/** What holds for a section in a message of this generation; undefined: it is left alone. */
function ruleIn(rule: SectionRule | undefined, generation: number): SectionRule | undefined {
  if (rule === undefined || generation < (rule.since ?? 0)) return undefined;
  const minStride = rule.olderStrides?.[generation];
  return minStride === undefined ? rule : { ...rule, minStride };
}

/** A section that this reader has no use for must lie inside the message all the same. */
function leftAlone(index: number): SectionRule {
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
