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
  MAGIC,
  MAX_MESSAGE_BYTES,
  MAX_STRING_BYTES,
  VERSION,
} from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";

/** Sections begin on multiples of this, so that u64 columns are aligned. */
const ALIGNMENT = 8;
const U32_MAX = 0xffffffff;

const encoder = new TextEncoder();

export interface SectionShape {
  readonly count: number;
  readonly stride: number;
}

/** The STRINGS section while it grows: each distinct string once, in order of first use. */
export class StringHeap {
  readonly #places = new Map<string, { readonly offset: number; readonly bytes: number }>();
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  get byteLength(): number {
    return this.#bytes;
  }

  /** Where `text` lies in the section. Throws TABLE_BOUND if it is longer than `mostBytes` of UTF-8. */
  place(
    text: string,
    path: string,
    mostBytes = MAX_STRING_BYTES,
  ): { readonly offset: number; readonly bytes: number } {
    const known = this.#places.get(text);
    if (known !== undefined && known.bytes <= mostBytes) return known;
    const encoded = encoder.encode(text);
    if (encoded.length > mostBytes) {
      throw new PickerError(
        "TABLE_BOUND",
        `a string of ${encoded.length} bytes is longer than ${mostBytes}`,
        {
          path,
          value: encoded.length,
          bound: mostBytes,
        },
      );
    }
    const place = { offset: this.#bytes, bytes: encoded.length };
    this.#places.set(text, place);
    this.#parts.push(encoded);
    this.#bytes += encoded.length;
    return place;
  }

  writeTo(target: Uint8Array, offset: number): void {
    let at = offset;
    for (const part of this.#parts) {
      target.set(part, at);
      at += part.length;
    }
  }
}

/** A message with header and directory written, and the rows still zero. */
export class MessageWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #offsets: readonly number[];
  readonly #sections: readonly SectionShape[];

  /** Throws TABLE_BOUND if the message would be larger than MAX_MESSAGE_BYTES. */
  constructor(
    kind: number,
    epoch: bigint,
    sequence: bigint,
    sections: readonly SectionShape[],
    flags: number = 0,
  ) {
    const offsets: number[] = [];
    let at = HEADER_FIXED_BYTES + sections.length * DIRECTORY_ENTRY_BYTES;
    for (const section of sections) {
      at = Math.ceil(at / ALIGNMENT) * ALIGNMENT;
      offsets.push(at);
      at += section.count * section.stride;
    }
    if (at > MAX_MESSAGE_BYTES) {
      throw new PickerError("TABLE_BOUND", `a message of ${at} bytes is larger than ${MAX_MESSAGE_BYTES}`, {
        path: "message",
        value: at,
        bound: MAX_MESSAGE_BYTES,
      });
    }
    this.#offsets = offsets;
    this.#sections = sections;
    this.bytes = new Uint8Array(at);
    const view = new DataView(this.bytes.buffer);
    this.view = view;
    view.setUint32(HEADER_MAGIC, MAGIC, true);
    view.setUint16(HEADER_VERSION, VERSION, true);
    view.setUint16(HEADER_HEADER_BYTES, HEADER_FIXED_BYTES, true);
    view.setUint16(HEADER_KIND, kind, true);
    view.setUint16(HEADER_FLAGS, flags, true);
    view.setUint32(HEADER_TOTAL_BYTES, at, true);
    view.setBigUint64(HEADER_EPOCH, epoch, true);
    view.setBigUint64(HEADER_SEQUENCE, sequence, true);
    view.setUint32(HEADER_SECTION_COUNT, sections.length, true);
    sections.forEach((section, index) => {
      const entry = HEADER_FIXED_BYTES + index * DIRECTORY_ENTRY_BYTES;
      view.setUint32(entry + ENTRY_OFFSET, offsets[index]!, true);
      view.setUint32(entry + ENTRY_COUNT, section.count, true);
      view.setUint16(entry + ENTRY_STRIDE, section.stride, true);
    });
  }

  /** Byte offset of a section's first row. */
  sectionOffset(section: number): number {
    return this.#offsets[section]!;
  }

  /** Byte offset of a row. */
  row(section: number, index: number): number {
    return this.#offsets[section]! + index * this.#sections[section]!.stride;
  }

  string(at: number, place: { readonly offset: number; readonly bytes: number }): void {
    this.view.setUint32(at, place.offset, true);
    this.view.setUint32(at + 4, place.bytes, true);
  }

  /** Writes a whole number. Throws TABLE_VALUE outside 0 … 2^32−1 or for a fraction. */
  u32(at: number, value: number, path: string): void {
    if (!Number.isInteger(value) || value < 0 || value > U32_MAX) {
      throw new PickerError("TABLE_VALUE", `${value} is not a whole number from 0 to ${U32_MAX}`, {
        path,
        value,
        bound: U32_MAX,
      });
    }
    this.view.setUint32(at, value, true);
  }

  /** Writes a signed whole number. Throws TABLE_VALUE outside 32 bits or for a fraction. */
  i32(at: number, value: number, path: string): void {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0x7fffffff) {
      throw new PickerError("TABLE_VALUE", `${value} is not a whole number of 32 bits`, {
        path,
        value,
        bound: 0x7fffffff,
      });
    }
    this.view.setInt32(at, value, true);
  }

  /** Writes a u64. Throws TABLE_VALUE outside 0 … 2^64−1. */
  u64(at: number, value: bigint, path: string): void {
    if (value < 0n || value > 0xffffffffffffffffn) {
      throw new PickerError("TABLE_VALUE", `${value} is not a whole number of 64 bits`, {
        path,
        value,
        bound: 0xffffffffffffffffn,
      });
    }
    this.view.setBigUint64(at, value, true);
  }

  /** Writes a ratio or weight. Throws TABLE_VALUE unless finite and from `low` to `high`. */
  f32(at: number, value: number, low: number, high: number, path: string): void {
    if (!(value >= low && value <= high)) {
      throw new PickerError("TABLE_VALUE", `${value} is not a number from ${low} to ${high}`, {
        path,
        value,
        bound: value < low ? low : high,
      });
    }
    this.view.setFloat32(at, value, true);
  }
}
