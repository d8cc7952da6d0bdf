export type HeaderPair = readonly [name: string, value: string];

/**
 * A header map with Envoy's manners: names in lower case, order kept, several values to a name.
 * Names and values are byte strings (latin1), so that bytes which are not UTF-8 survive.
 */
export class HeaderMap {
  #entries: [string, string][];

  constructor(pairs: Iterable<HeaderPair> = []) {
    this.#entries = [...pairs].map(([name, value]) => [name.toLowerCase(), value]);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The first value, as the host call returns it; undefined if there is none. */
  get(name: string): string | undefined {
    return this.#entries.find(([other]) => other === name.toLowerCase())?.[1];
  }

  getAll(name: string): string[] {
    return this.#entries.filter(([other]) => other === name.toLowerCase()).map(([, value]) => value);
  }

  add(name: string, value: string): void {
    this.#entries.push([name.toLowerCase(), value]);
  }

  /** Several values collapse into the one given. */
  replace(name: string, value: string): void {
    const lower = name.toLowerCase();
    const at = this.#entries.findIndex(([other]) => other === lower);
    if (at < 0) {
      this.#entries.push([lower, value]);
      return;
    }
    this.#entries[at] = [lower, value];
    this.#entries = this.#entries.filter(([other], index) => other !== lower || index === at);
  }

  /** Removes every value of the name. */
  remove(name: string): void {
    const lower = name.toLowerCase();
    this.#entries = this.#entries.filter(([other]) => other !== lower);
  }

  pairs(): readonly HeaderPair[] {
    return this.#entries;
  }

  clone(): HeaderMap {
    return new HeaderMap(this.#entries);
  }
}

/** Serialised pairs of the ABI: count, then both lengths of each pair, then NUL-terminated strings. */
export function marshalPairs(pairs: readonly HeaderPair[]): Uint8Array {
  if (pairs.length === 0) return new Uint8Array(0);
  const encoded = pairs.map(
    ([name, value]) => [Buffer.from(name, "latin1"), Buffer.from(value, "latin1")] as const,
  );
  const bytes = encoded.reduce((sum, [name, value]) => sum + name.length + value.length + 2, 0);
  const out = Buffer.alloc(4 + 8 * pairs.length + bytes);
  out.writeUInt32LE(pairs.length, 0);
  let lengthAt = 4;
  let at = 4 + 8 * pairs.length;
  for (const [name, value] of encoded) {
    out.writeUInt32LE(name.length, lengthAt);
    out.writeUInt32LE(value.length, lengthAt + 4);
    lengthAt += 8;
    at += name.copy(out, at) + 1;
    at += value.copy(out, at) + 1;
  }
  return out;
}

/** Reads serialised pairs strictly; undefined if the lengths, the terminators or the total disagree. */
export function unmarshalPairs(bytes: Uint8Array): HeaderPair[] | undefined {
  if (bytes.length === 0) return [];
  if (bytes.length < 4) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.readUInt32LE(0);
  let at = 4 + 8 * count;
  if (at > view.length) return undefined;
  const pairs: HeaderPair[] = [];
  for (let i = 0; i < count; i++) {
    const nameBytes = view.readUInt32LE(4 + 8 * i);
    const valueBytes = view.readUInt32LE(8 + 8 * i);
    if (at + nameBytes + valueBytes + 2 > view.length) return undefined;
    if (view[at + nameBytes] !== 0 || view[at + nameBytes + 1 + valueBytes] !== 0) return undefined;
    const name = view.toString("latin1", at, at + nameBytes);
    at += nameBytes + 1;
    pairs.push([name, view.toString("latin1", at, at + valueBytes)]);
    at += valueBytes + 1;
  }
  return at === view.length ? pairs : undefined;
}
