import * as L from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import { MIN_OBJECTIVE_MS } from "../latency-objectives.ts";
import { checkRows } from "./checks.ts";
import type { MessageWriter, StringHeap } from "./message.ts";
import { CLASS_HEADER_NAME } from "./names.ts";
import type { ClassRow, PickingRow, PoolRow, TableRows } from "./rows.ts";

/** What a row without `picking` has in a table where others have it. */
export const DEFAULT_PICKING: PickingRow = {
  ttftBaseMs: L.DEFAULT_TTFT_BASE_MS,
  ttftPer1kTokensMs: L.DEFAULT_TTFT_PER_1K_TOKENS_MS,
  tpotMs: L.DEFAULT_TPOT_MS,
  objectiveHeaders: false,
  subsetHeader: false,
  subsetMetadata: false,
  sessionAffinity: false,
  classHeader: "",
  classes: [],
};

/** Whether the table has the columns and the section that this file writes. */
export function hasPicking({ pools, secret }: TableRows): boolean {
  return secret !== undefined || pools.some(({ picking }) => picking !== undefined);
}

/**
 * Rows of CLASSES, checked.
 * @throws PickerError TABLE_BOUND for more of them than the format allows, TABLE_VALUE for a header of another form, a
 * header's value that occurs twice in a pool, and a range that ends before it begins.
 */
export function checkClasses({ pools }: TableRows): number {
  let count = 0;
  pools.forEach(({ picking }, index) => {
    if (picking === undefined) return;
    const { classHeader, classes } = picking;
    const path = `pools[${index}].classes`;
    count += classes.length;
    checkRows(path, classes.length, L.MAX_POOL_CLASSES);
    if (classHeader !== "" && !CLASS_HEADER_NAME.test(classHeader)) {
      throw new PickerError("TABLE_VALUE", `${classHeader} is not the name of a class header`, {
        path: `pools[${index}].classHeader`,
        value: classHeader,
        bound: String(CLASS_HEADER_NAME),
      });
    }
    const values = new Set<string>();
    for (const row of classes) {
      if (!("header" in row)) checkRange(row, path);
      else if (values.has(row.header)) {
        throw new PickerError("TABLE_VALUE", `two classes have the value "${row.header}"`, {
          path,
          value: row.header,
          bound: "unique",
        });
      } else values.add(row.header);
    }
  });
  checkRows("classes", count, L.MAX_ROWS);
  return count;
}

function checkRange({ minTokens, maxTokens }: Exclude<ClassRow, { header: string }>, path: string): void {
  if (minTokens <= maxTokens) return;
  throw new PickerError("TABLE_VALUE", `a range from ${minTokens} to ${maxTokens} tokens is empty`, {
    path,
    value: maxTokens,
    bound: minTokens,
  });
}

/** Places the strings of one pool. */
export function placePicking({ picking }: PoolRow, path: string, heap: StringHeap): void {
  if (picking === undefined) return;
  heap.place(picking.classHeader, `${path}.classHeader`, L.MAX_NAME_BYTES);
  for (const row of picking.classes) {
    if ("header" in row) heap.place(row.header, `${path}.classes`, L.MAX_NAME_BYTES);
  }
}

/** Writes CLASSES, and the pools' columns that came with it. */
export class PickingWriter {
  readonly #writer: MessageWriter;
  readonly #heap: StringHeap;
  #nextClass = 0;

  constructor(writer: MessageWriter, heap: StringHeap) {
    this.#writer = writer;
    this.#heap = heap;
  }

  /** The next pool's rows; `at` is where its row in POOLS begins. */
  pool(pool: PoolRow, at: number, path: string): void {
    const picking = pool.picking ?? DEFAULT_PICKING;
    const writer = this.#writer;
    const { view } = writer;
    const ms = (column: number, value: number, least: number, name: string): void =>
      writer.f32(at + column, value, least, L.MAX_OBJECTIVE_MS, `${path}.${name}`);
    ms(L.POOL_TTFT_BASE_MS, picking.ttftBaseMs, MIN_OBJECTIVE_MS, "ttftBaseMs");
    ms(L.POOL_TTFT_PER_1K_TOKENS_MS, picking.ttftPer1kTokensMs, 0, "ttftPer1kTokensMs");
    ms(L.POOL_TPOT_MS, picking.tpotMs, MIN_OBJECTIVE_MS, "tpotMs");
    view.setUint32(
      at + L.POOL_PICK_FLAGS,
      (picking.objectiveHeaders ? L.POOL_PICK_FLAG_OBJECTIVE_HEADERS : 0) |
        (picking.subsetHeader ? L.POOL_PICK_FLAG_SUBSET_HEADER : 0) |
        (picking.subsetMetadata ? L.POOL_PICK_FLAG_SUBSET_METADATA : 0) |
        (picking.sessionAffinity ? L.POOL_PICK_FLAG_SESSION : 0),
      true,
    );
    view.setUint32(at + L.POOL_CLASS_START, this.#nextClass, true);
    view.setUint32(at + L.POOL_CLASS_COUNT, picking.classes.length, true);
    writer.string(at + L.POOL_CLASS_HEADER, this.#heap.place(picking.classHeader, path));
    for (const row of picking.classes) this.#class(row, path);
  }

  #class(row: ClassRow, path: string): void {
    const writer = this.#writer;
    const at = writer.row(L.SECTION_CLASSES, this.#nextClass++);
    if ("header" in row) {
      writer.string(at + L.CLASS_VALUE, this.#heap.place(row.header, path));
      writer.u32(at + L.CLASS_KIND, L.CLASS_HEADER, path);
      return;
    }
    writer.u32(at + L.CLASS_KIND, L.CLASS_LENGTH, path);
    writer.u32(at + L.CLASS_MIN_TOKENS, row.minTokens, `${path}.classes.minTokens`);
    writer.u32(at + L.CLASS_MAX_TOKENS, row.maxTokens, `${path}.classes.maxTokens`);
  }
}
