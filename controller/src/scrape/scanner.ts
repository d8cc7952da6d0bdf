import type { Buffer } from "node:buffer";

/** A family to look for and the labels wanted of its series. */
export interface FamilySpec {
  readonly name: string;
  readonly labels: readonly string[];
}

export interface CompiledFamily {
  readonly name: Uint8Array;
  readonly labels: readonly Uint8Array[];
}

/**
 * Called for each series of a wanted family. `labels` holds the wanted labels' values in the order of
 * the spec, `undefined` where the series lacks one; it is reused, so copy what is kept. `value` may be
 * NaN or infinite, as written on the page.
 */
export type SeriesVisitor = (family: number, labels: readonly (string | undefined)[], value: number) => void;

export interface ScanResult {
  /** Bytes up to and including the last line feed: what was looked at. */
  readonly scannedBytes: number;
  /** Lines of wanted families that could not be read. */
  readonly malformedLines: number;
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** A page with more lines of wanted families than this is not a model server's: a busy one has a few dozen. */
export const MAX_WANTED_LINES = 4096;
/** Longest number or time stamp that is read; the longest double prints in 25 bytes. */
const MAX_NUMBER_BYTES = 64;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const MALFORMED = -1;

/** The page holds more lines of wanted families than are read. */
export class TooManySeries extends Error {
  constructor() {
    super(`more than ${MAX_WANTED_LINES} series of wanted metrics`);
  }
}

/** Turns family and label names into bytes, once. */
export function compileFamilies(specs: readonly FamilySpec[]): readonly CompiledFamily[] {
  const encoder = new TextEncoder();
  return specs.map((spec) => ({
    name: encoder.encode(spec.name),
    labels: spec.labels.map((label) => encoder.encode(label)),
  }));
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function skipBlanks(page: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(page[at])) at++;
  return at;
}

function equals(page: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index++) {
    if (page[start + index] !== text[index]) return false;
  }
  return true;
}

/**
 * Scans a page in the Prometheus text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/) for the wanted families and nothing
 * else: a line of another family costs one native search for its end and a comparison or two. An
 * unfinished last line is left out, since half a number is a number too.
 * @throws TooManySeries after MAX_WANTED_LINES lines of wanted families, well-formed or not: each costs
 * microseconds of the event loop.
 */
export function scanPage(
  page: Buffer,
  families: readonly CompiledFamily[],
  visit: SeriesVisitor,
): ScanResult {
  const cursor = new SeriesCursor(page, families);
  let malformedLines = 0;
  let wantedLines = 0;
  let start = 0;
  for (;;) {
    const lineFeed = page.indexOf(LINE_FEED, start);
    if (lineFeed < 0) return { scannedBytes: start, malformedLines };
    const first = isBlank(page[start]) ? skipBlanks(page, start, lineFeed) : start;
    if (page[first] !== HASH) {
      const family = matchFamily(page, first, lineFeed, families);
      if (family >= 0) {
        if (++wantedLines > MAX_WANTED_LINES) throw new TooManySeries();
        const end = page[lineFeed - 1] === CARRIAGE_RETURN ? lineFeed - 1 : lineFeed;
        if (cursor.read(family, first + families[family]!.name.length, end)) {
          visit(family, cursor.labels, cursor.value);
        } else {
          malformedLines++;
        }
      }
    }
    start = lineFeed + 1;
  }
}

/** Index of the family whose name the line begins with, or −1. */
function matchFamily(
  page: Uint8Array,
  start: number,
  end: number,
  families: readonly CompiledFamily[],
): number {
  for (let index = 0; index < families.length; index++) {
    const { name } = families[index]!;
    const stop = start + name.length;
    if (stop >= end) continue;
    // The byte after the name differs for nearly every other family, so it is looked at first.
    const after = page[stop];
    if (after !== OPEN_BRACE && after !== SPACE && after !== TAB) continue;
    if (equals(page, start, stop, name)) return index;
  }
  return -1;
}

/** Reads one line's labels and value; kept between lines so that a page allocates only what it keeps. */
class SeriesCursor {
  labels: (string | undefined)[] = [];
  value = 0;
  readonly #page: Buffer;
  readonly #families: readonly CompiledFamily[];

  constructor(page: Buffer, families: readonly CompiledFamily[]) {
    this.#page = page;
    this.#families = families;
  }

  /** From the byte after the family's name to the end of the line; false if it is not a series. */
  read(family: number, from: number, end: number): boolean {
    const page = this.#page;
    const wanted = this.#families[family]!.labels;
    this.labels.length = wanted.length;
    this.labels.fill(undefined);
    let at = skipBlanks(page, from, end);
    if (page[at] === OPEN_BRACE && at < end) {
      at = this.#readLabels(at + 1, end, wanted);
      if (at === MALFORMED) return false;
      at = skipBlanks(page, at, end);
    }
    const valueEnd = this.#tokenEnd(at, end);
    const value = this.#number(at, valueEnd);
    if (value === undefined) return false;
    this.value = value;
    at = skipBlanks(page, valueEnd, end);
    // A time stamp and an exemplar may follow; neither matters here, anything else is not a series.
    if (at < end && page[at] !== HASH) {
      const stampEnd = this.#tokenEnd(at, end);
      if (this.#number(at, stampEnd) === undefined) return false;
      at = skipBlanks(page, stampEnd, end);
    }
    return at >= end || page[at] === HASH;
  }

  /** Returns the offset after the closing brace, or MALFORMED. */
  #readLabels(from: number, end: number, wanted: readonly Uint8Array[]): number {
    const page = this.#page;
    let at = skipBlanks(page, from, end);
    while (at < end) {
      if (page[at] === CLOSE_BRACE) return at + 1;
      const nameStart = at;
      while (at < end && page[at] !== EQUALS && !isBlank(page[at])) at++;
      const nameEnd = at;
      at = skipBlanks(page, at, end);
      if (at >= end || page[at] !== EQUALS || nameEnd === nameStart) return MALFORMED;
      at = skipBlanks(page, at + 1, end);
      if (at >= end || page[at] !== QUOTE) return MALFORMED;
      const valueStart = at + 1;
      let escaped = false;
      at = valueStart;
      while (at < end && page[at] !== QUOTE) {
        if (page[at] === BACKSLASH) {
          escaped = true;
          at++;
        }
        at++;
      }
      if (at >= end) return MALFORMED;
      for (let index = 0; index < wanted.length; index++) {
        if (equals(page, nameStart, nameEnd, wanted[index]!)) {
          const text = page.toString("utf8", valueStart, at);
          this.labels[index] = escaped ? unescapeLabel(text) : text;
        }
      }
      at = skipBlanks(page, at + 1, end);
      if (page[at] === COMMA && at < end) at = skipBlanks(page, at + 1, end);
      else if (page[at] !== CLOSE_BRACE) return MALFORMED;
    }
    return MALFORMED;
  }

  #tokenEnd(from: number, end: number): number {
    let at = from;
    while (at < end && !isBlank(this.#page[at])) at++;
    return at;
  }

  /** A number in the format's spelling, which is Go's without its hexadecimal and underscores. */
  #number(from: number, end: number): number | undefined {
    if (end <= from || end - from > MAX_NUMBER_BYTES) return undefined;
    const text = this.#page.toString("latin1", from, end);
    if (DECIMAL.test(text)) return Number(text);
    switch (text.toLowerCase()) {
      case "nan":
        return Number.NaN;
      case "inf":
      case "+inf":
        return Number.POSITIVE_INFINITY;
      case "-inf":
        return Number.NEGATIVE_INFINITY;
      default:
        return undefined;
    }
  }
}

/** `\n`, `\"` and `\\`; a backslash before anything else stands for itself. */
function unescapeLabel(text: string): string {
  // Native searches: a callback for each of half a million escapes would take 100 ms.
  const parts = text.split("\\\\");
  return parts.map((part) => part.replaceAll("\\n", "\n").replaceAll('\\"', '"')).join("\\");
}
