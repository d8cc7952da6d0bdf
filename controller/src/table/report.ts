import * as L from "../../../assembly/wire/layout.ts";
import { MessageWriter, StringHeap } from "./message.ts";
import { MessageReader, type SectionRule } from "./reader.ts";
import { WireError } from "./wire-error.ts";

/** What one Envoy has in flight to one endpoint. */
export interface Tally {
  readonly id: bigint;
  readonly requests: number;
  readonly uncachedTokens: number;
  readonly residentTokens: bigint;
  /** Counts up over the life of the sender's generation. */
  readonly picks: bigint;
}

/** What an Envoy has learned of a pool's endpoints from their answers. */
export interface LearnedPool {
  /** FNV-1a of `namespace/name`. */
  readonly id: bigint;
  /** Time of a step whatever is in it, of each token of context, of each sequence, and of each token of prompt. */
  readonly stepMs: number;
  readonly contextTokenMs: number;
  readonly sequenceMs: number;
  readonly promptTokenMs: number;
  /** Mean of an answer. */
  readonly outputTokens: number;
  readonly tokensPerByte: number;
  /** First tokens and answers that this was learned from. */
  readonly observations: number;
}

export interface Learned {
  readonly pools: readonly LearnedPool[];
  /** By endpoint id: how many times as long as the mean endpoint of its pool it takes. */
  readonly slowness: ReadonlyMap<bigint, number>;
}

/** An Envoy's report; epoch and sequence name the table that it has applied, 0 and 0 if none. */
export interface Report {
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** Envoy's node id. */
  readonly node: string;
  readonly generation: bigint;
  /** The root context that holds the stream. */
  readonly holder: bigint;
  readonly tablesRefused: number;
  /** A REFUSED_* number, 0 if none. */
  readonly lastRefusal: number;
  readonly liveSlots: number;
  readonly endpoints: readonly Tally[];
  /** By pool id (FNV-1a of `namespace/name`): a bit `1 << SCORER_*` for each scorer that its profile lacks. */
  readonly missingTerms: ReadonlyMap<bigint, number>;
  /** With which the Envoy makes keys of prompts, 0: it has none of a table. Absent: it takes no prefixes of others. */
  readonly secret?: bigint;
  /** Absent: nothing is said in this report. */
  readonly learned?: Learned;
}

/** In the order of the REPORT_SECTION_* numbers. */
const SECTIONS: readonly SectionRule[] = [
  { name: "identity", minStride: L.IDENTITY_STRIDE, maxRows: 1 },
  { name: "endpoints", minStride: L.TALLY_STRIDE, maxRows: L.MAX_ENDPOINTS },
  { name: "strings", minStride: 1, maxRows: L.MAX_MESSAGE_BYTES, heap: true },
  { name: "pools", minStride: L.POOL_TERMS_STRIDE, maxRows: L.MAX_POOLS },
  { name: "exchange", minStride: L.EXCHANGE_STRIDE, maxRows: 1 },
  { name: "learned", minStride: L.LEARNED_STRIDE, maxRows: L.MAX_POOLS },
  { name: "speeds", minStride: L.SPEED_STRIDE, maxRows: L.MAX_ENDPOINTS },
];

/**
 * Reads an Envoy's report. Never reads outside `bytes`, whatever they hold.
 * @throws WireError with the REFUSED_* number, the value and the bound.
 */
export function decodeReport(bytes: Uint8Array): Report {
  const reader = new MessageReader(bytes, L.KIND_REPORT, SECTIONS, L.REPORT_SECTION_STRINGS);
  const { view } = reader;
  const identities = reader.section(L.REPORT_SECTION_IDENTITY).count;
  if (identities !== 1) throw new WireError(L.REFUSED_SECTION, "sections.identity.count", identities, 1);
  const at = reader.row(L.REPORT_SECTION_IDENTITY, 0);
  const endpoints: Tally[] = [];
  const ids = new Set<bigint>();
  for (let index = 0; index < reader.section(L.REPORT_SECTION_ENDPOINTS).count; index++) {
    const row = reader.row(L.REPORT_SECTION_ENDPOINTS, index);
    const id = view.getBigUint64(row + L.TALLY_ID, true);
    if (ids.has(id)) throw new WireError(L.REFUSED_VALUE, `endpoints[${index}].id`, id, "unique");
    ids.add(id);
    endpoints.push({
      id,
      requests: view.getUint32(row + L.TALLY_REQUESTS, true),
      uncachedTokens: view.getUint32(row + L.TALLY_UNCACHED_TOKENS, true),
      residentTokens: view.getBigUint64(row + L.TALLY_RESIDENT_TOKENS, true),
      picks: view.getBigUint64(row + L.TALLY_PICKS, true),
    });
  }
  const missingTerms = new Map<bigint, number>();
  for (let index = 0; index < reader.section(L.REPORT_SECTION_POOLS).count; index++) {
    const row = reader.row(L.REPORT_SECTION_POOLS, index);
    const id = view.getBigUint64(row + L.POOL_TERMS_ID, true);
    missingTerms.set(id, view.getUint32(row + L.POOL_TERMS_MISSING, true));
  }
  const exchange = reader.section(L.REPORT_SECTION_EXCHANGE);
  const learned = readLearned(reader);
  return {
    epoch: reader.epoch,
    sequence: reader.sequence,
    node: reader.string(at + L.IDENTITY_NODE, "identity.node"),
    generation: view.getBigUint64(at + L.IDENTITY_GENERATION, true),
    holder: view.getBigUint64(at + L.IDENTITY_HOLDER, true),
    tablesRefused: view.getUint32(at + L.IDENTITY_REFUSED, true),
    lastRefusal: view.getUint32(at + L.IDENTITY_LAST_REFUSAL, true),
    liveSlots: view.getUint32(at + L.IDENTITY_LIVE_SLOTS, true),
    endpoints,
    missingTerms,
    ...(exchange.count === 0 ? {} : { secret: view.getBigUint64(exchange.offset + L.EXCHANGE_SECRET, true) }),
    ...(learned === undefined ? {} : { learned }),
  };
}

function readLearned(reader: MessageReader): Learned | undefined {
  const { view } = reader;
  const { count } = reader.section(L.REPORT_SECTION_LEARNED);
  if (count === 0) return undefined;
  const pools = Array.from({ length: count }, (_, index) => {
    const row = reader.row(L.REPORT_SECTION_LEARNED, index);
    const number = (column: number) => finite(view.getFloat32(row + column, true), `learned[${index}]`);
    return {
      id: view.getBigUint64(row + L.LEARNED_POOL, true),
      stepMs: number(L.LEARNED_STEP_MS),
      contextTokenMs: number(L.LEARNED_CONTEXT_TOKEN_MS),
      sequenceMs: number(L.LEARNED_SEQUENCE_MS),
      promptTokenMs: number(L.LEARNED_PROMPT_TOKEN_MS),
      outputTokens: number(L.LEARNED_OUTPUT_TOKENS),
      tokensPerByte: number(L.LEARNED_TOKENS_PER_BYTE),
      observations: view.getUint32(row + L.LEARNED_OBSERVATIONS, true),
    };
  });
  const slowness = new Map<bigint, number>();
  for (let index = 0; index < reader.section(L.REPORT_SECTION_SPEEDS).count; index++) {
    const row = reader.row(L.REPORT_SECTION_SPEEDS, index);
    const factor = finite(view.getFloat32(row + L.SPEED_SLOWNESS, true), `speeds[${index}]`);
    slowness.set(view.getBigUint64(row + L.SPEED_ID, true), factor);
  }
  return { pools, slowness };
}

function finite(value: number, path: string): number {
  if (!Number.isFinite(value)) throw new WireError(L.REFUSED_VALUE, path, value, "a finite number");
  return value;
}

/**
 * Encodes a report as the filter does: for tests and for simulated Envoys.
 * @throws PickerError TABLE_BOUND or TABLE_VALUE for what the format cannot hold.
 */
export function encodeReport(report: Report): Uint8Array {
  const heap = new StringHeap();
  const node = heap.place(report.node, "node");
  const writer = new MessageWriter(L.KIND_REPORT, report.epoch, report.sequence, [
    { count: 1, stride: L.IDENTITY_STRIDE },
    { count: report.endpoints.length, stride: L.TALLY_STRIDE },
    { count: heap.byteLength, stride: 1 },
    { count: report.missingTerms.size, stride: L.POOL_TERMS_STRIDE },
    { count: report.secret === undefined ? 0 : 1, stride: L.EXCHANGE_STRIDE },
    { count: report.learned?.pools.length ?? 0, stride: L.LEARNED_STRIDE },
    { count: report.learned?.slowness.size ?? 0, stride: L.SPEED_STRIDE },
  ]);
  const at = writer.row(L.REPORT_SECTION_IDENTITY, 0);
  writer.string(at + L.IDENTITY_NODE, node);
  writer.u64(at + L.IDENTITY_GENERATION, report.generation, "generation");
  writer.u64(at + L.IDENTITY_HOLDER, report.holder, "holder");
  writer.u32(at + L.IDENTITY_REFUSED, report.tablesRefused, "tablesRefused");
  writer.u32(at + L.IDENTITY_LAST_REFUSAL, report.lastRefusal, "lastRefusal");
  writer.u32(at + L.IDENTITY_LIVE_SLOTS, report.liveSlots, "liveSlots");
  report.endpoints.forEach((tally, index) => {
    const row = writer.row(L.REPORT_SECTION_ENDPOINTS, index);
    const path = `endpoints[${index}]`;
    writer.u64(row + L.TALLY_ID, tally.id, path);
    writer.u32(row + L.TALLY_REQUESTS, tally.requests, path);
    writer.u32(row + L.TALLY_UNCACHED_TOKENS, tally.uncachedTokens, path);
    writer.u64(row + L.TALLY_RESIDENT_TOKENS, tally.residentTokens, path);
    writer.u64(row + L.TALLY_PICKS, tally.picks, path);
  });
  [...report.missingTerms].forEach(([id, missing], index) => {
    const row = writer.row(L.REPORT_SECTION_POOLS, index);
    writer.u64(row + L.POOL_TERMS_ID, id, `pools[${index}].id`);
    writer.u32(row + L.POOL_TERMS_MISSING, missing, `pools[${index}].missing`);
  });
  if (report.secret !== undefined) {
    writer.u64(writer.row(L.REPORT_SECTION_EXCHANGE, 0) + L.EXCHANGE_SECRET, report.secret, "secret");
  }
  if (report.learned !== undefined) writeLearned(writer, report.learned);
  heap.writeTo(writer.bytes, writer.sectionOffset(L.REPORT_SECTION_STRINGS));
  return writer.bytes;
}

function writeLearned(writer: MessageWriter, { pools, slowness }: Learned): void {
  const { view } = writer;
  pools.forEach((pool, index) => {
    const row = writer.row(L.REPORT_SECTION_LEARNED, index);
    const path = `learned[${index}]`;
    writer.u64(row + L.LEARNED_POOL, pool.id, path);
    view.setFloat32(row + L.LEARNED_STEP_MS, pool.stepMs, true);
    view.setFloat32(row + L.LEARNED_CONTEXT_TOKEN_MS, pool.contextTokenMs, true);
    view.setFloat32(row + L.LEARNED_SEQUENCE_MS, pool.sequenceMs, true);
    view.setFloat32(row + L.LEARNED_PROMPT_TOKEN_MS, pool.promptTokenMs, true);
    view.setFloat32(row + L.LEARNED_OUTPUT_TOKENS, pool.outputTokens, true);
    view.setFloat32(row + L.LEARNED_TOKENS_PER_BYTE, pool.tokensPerByte, true);
    writer.u32(row + L.LEARNED_OBSERVATIONS, pool.observations, path);
  });
  [...slowness].forEach(([id, factor], index) => {
    const row = writer.row(L.REPORT_SECTION_SPEEDS, index);
    writer.u64(row + L.SPEED_ID, id, `speeds[${index}]`);
    view.setFloat32(row + L.SPEED_SLOWNESS, factor, true);
  });
}
