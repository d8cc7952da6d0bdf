import { Core } from "../../core/core.ts";
import type { Coverage } from "../coverage.ts";
import type { Dice } from "../dice.ts";
import { splitEnds } from "../generators/splits.ts";
import { agree } from "../target.ts";

type Export = (...args: number[]) => number | bigint;
type Exports = Readonly<Record<string, Export>>;

/** What follows a piece in memory: a scanner that reads on past the end meets these. */
const POISON = [Buffer.alloc(64, '"'), Buffer.alloc(64, "\\"), Buffer.alloc(64, 0), Buffer.alloc(64, 0x80)];
/** Bytes before a piece: each starts at another place of a vector. */
const MOST_SHIFT = 16;
const CAPACITY_BYTES = 4 * 1_048_576;
/** Longer than any boundary that a scanner takes. */
const BEGINNING_BYTES = 4096;

/** The names of the exports that a probe drives and reads. */
export interface ProbedExports {
  /** Called before each input, with address and length of what `beginWith` was given. */
  readonly begin: string;
  /** Answers a number, or nothing where a piece cannot be refused. */
  readonly feed: string;
  readonly finish: string;
  /** Getters of every field, compared between all ways of feeding. */
  readonly fields: readonly string[];
  /** Getters of address and length of texts. */
  readonly texts: readonly (readonly [ptr: string, bytes: string])[];
  readonly state?: string;
}

/** What a scanner says of its input, field by field. */
export interface Said {
  readonly answer: number;
  readonly fields: readonly (number | bigint)[];
  readonly texts: readonly Buffer[];
}

/** One scanner in an instance of the core of its own, fed in any pieces. */
export class ScannerProbe {
  readonly core: Core;
  readonly #exports: Exports;
  readonly #names: ProbedExports;
  readonly #fields: readonly Export[];
  readonly #buffer: number;
  readonly #beginning: number;
  #beginningBytes = 0;
  #memory: Uint8Array;

  constructor(names: ProbedExports) {
    this.core = new Core();
    this.#exports = this.core.exports as unknown as Exports;
    this.#names = names;
    this.#fields = names.fields.map((name) => this.#export(name));
    this.#buffer = this.core.exports.allocate(CAPACITY_BYTES);
    this.#beginning = this.core.exports.allocate(BEGINNING_BYTES);
    this.#memory = new Uint8Array(this.core.exports.memory.buffer);
  }

  /** In one piece. */
  whole(bytes: Uint8Array, dice: Dice): Said {
    this.#begin();
    this.#feed(bytes, dice.below(MOST_SHIFT), dice.pick(POISON));
    return this.#said();
  }

  /** In pieces of one byte; `coverage` is told in which state each byte came. */
  bytewise(bytes: Uint8Array, coverage?: Coverage): Said {
    const state = this.#names.state === undefined ? undefined : this.#export(this.#names.state);
    const feed = this.#export(this.#names.feed);
    this.#begin();
    this.#place(POISON[0]!, 0, POISON[1]!);
    for (const byte of bytes) {
      if (state !== undefined) coverage?.hit(Number(state()), byte);
      this.#bytes()[this.#buffer] = byte;
      feed(this.#buffer, 1);
    }
    return this.#said();
  }

  /** In random pieces. */
  pieces(bytes: Uint8Array, dice: Dice): Said {
    this.#begin();
    let from = 0;
    for (const end of splitEnds(dice, bytes.length)) {
      this.#feed(bytes.subarray(from, end), dice.below(MOST_SHIFT), dice.pick(POISON));
      from = end;
    }
    return this.#said();
  }

  /** The state behind `bytes`, which are not the end. */
  stateBehind(bytes: Uint8Array): number {
    this.#begin();
    this.#feed(bytes, 0, POISON[2]!);
    return Number(this.#export(this.#names.state!)());
  }

  /** @throws {Disagreement} unless both say the same. */
  compare(how: string, expected: Said, found: Said): void {
    agree(`${how}: the answer`, expected.answer, found.answer);
    this.#names.fields.forEach((name, index) => {
      agree(`${how}: ${name}`, expected.fields[index], found.fields[index]);
    });
    expected.texts.forEach((text, index) => {
      if (text.equals(found.texts[index]!)) return;
      agree(
        `${how}: ${this.#names.texts[index]![0]}`,
        text.toString("latin1"),
        found.texts[index]!.toString("latin1"),
      );
    });
  }

  /** What `begin` is called with from here on, a form's boundary; false if it refuses that. */
  beginWith(bytes: Uint8Array): boolean {
    if (bytes.length > BEGINNING_BYTES) return false;
    this.#bytes().set(bytes, this.#beginning);
    this.#beginningBytes = bytes.length;
    return this.#begin() !== 0;
  }

  /** What a search in `bytes` finds by the getters of its address and length; undefined if it finds nothing. */
  found(search: string, ptr: string, length: string, bytes: Uint8Array): Buffer | undefined {
    this.#place(bytes, 0, POISON[0]!);
    if (this.#export(search)(this.#buffer, bytes.length) === 0) return undefined;
    return this.#textAt(ptr, length);
  }

  #begin(): number {
    return Number(this.#export(this.#names.begin)(this.#beginning, this.#beginningBytes) ?? 1);
  }

  #feed(bytes: Uint8Array, shift: number, poison: Uint8Array): void {
    this.#place(bytes, shift, poison);
    this.#export(this.#names.feed)(this.#buffer + shift, bytes.length);
  }

  #place(bytes: Uint8Array, shift: number, poison: Uint8Array): void {
    if (shift + bytes.length + poison.length > CAPACITY_BYTES) {
      throw new RangeError(`a piece of ${bytes.length} bytes, there is room for ${CAPACITY_BYTES}`);
    }
    const memory = this.#bytes();
    memory.set(bytes, this.#buffer + shift);
    memory.set(poison, this.#buffer + shift + bytes.length);
  }

  /** The core's memory; a view of it dies when it grows. */
  #bytes(): Uint8Array {
    if (this.#memory.byteLength === 0) this.#memory = new Uint8Array(this.core.exports.memory.buffer);
    return this.#memory;
  }

  #said(): Said {
    const answer = Number(this.#export(this.#names.finish)() ?? 0);
    const texts = this.#names.texts.map(([ptr, bytes]) => this.#textAt(ptr, bytes));
    return { answer, fields: this.#fields.map((field) => field()), texts };
  }

  #textAt(ptr: string, bytes: string): Buffer {
    const at = Number(this.#export(ptr)());
    return Buffer.from(this.#bytes().slice(at, at + Number(this.#export(bytes)())));
  }

  #export(name: string): Export {
    const found = this.#exports[name];
    if (found === undefined) throw new Error(`the core exports no ${name}: build it anew`);
    return found;
  }
}
