/** A member of an object, by the bytes of a body that is known to be valid. */
export interface MemberSpan {
  readonly key: string;
  /** The value's first byte and one past its last. */
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;

/** The members of the object whose `{` stands at `open`, in order, repeated ones too. */
export function memberSpans(bytes: Uint8Array, open: number): readonly MemberSpan[] {
  const members: MemberSpan[] = [];
  let at = skipSpace(bytes, open + 1);
  while (bytes[at] === QUOTE) {
    const keyEnd = endOfString(bytes, at);
    const key: unknown = JSON.parse(Buffer.from(bytes.subarray(at, keyEnd)).toString());
    const start = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const end = endOfValue(bytes, start);
    members.push({ key: String(key), start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return members;
}

/** A member of any object in a document. */
export interface DeepMember extends MemberSpan {
  /** Brackets open around it: 1 in the document's own object. */
  readonly depth: number;
}

/**
 * Calls `visit` with each member of each object at most `deepest` brackets deep, in order, an outer member before those in
 * its value; where `visit` returns false the value is passed over.
 */
export function visitMembers(
  bytes: Uint8Array,
  deepest: number,
  visit: (member: DeepMember) => boolean,
): void {
  const enter = (start: number, depth: number): void => {
    const first = bytes[start];
    if (depth > deepest || first === undefined || !isOpening(first)) return;
    if (first === OPEN_BRACE) {
      for (const member of memberSpans(bytes, start)) {
        if (visit({ ...member, depth })) enter(member.start, depth + 1);
      }
      return;
    }
    for (let at = skipSpace(bytes, start + 1); !isClosing(bytes[at]!); at = skipSpace(bytes, at)) {
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
      enter(at, depth + 1);
      at = endOfValue(bytes, at);
    }
  };
  enter(documentStart(bytes), 1);
}

/** The first byte of the document: behind white space and a byte order mark. */
export function documentStart(bytes: Uint8Array): number {
  return skipSpace(bytes, bytes[0] === 0xef ? 3 : 0);
}

function endOfValue(bytes: Uint8Array, start: number): number {
  const first = bytes[start]!;
  if (first === QUOTE) return endOfString(bytes, start);
  if (!isOpening(first)) return endOfPrimitive(bytes, start);
  let depth = 0;
  for (let at = start; ; ) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    at++;
    if (isOpening(byte)) depth++;
    else if (isClosing(byte) && --depth === 0) return at;
  }
}

function endOfString(bytes: Uint8Array, open: number): number {
  let at = open + 1;
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function endOfPrimitive(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && !isSpace(bytes[at]!) && bytes[at] !== COMMA && !isClosing(bytes[at]!)) at++;
  return at;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at]!)) at++;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function isOpening(byte: number): boolean {
  return byte === 0x7b || byte === 0x5b;
}

function isClosing(byte: number): boolean {
  return byte === 0x7d || byte === 0x5d;
}

/** Brackets open at most in a body that is known to be valid. */
export function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let most = 0;
  for (let at = documentStart(bytes); at < bytes.length; ) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      continue;
    }
    if (isOpening(byte)) most = Math.max(most, ++depth);
    else if (isClosing(byte)) depth--;
    at++;
  }
  return most;
}
