import * as L from "../../../assembly/wire/layout.ts";
import { CLASS_HEADER_NAME } from "./names.ts";
import type { MessageReader } from "./reader.ts";
import type { ClassRow, EndpointRow, PoolRow } from "./rows.ts";
import { tableGeneration } from "./table-sections.ts";
import { WireError } from "./wire-error.ts";

/** What the pool whose row begins at `at` is held to and picks from: nothing in a table without TABLE_FLAG_PICKING. */
export function readPicking(reader: MessageReader, at: number, path: string): Pick<PoolRow, "picking"> {
  if (tableGeneration(reader.sectionCount, reader.flags) < 2) return {};
  const { view } = reader;
  const flags = view.getUint32(at + L.POOL_PICK_FLAGS, true);
  const rows = reader.run(L.SECTION_CLASSES, at + L.POOL_CLASS_START, at + L.POOL_CLASS_COUNT, path);
  if (rows.length > L.MAX_POOL_CLASSES) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.classes`, rows.length, L.MAX_POOL_CLASSES);
  }
  const classHeader = reader.string(at + L.POOL_CLASS_HEADER, `${path}.classHeader`, L.MAX_NAME_BYTES);
  if (classHeader !== "" && !CLASS_HEADER_NAME.test(classHeader)) {
    throw new WireError(L.REFUSED_VALUE, `${path}.classHeader`, classHeader, CLASS_HEADER_NAME);
  }
  const ttftPer1kTokensMs = view.getFloat32(at + L.POOL_TTFT_PER_1K_TOKENS_MS, true);
  return {
    picking: {
      ttftBaseMs: time(view.getFloat32(at + L.POOL_TTFT_BASE_MS, true), `${path}.ttftBaseMs`),
      ttftPer1kTokensMs: ttftPer1kTokensMs === 0 ? 0 : time(ttftPer1kTokensMs, `${path}.ttftPer1kTokensMs`),
      tpotMs: time(view.getFloat32(at + L.POOL_TPOT_MS, true), `${path}.tpotMs`),
      objectiveHeaders: (flags & L.POOL_PICK_FLAG_OBJECTIVE_HEADERS) !== 0,
      subsetHeader: (flags & L.POOL_PICK_FLAG_SUBSET_HEADER) !== 0,
      subsetMetadata: (flags & L.POOL_PICK_FLAG_SUBSET_METADATA) !== 0,
      sessionAffinity: (flags & L.POOL_PICK_FLAG_SESSION) !== 0,
      classHeader,
      classes: rows.map((row) => readClass(reader, row)),
    },
  };
}

/** The columns of the endpoint whose row begins at `at`: none in a table without TABLE_FLAG_PICKING. */
export function readEndpointPicking(
  reader: MessageReader,
  at: number,
): Pick<EndpointRow, "lifeEpoch" | "classes"> {
  if (tableGeneration(reader.sectionCount, reader.flags) < 2) return {};
  return {
    lifeEpoch: reader.view.getUint32(at + L.ENDPOINT_EPOCH, true),
    classes: reader.view.getUint32(at + L.ENDPOINT_CLASSES, true),
  };
}

function readClass(reader: MessageReader, row: number): ClassRow {
  const at = reader.row(L.SECTION_CLASSES, row);
  const path = `classes[${row}]`;
  const header = reader.string(at + L.CLASS_VALUE, `${path}.value`, L.MAX_NAME_BYTES);
  const kind = reader.view.getUint32(at + L.CLASS_KIND, true);
  const minTokens = reader.view.getUint32(at + L.CLASS_MIN_TOKENS, true);
  const maxTokens = reader.view.getUint32(at + L.CLASS_MAX_TOKENS, true);
  if (minTokens > maxTokens) throw new WireError(L.REFUSED_VALUE, `${path}.maxTokens`, maxTokens, minTokens);
  if (kind === L.CLASS_HEADER) return { header };
  if (kind !== L.CLASS_LENGTH) throw new WireError(L.REFUSED_VALUE, `${path}.kind`, kind, L.CLASS_LENGTH);
  return { minTokens, maxTokens };
}

function time(ms: number, path: string): number {
  // The comparison is false for NaN too.
  if (!(ms > 0 && ms <= L.MAX_OBJECTIVE_MS)) {
    throw new WireError(L.REFUSED_VALUE, path, ms, L.MAX_OBJECTIVE_MS);
  }
  return ms;
}
