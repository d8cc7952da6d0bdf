import { SCAN_MORE } from "../../assembly/core/body/scan_codes.ts";
import type { Core } from "./core.ts";

/** What `assembly/core/exports/body.ts` exports. Booleans are 0 or 1; u32 come as signed numbers. */
export interface ScanExports {
  scanReset(): void;
  scanFeed(ptr: number, bytes: number): number;
  scanFinish(): number;
  scanState(): number;
  scanStateCount(): number;
  scanOffset(): number;
  scanModelSeen(): number;
  scanModelRepeated(): number;
  scanModelIsString(): number;
  scanModelTooLong(): number;
  scanModelPtr(): number;
  scanModelBytes(): number;
  scanModelStart(): number;
  scanModelEnd(): number;
  scanOpenModelStart(): number;
  scanStreamSeen(): number;
  scanStream(): number;
  scanStreamOptionsSeen(): number;
  scanStreamOptionsIsObject(): number;
  scanStreamOptionsEmpty(): number;
  scanStreamOptionsStart(): number;
  scanStreamOptionsEnd(): number;
  scanIncludeUsage(): number;
  scanIncludeUsageSeen(): number;
  scanIncludeUsageStart(): number;
  scanIncludeUsageEnd(): number;
  scanObjectStart(): number;
  scanObjectEnd(): number;
  scanIsEmptyObject(): number;
  scanMaxTokensSeen(): number;
  scanMaxTokens(): number;
  scanNSeen(): number;
  scanN(): number;
  scanPrioritySeen(): number;
  scanPriority(): number;
  scanCacheSaltSeen(): number;
  scanCacheSaltRepeated(): number;
  scanCacheSaltTooLong(): number;
  scanCacheSaltPtr(): number;
  scanCacheSaltBytes(): number;
  scanUserSeen(): number;
  scanUserTooLong(): number;
  scanUserPtr(): number;
  scanUserBytes(): number;
  scanMessages(): number;
  scanTools(): number;
  scanMediaParts(): number;
  scanContentBytes(): bigint;
  scanSpanCount(): number;
  scanSpansDropped(): number;
  scanSpanKind(index: number): number;
  scanSpanStart(index: number): number;
  scanSpanEnd(index: number): number;
  scanErrorOffset(): number;
  scanErrorReason(): number;
  scanHashesPrompts(isOn: number): void;
  scanPromptBlocks(limit: number): number;
  scanPromptHashes(): number;
  benchScan(ptr: number, bytes: number, piece: number, rounds: number): number;
}

/** What `assembly/core/exports/form.ts` exports. */
export interface FormExports {
  boundaryOf(ptr: number, bytes: number): number;
  boundaryPtr(): number;
  boundaryBytes(): number;
  formBegin(ptr: number, bytes: number): number;
  formFeed(ptr: number, bytes: number): number;
  formFinish(): number;
  formOffset(): number;
  formModelSeen(): number;
  formModelRepeated(): number;
  formModelTooLong(): number;
  formModelPtr(): number;
  formModelBytes(): number;
  formModelStart(): number;
  formModelEnd(): number;
  formStreamSeen(): number;
  formStream(): number;
  formIncludeUsage(): number;
  formMaxTokensSeen(): number;
  formMaxTokens(): number;
  formNSeen(): number;
  formN(): number;
  formUserSeen(): number;
  formUserPtr(): number;
  formUserBytes(): number;
  formMediaParts(): number;
  formSpanCount(): number;
  formSpanStart(index: number): number;
  formSpanEnd(index: number): number;
  formErrorOffset(): number;
  formErrorReason(): number;
  benchForm(ptr: number, bytes: number, piece: number, rounds: number): number;
}

/** NO_OFFSET of `assembly/core/body/request_fields.ts`, 2^32 - 1, as a signed number. */
const NO_OFFSET = -1;

/** `[start, end)` in bytes of the body. */
export type Range = readonly [start: number, end: number];

/** What the scanner of JSON bodies says. */
export interface Scan {
  /** SCAN_* */
  readonly answer: number;
  /** The unescaped name; undefined if there is no `model` or it is not a string. */
  readonly model: string | undefined;
  readonly modelSeen: boolean;
  readonly modelRepeated: boolean;
  readonly modelTooLong: boolean;
  readonly modelStart: number;
  readonly modelEnd: number;
  /** Undefined unless the model's value has begun and not ended. */
  readonly openModelStart: number | undefined;
  readonly streamSeen: boolean;
  readonly stream: boolean;
  readonly streamOptions: Range | undefined;
  readonly streamOptionsIsObject: boolean;
  readonly streamOptionsEmpty: boolean;
  readonly includeUsage: boolean;
  readonly includeUsageRange: Range | undefined;
  readonly objectStart: number;
  readonly objectEnd: number;
  readonly isEmptyObject: boolean;
  readonly maxTokens: number | undefined;
  readonly n: number | undefined;
  readonly priority: number | undefined;
  readonly cacheSalt: string | undefined;
  readonly cacheSaltRepeated: boolean;
  readonly cacheSaltTooLong: boolean;
  readonly user: string | undefined;
  readonly userTooLong: boolean;
  readonly messages: number;
  readonly tools: number;
  readonly mediaParts: number;
  readonly contentBytes: number;
  /** Kind (SPAN_*), start, end. */
  readonly spans: readonly (readonly [kind: number, start: number, end: number])[];
  readonly spansDropped: number;
  readonly errorOffset: number;
  readonly errorReason: number;
}

/** The body in pieces of one byte. */
export function singleBytes(body: Uint8Array): readonly Uint8Array[] {
  return Array.from(body, (byte) => Uint8Array.of(byte));
}

/** Scans a body in the given pieces; `finish` says whether it ends there. */
export function scanBody(core: Core, pieces: readonly Uint8Array[], finish = true): Scan {
  const { exports } = core;
  exports.scanReset();
  let answer: number = SCAN_MORE;
  for (const piece of pieces) answer = exports.scanFeed(core.put(piece), piece.length);
  if (finish) answer = exports.scanFinish();
  const text = (seen: number, ptr: number, bytes: number): string | undefined =>
    seen !== 0 ? Buffer.from(core.bytesAt(ptr, bytes)).toString() : undefined;
  const count = (seen: number, value: number): number | undefined => (seen !== 0 ? value >>> 0 : undefined);
  const range = (seen: number, start: number, end: number): Range | undefined =>
    seen !== 0 ? [start, end] : undefined;
  return {
    answer,
    model: text(exports.scanModelIsString(), exports.scanModelPtr(), exports.scanModelBytes()),
    modelSeen: exports.scanModelSeen() !== 0,
    modelRepeated: exports.scanModelRepeated() !== 0,
    modelTooLong: exports.scanModelTooLong() !== 0,
    modelStart: exports.scanModelStart(),
    modelEnd: exports.scanModelEnd(),
    openModelStart: exports.scanOpenModelStart() === NO_OFFSET ? undefined : exports.scanOpenModelStart(),
    streamSeen: exports.scanStreamSeen() !== 0,
    stream: exports.scanStream() !== 0,
    streamOptions: range(
      exports.scanStreamOptionsSeen(),
      exports.scanStreamOptionsStart(),
      exports.scanStreamOptionsEnd(),
    ),
    streamOptionsIsObject: exports.scanStreamOptionsIsObject() !== 0,
    streamOptionsEmpty: exports.scanStreamOptionsEmpty() !== 0,
    includeUsage: exports.scanIncludeUsage() !== 0,
    includeUsageRange: range(
      exports.scanIncludeUsageSeen(),
      exports.scanIncludeUsageStart(),
      exports.scanIncludeUsageEnd(),
    ),
    objectStart: exports.scanObjectStart(),
    objectEnd: exports.scanObjectEnd(),
    isEmptyObject: exports.scanIsEmptyObject() !== 0,
    maxTokens: count(exports.scanMaxTokensSeen(), exports.scanMaxTokens()),
    n: count(exports.scanNSeen(), exports.scanN()),
    priority: exports.scanPrioritySeen() !== 0 ? exports.scanPriority() : undefined,
    cacheSalt: text(exports.scanCacheSaltSeen(), exports.scanCacheSaltPtr(), exports.scanCacheSaltBytes()),
    cacheSaltRepeated: exports.scanCacheSaltRepeated() !== 0,
    cacheSaltTooLong: exports.scanCacheSaltTooLong() !== 0,
    user: text(exports.scanUserSeen(), exports.scanUserPtr(), exports.scanUserBytes()),
    userTooLong: exports.scanUserTooLong() !== 0,
    messages: exports.scanMessages(),
    tools: exports.scanTools(),
    mediaParts: exports.scanMediaParts(),
    contentBytes: Number(exports.scanContentBytes()),
    spans: Array.from({ length: exports.scanSpanCount() }, (_, index) => [
      exports.scanSpanKind(index),
      exports.scanSpanStart(index),
      exports.scanSpanEnd(index),
    ]),
    spansDropped: exports.scanSpansDropped(),
    errorOffset: exports.scanErrorOffset(),
    errorReason: exports.scanErrorReason(),
  };
}

/** What the scanner of forms says. */
export interface FormScan {
  /** SCAN_* */
  readonly answer: number;
  readonly model: string | undefined;
  readonly modelRepeated: boolean;
  readonly modelTooLong: boolean;
  readonly modelStart: number;
  readonly modelEnd: number;
  readonly stream: boolean | undefined;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
  readonly n: number | undefined;
  readonly user: string | undefined;
  readonly mediaParts: number;
  readonly prompt: Range | undefined;
  readonly errorOffset: number;
  readonly errorReason: number;
}

/** Scans a form in the given pieces; `finish` says whether it ends there. @throws if the boundary is refused. */
export function scanForm(
  core: Core,
  boundary: string,
  pieces: readonly Uint8Array[],
  finish = true,
): FormScan {
  const { exports } = core;
  const bytes = Buffer.from(boundary, "latin1");
  if (exports.formBegin(core.put(bytes), bytes.length) === 0) throw new RangeError(`boundary ${boundary}`);
  let answer: number = SCAN_MORE;
  for (const piece of pieces) answer = exports.formFeed(core.put(piece), piece.length);
  if (finish) answer = exports.formFinish();
  const text = (seen: number, ptr: number, length: number): string | undefined =>
    seen !== 0 ? Buffer.from(core.bytesAt(ptr, length)).toString() : undefined;
  return {
    answer,
    model: text(exports.formModelSeen(), exports.formModelPtr(), exports.formModelBytes()),
    modelRepeated: exports.formModelRepeated() !== 0,
    modelTooLong: exports.formModelTooLong() !== 0,
    modelStart: exports.formModelStart(),
    modelEnd: exports.formModelEnd(),
    stream: exports.formStreamSeen() !== 0 ? exports.formStream() !== 0 : undefined,
    includeUsage: exports.formIncludeUsage() !== 0,
    maxTokens: exports.formMaxTokensSeen() !== 0 ? exports.formMaxTokens() >>> 0 : undefined,
    n: exports.formNSeen() !== 0 ? exports.formN() >>> 0 : undefined,
    user: text(exports.formUserSeen(), exports.formUserPtr(), exports.formUserBytes()),
    mediaParts: exports.formMediaParts(),
    prompt: exports.formSpanCount() > 0 ? [exports.formSpanStart(0), exports.formSpanEnd(0)] : undefined,
    errorOffset: exports.formErrorOffset(),
    errorReason: exports.formErrorReason(),
  };
}
