import { JsonMachine } from "./json_machine";
import { RequestScanner } from "./request_scanner";

export { SCAN_COMPLETE, SCAN_MALFORMED, SCAN_MORE } from "./scan_codes";

/**
 * A JSON body. All of it is checked: structure, numbers, words, escapes, control characters, UTF-8. It takes what the
 * model servers take, whose oracle is Python's `json.loads(bytes)`: JSON (RFC 8259) and beyond it
 *
 * - a byte order mark of UTF-8 at the beginning,
 * - `NaN`, `Infinity` and `-Infinity`,
 * - surrogates written in UTF-8 (ED A0 80 to ED BF BF; Python's "surrogatepass").
 *
 * It differs from that parser where
 *
 * - the top level is not an object, or more than MAX_DEPTH brackets are open: refused,
 * - the body is UTF-16 or UTF-32, which Python guesses from a byte order mark or from NULs among the first bytes:
 *   refused with a reason of its own, REASON_OTHER_ENCODING,
 * - a number has more than 4300 digits, or brackets are nested so deep that Python gives up earlier: accepted.
 *
 * Memory is bounded, about 5 KB an object (3.1 KB for spans, 1.6 KB for texts, 128 bytes for MAX_DEPTH brackets), and
 * nothing is allocated after the constructor.
 */
export class BodyScanner extends RequestScanner {
  private readonly machine: JsonMachine;

  constructor() {
    const machine = new JsonMachine();
    super(machine);
    this.machine = machine;
  }

  reset(): void {
    this.machine.reset();
  }

  feed(ptr: usize, bytes: i32): i32 {
    return this.machine.feed(ptr, bytes);
  }

  finish(): i32 {
    return this.machine.finish();
  }

  /** STATE_*: where it is, told as finely as the next byte's meaning asks for. */
  scanState(): i32 {
    return this.machine.scanState();
  }

  get streamOptionsSeen(): bool {
    return this.machine.streamOptionsSeen;
  }

  get streamOptionsStart(): u32 {
    return this.machine.streamOptionsStart;
  }

  get streamOptionsEnd(): u32 {
    return this.machine.streamOptionsEnd;
  }

  get streamOptionsIsObject(): bool {
    return this.machine.streamOptionsIsObject;
  }

  get streamOptionsEmpty(): bool {
    return this.machine.streamOptionsEmpty;
  }

  get includeUsageSeen(): bool {
    return this.machine.includeUsageSeen;
  }

  get includeUsageStart(): u32 {
    return this.machine.includeUsageStart;
  }

  get includeUsageEnd(): u32 {
    return this.machine.includeUsageEnd;
  }

  get objectStart(): u32 {
    return this.machine.objectStart;
  }

  get objectEnd(): u32 {
    return this.machine.objectEnd;
  }

  get isEmptyObject(): bool {
    return this.machine.isEmptyObject;
  }
}
