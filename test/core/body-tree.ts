/** A value of a JSON text with its place in bytes, from its first to one past its last. */
export interface Node {
  readonly start: number;
  readonly end: number;
  /** What JSON.parse makes of it. */
  readonly value: unknown;
  /** Members in order, a key as often as it comes; none of what is no object. */
  readonly members: readonly (readonly [key: string, value: Node])[];
  /** Elements in order; none of what is no array. */
  readonly elements: readonly Node[];
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[-+.0-9A-Za-z]+|[[\]{}:,]/g;

/** The tree of a JSON text that JSON.parse takes; places are those of its UTF-8 bytes. */
export function bodyTree(text: string): Node {
  // One character of the text is one byte from here on.
  const bytes = Buffer.from(text).toString("latin1");
  const tokens = [...bytes.matchAll(TOKEN)].map((match) => ({ text: match[0], start: match.index }));
  let next = 0;
  const take = (): { readonly text: string; readonly start: number } => tokens[next++]!;
  const parsed = (raw: string): unknown => JSON.parse(Buffer.from(raw, "latin1").toString());

  const read = (): Node => {
    const first = take();
    const members: (readonly [string, Node])[] = [];
    const elements: Node[] = [];
    let last = first;
    if (first.text === "{" || first.text === "[") {
      const close = first.text === "{" ? "}" : "]";
      while (tokens[next]!.text !== close) {
        if (tokens[next]!.text === ",") next++;
        if (first.text === "[") {
          elements.push(read());
          continue;
        }
        const key = String(parsed(take().text));
        next++; // the colon
        members.push([key, read()]);
      }
      last = take();
    }
    const end = last.start + last.text.length;
    return { start: first.start, end, value: parsed(bytes.slice(first.start, end)), members, elements };
  };
  return read();
}

/** The last member of this name; undefined if there is none. */
export function lastMember(node: Node, key: string): Node | undefined {
  return node.members.findLast(([name]) => name === key)?.[1];
}

export function isObject(node: Node | undefined): node is Node {
  return typeof node?.value === "object" && node.value !== null && !Array.isArray(node.value);
}
