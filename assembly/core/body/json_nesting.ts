import { CLOSE_BRACE, CLOSE_BRACKET, COMMA } from "./json_bytes";
import { JsonFields, VALUE_ARRAY, VALUE_OBJECT } from "./json_fields";
import { ROLE_DEPTH, ROLE_NONE } from "./roles";
import { MAX_DEPTH, REASON_OTHER_ENCODING, REASON_TOO_DEEP } from "./scan_codes";
import {
  STATE_AFTER_ELEMENT,
  STATE_AFTER_MEMBER,
  STATE_DONE,
  STATE_ELEMENT,
  STATE_FAILED,
  STATE_FIRST_ELEMENT,
  STATE_FIRST_KEY,
  STATE_KEY,
  STATE_START,
} from "./scan_states";

/** The open brackets of a JSON body, the roles of what they hold, and where the grammar goes on behind a value. */
@unmanaged
export class JsonNesting extends JsonFields {
  /** STATE_*; in a string STATE_STRING or STATE_TEXT, in a number STATE_NUMBER_MINUS, wherever in it. */
  protected state: i32 = STATE_START;
  /** Role of the value that begins, or that is being read. */
  protected role: i32 = ROLE_NONE;
  /** Role of the innermost open object or array. */
  protected container: i32 = ROLE_NONE;

  /** Open brackets. */
  private depth: i32 = 0;
  /** The innermost is `{`. */
  protected inObject: bool = false;
  /** A bit for each open bracket, the outermost lowest: it is `{`. */
  private readonly brackets: usize = heap.alloc(MAX_DEPTH >> 3);
  /** Roles of the outermost open values, a byte each, by depth. */
  private readonly roles: usize = heap.alloc(ROLE_DEPTH + 1);

  protected resetNesting(): void {
    this.state = STATE_START;
    this.role = ROLE_NONE;
    this.container = ROLE_NONE;
    this.depth = 0;
  }

  /** What is inside of the innermost open value has turned out to have another role. */
  protected renameContainer(role: i32): void {
    this.container = role;
    store<u8>(this.roles + this.depth, <u8>role);
  }

  /** The bracket at `at` opens an object or an array of the role at hand. */
  protected open(at: usize, isObject: bool): usize {
    const depth = this.depth;
    if (depth == MAX_DEPTH) return this.fail(at, REASON_TOO_DEEP);
    const bits = this.brackets + ((<usize>depth) >> 3);
    const bit: u32 = 1 << (depth & 7);
    store<u8>(bits, <u8>(isObject ? load<u8>(bits) | bit : load<u8>(bits) & ~bit));
    this.depth = depth + 1;
    this.inObject = isObject;
    this.container = ROLE_NONE;
    if (depth < ROLE_DEPTH) {
      this.container = this.role;
      store<u8>(this.roles + depth, <u8>this.role, 1);
    }
    this.role = ROLE_NONE;
    this.state = isObject ? STATE_FIRST_KEY : STATE_FIRST_ELEMENT;
    return at + 1;
  }

  /** The innermost object or array has been closed; its kind. What was its role is that of the value that ends. */
  protected pop(): i32 {
    const kind = this.inObject ? VALUE_OBJECT : VALUE_ARRAY;
    const depth = this.depth - 1;
    this.role = this.container;
    this.depth = depth;
    if (depth > 0) {
      const below = depth - 1;
      this.inObject = ((load<u8>(this.brackets + ((<usize>below) >> 3)) >> (below & 7)) & 1) != 0;
      this.container = depth <= ROLE_DEPTH ? <i32>load<u8>(this.roles + depth) : ROLE_NONE;
    }
    return kind;
  }

  /**
   * A value of kind VALUE_* ends before `at`. Takes brackets that close what it stands in, and a comma, if they follow
   * at once; returns the byte behind.
   */
  protected endOfValue(kind: i32, at: usize, end: usize): usize {
    while (true) {
      if (this.role != ROLE_NONE) this.endValue(this.role, kind, this.bodyOffset(at));
      if (this.depth == 0) {
        this.objectEnd = this.bodyOffset(at) - 1;
        this.state = STATE_DONE;
        return at;
      }
      const inObject = this.inObject;
      if (at == end) break;
      const byte: u32 = load<u8>(at);
      if (byte == COMMA) {
        this.state = inObject ? STATE_KEY : STATE_ELEMENT;
        this.role = ROLE_NONE;
        return at + 1;
      }
      if (byte != (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) break;
      kind = this.pop();
      at++;
    }
    this.role = ROLE_NONE;
    this.state = this.inObject ? STATE_AFTER_MEMBER : STATE_AFTER_ELEMENT;
    return at;
  }

  /** NUL is no byte of JSON: among the first two it is half of a character of two or four bytes. */
  protected fail(at: usize, reason: i32): usize {
    const offset = this.bodyOffset(at);
    this.refuse(offset, offset < 2 && load<u8>(at) == 0 ? REASON_OTHER_ENCODING : reason);
    this.state = STATE_FAILED;
    return at;
  }
}
