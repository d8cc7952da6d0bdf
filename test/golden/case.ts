import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as L from "../../assembly/wire/layout.ts";
import { encodeTable } from "../../controller/src/table/encode.ts";
import type { ApiName } from "../../controller/src/model.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { MessageWriter } from "../../controller/src/table/message.ts";
import type { EndpointRow, PoolRow, RouteRow, TableRows } from "../../controller/src/table/rows.ts";

/**
 * A golden case: a table in readable form, what is done to its bytes, a request, and what must come of
 * it. `<name>.bin` beside it holds the exact bytes; every reader of the format runs on both files.
 */
export interface GoldenCase {
  readonly name: string;
  readonly about: string;
  readonly table: GoldenTable;
  /** Absent: the bytes are those of the first writers, which knew no rewrites, APIs and routes. */
  readonly writer?: "rewrites";
  /** Lays the message out as a newer writer would: longer rows, more sections. */
  readonly reshape?: { readonly extraRowBytes: number; readonly extraSections: number };
  readonly edits?: readonly Edit[];
  readonly request?: {
    readonly cluster: string;
    readonly model?: string;
    /** Time since the table arrived. */
    readonly elapsedMs?: number;
    /** Requests that the picker's own Envoy has in flight, by address. */
    readonly inFlight?: Readonly<Record<string, number>>;
    readonly path?: string;
    /** Name of the route in Envoy. */
    readonly route?: string;
  };
  readonly expect: {
    /** ACCEPTED or the name of a REFUSED_* constant. */
    readonly verdict: string;
    /** The whole pick list, best first; empty: nothing can be picked. */
    readonly picks?: readonly string[];
    /** The first pick is one of these, by chance. */
    readonly oneOf?: readonly string[];
    /** In no pick list's first place. */
    readonly never?: readonly string[];
    /** What the request's model becomes: each target with its weight; empty: it stays. */
    readonly targets?: Readonly<Record<string, number>>;
    /** What is spoken at the request's path, and the model that the path names. */
    readonly api?: ApiName;
    readonly pathModel?: string;
    /** The pool that the request's model chooses on its route; "": none of them lists it. */
    readonly pool?: string;
    /** Names of the route's models, in order. */
    readonly listing?: readonly string[];
  };
}

type GoldenEndpoint = Partial<Omit<EndpointRow, "id">> & { readonly address: string };
type GoldenPool = Partial<Omit<PoolRow, "endpoints">> & {
  readonly name: string;
  readonly endpoints?: readonly GoldenEndpoint[];
};

/** Rows as a case writes them: what is left out is as `toRows` says. */
interface GoldenTable {
  readonly epoch?: string;
  readonly sequence?: string;
  readonly pools: readonly GoldenPool[];
  readonly routes?: readonly RouteRow[];
  /** u64 in decimal digits. */
  readonly secret?: string;
}

/** Numbers are written at a header field, or at a column of a row, by the names of the layout. */
interface Place {
  readonly field: string;
  /** A SECTION_* name; absent: a header field. */
  readonly section?: string;
  /** Absent, with a section: a field of the section's directory entry. */
  readonly row?: number;
  /** The second number of a pair: how long a string is, where the field says where it begins. */
  readonly second?: true;
}

export type Edit =
  | (Place & { readonly u16: number })
  | (Place & { readonly u32: number })
  | (Place & { readonly u64: string })
  | (Place & { readonly f32: number | "NaN" })
  | { readonly truncateTo: number }
  | { readonly append: number }
  | { readonly swapEndian: true };

const CASES = new URL("cases/", import.meta.url);

export function caseFile(name: string, suffix: "json" | "bin"): string {
  return fileURLToPath(new URL(`${name}.${suffix}`, CASES));
}

/** All cases, in order of their names. */
export function loadCases(): readonly GoldenCase[] {
  return readdirSync(CASES)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -".json".length);
      return { ...(JSON.parse(readFileSync(caseFile(name, "json"), "utf8")) as GoldenCase), name };
    });
}

/** The case's table with its defaults filled in. */
export function toRows(table: GoldenTable): TableRows {
  return {
    epoch: BigInt(table.epoch ?? "1795542373000"),
    sequence: BigInt(table.sequence ?? "1"),
    pools: table.pools.map((pool) => ({
      profile: "epp",
      failureMode: "FailClose",
      readBody: false,
      requireModel: false,
      knownModelsOnly: false,
      staleAfterMs: 1500,
      bodyWindowBytes: 65536,
      bodyLimitBytes: 16777216,
      queueLimit: 5,
      kvLimit: 0.8,
      clusters: [pool.name],
      models: [],
      scorers: [],
      objectives: [],
      restoreModel: false,
      addUsage: false,
      byModel: false,
      rewrites: [],
      apis: [],
      ...pool,
      endpoints: (pool.endpoints ?? []).map((endpoint) => ({
        id: fnv1a64(endpoint.address),
        name: endpoint.address,
        ready: true,
        draining: false,
        unmeasured: false,
        ...endpoint,
      })),
    })),
    routes: table.routes ?? [],
    ...(table.secret === undefined ? {} : { secret: BigInt(table.secret) }),
  };
}

/** The bytes of a case: encoded, laid out anew and edited as it says. */
export function caseBytes(golden: GoldenCase): Uint8Array {
  let bytes = encodeTable(toRows(golden.table)).bytes;
  if (golden.writer === undefined) bytes = asFirstWritten(bytes);
  if (golden.reshape !== undefined) {
    bytes = reshape(bytes, golden.reshape.extraRowBytes, golden.reshape.extraSections);
  }
  for (const edit of golden.edits ?? []) bytes = applyEdit(bytes, edit);
  return bytes;
}

export function constant(name: string): number {
  const value = (L as Readonly<Record<string, unknown>>)[name];
  if (typeof value !== "number") throw new RangeError(`the layout has no ${name}`);
  return value;
}

function entryOffset(section: number): number {
  return L.HEADER_FIXED_BYTES + section * L.DIRECTORY_ENTRY_BYTES;
}

function placeOffset(view: DataView, place: Place): number {
  if (place.section === undefined) return constant(place.field);
  const entry = entryOffset(constant(place.section));
  if (place.row === undefined) return entry + constant(place.field);
  const offset = view.getUint32(entry + L.ENTRY_OFFSET, true);
  const stride = view.getUint16(entry + L.ENTRY_STRIDE, true);
  return offset + place.row * stride + constant(place.field) + (place.second === true ? 4 : 0);
}

export function applyEdit(bytes: Uint8Array, edit: Edit): Uint8Array {
  if ("truncateTo" in edit) return bytes.slice(0, edit.truncateTo);
  if ("append" in edit) {
    const longer = new Uint8Array(bytes.length + edit.append);
    longer.set(bytes);
    return longer;
  }
  const edited = bytes.slice();
  const view = new DataView(edited.buffer);
  if ("swapEndian" in edit) {
    // What a big-endian writer's first fields look like; nothing after the magic is read.
    view.setUint32(L.HEADER_MAGIC, L.MAGIC, false);
    view.setUint16(L.HEADER_VERSION, L.VERSION, false);
    return edited;
  }
  const at = placeOffset(view, edit);
  if ("u16" in edit) view.setUint16(at, edit.u16, true);
  else if ("u32" in edit) view.setUint32(at, edit.u32, true);
  else if ("u64" in edit) view.setBigUint64(at, BigInt(edit.u64), true);
  else view.setFloat32(at, edit.f32 === "NaN" ? Number.NaN : edit.f32, true);
  return edited;
}

/** A table without rewrites, APIs and routes as it was laid out before there were any. */
function asFirstWritten(bytes: Uint8Array): Uint8Array {
  const sections = L.SECTION_STRINGS + 1;
  const emptyRewriteStride = 8;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const column = (section: number, field: number): number =>
    source.getUint32(entryOffset(section) + field, true);
  for (let section = 0; section < source.getUint32(L.HEADER_SECTION_COUNT, true); section++) {
    if (section < sections && section !== L.SECTION_REWRITES) continue;
    if (column(section, L.ENTRY_COUNT) > 0) throw new RangeError(`section ${section} needs a writer`);
  }
  const shapes = Array.from({ length: sections }, (_, section) => ({
    count: column(section, L.ENTRY_COUNT),
    stride: source.getUint16(entryOffset(section) + L.ENTRY_STRIDE, true),
  }));
  const strides = shapes.map(({ stride }) => stride);
  shapes[L.SECTION_POOLS]!.stride = L.POOL_STRIDE_V0;
  shapes[L.SECTION_REWRITES]!.stride = emptyRewriteStride;
  const writer = new MessageWriter(
    L.KIND_TABLE,
    source.getBigUint64(L.HEADER_EPOCH, true),
    source.getBigUint64(L.HEADER_SEQUENCE, true),
    shapes,
  );
  shapes.forEach(({ count, stride }, section) => {
    for (let row = 0; row < count; row++) {
      const from = column(section, L.ENTRY_OFFSET) + row * strides[section]!;
      writer.bytes.set(bytes.subarray(from, from + stride), writer.row(section, row));
    }
  });
  return writer.bytes;
}

/** Longer rows (filled with 0xa5, which means nothing to an older reader) and unknown sections at the end. */
function reshape(bytes: Uint8Array, extraRowBytes: number, extraSections: number): Uint8Array {
  const filler = 0xa5;
  const unknownRows = 3;
  const unknownStride = 24;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sections = source.getUint32(L.HEADER_SECTION_COUNT, true);
  const layout: { count: number; stride: number; from: number; fromStride: number }[] = [];
  for (let section = 0; section < sections; section++) {
    const fromStride = source.getUint16(entryOffset(section) + L.ENTRY_STRIDE, true);
    layout.push({
      count: source.getUint32(entryOffset(section) + L.ENTRY_COUNT, true),
      stride: section === L.SECTION_STRINGS ? fromStride : fromStride + extraRowBytes,
      from: source.getUint32(entryOffset(section) + L.ENTRY_OFFSET, true),
      fromStride,
    });
  }
  for (let extra = 0; extra < extraSections; extra++) {
    layout.push({ count: unknownRows, stride: unknownStride, from: 0, fromStride: 0 });
  }
  const header = entryOffset(layout.length);
  const total = layout.reduce((sum, { count, stride }) => sum + count * stride, header);
  const result = new Uint8Array(total).fill(filler, header);
  const view = new DataView(result.buffer);
  result.set(bytes.subarray(0, L.HEADER_FIXED_BYTES));
  view.setUint32(L.HEADER_TOTAL_BYTES, total, true);
  view.setUint32(L.HEADER_SECTION_COUNT, layout.length, true);
  let at = header;
  layout.forEach(({ count, stride, from, fromStride }, section) => {
    view.setUint32(entryOffset(section) + L.ENTRY_OFFSET, at, true);
    view.setUint32(entryOffset(section) + L.ENTRY_COUNT, count, true);
    view.setUint16(entryOffset(section) + L.ENTRY_STRIDE, stride, true);
    for (let row = 0; row < count; row++) {
      const start = from + row * fromStride;
      result.set(bytes.subarray(start, start + fromStride), at + row * stride);
    }
    at += count * stride;
  });
  return result;
}
