import { u32At, u8At } from "../wire/bytes";
import { fnv1a64 } from "../wire/hash";
import { IdMap } from "./id_map";
import { Table } from "./table";

const COMMA: u32 = 0x2c;
const SPACE: u32 = 0x20;
const TAB: u32 = 0x09;
const COLON: u32 = 0x3a;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;
/** Of a list; the rest is not looked at. As many as a table has endpoints. */
const MAX_ITEMS: i32 = 8192;

/**
 * The endpoints that a request may be sent to, as its subset hint lists them: `ip:port`, or `ip` for each of its ports,
 * separated by commas (endpoint picker protocol 1.0, "subset hint"). Allocates for a list longer than any before.
 */
export class EndpointSubset {
  /** A list was read, be it empty; without one every endpoint will do. */
  isSet: bool = false;
  private readonly addresses: IdMap = new IdMap();
  private readonly hosts: IdMap = new IdMap();

  /** Clients may choose what lists name: a seed that they do not know keeps them from choosing names that take long to look up. */
  reseed(seed: u64): void {
    this.addresses.reseed(seed);
    this.hosts.reseed(seed);
  }

  /** Back to no list. */
  clear(): void {
    this.isSet = false;
  }

  /** Reads `bytes` bytes at `ptr`. Items that are neither form name no endpoint. */
  read(ptr: usize, bytes: i32): void {
    this.addresses.clear(0);
    this.hosts.clear(0);
    this.isSet = true;
    const end = ptr + bytes;
    let items = 0;
    for (let at = ptr; at < end && items < MAX_ITEMS; items++) {
      let last = at;
      while (last < end && u8At(last) != COMMA) last++;
      this.add(at, last);
      at = last + 1;
    }
  }

  /**
   * Reads `bytes` bytes at `ptr` as Envoy hands over a value of metadata: text as it is, a list in the form of header
   * pairs with its items for names (u32 count; count × (u32 bytes of the name, u32 of the value); each followed by a
   * NUL byte), of which the fourth byte is 0 and no text's is.
   */
  readHint(ptr: usize, bytes: i32): void {
    if (bytes < 4 || u8At(ptr + 3) != 0) {
      this.read(ptr, bytes);
      return;
    }
    this.read(ptr, 0);
    const count = u32At(ptr);
    const end = <u64>bytes;
    let at: u64 = 4 + <u64>count * 8;
    for (let item: u32 = 0; item < count && item < <u32>MAX_ITEMS && at < end; item++) {
      const pair = ptr + 4 + <usize>item * 8;
      const itemEnd = at + u32At(pair);
      if (itemEnd > end) return;
      this.add(ptr + <usize>at, ptr + <usize>itemEnd);
      at = itemEnd + 1 + <u64>u32At(pair + 4) + 1;
    }
  }

  /** Whether the list has the endpoint of a row, by its address or by its host. */
  has(table: Table, row: i32): bool {
    if (this.addresses.count > 0 && this.addresses.get(unchecked(table.rowId[row])) >= 0) return true;
    if (this.hosts.count == 0) return false;
    const start = table.addressPtr(row);
    let end = start + table.addressBytes(row);
    while (end > start && u8At(end - 1) != COLON) end--;
    // The colon, and the brackets of IPv6.
    if (end > start) end--;
    const isBracketed = end > start && u8At(start) == OPEN_BRACKET;
    const host = isBracketed ? start + 1 : start;
    const hostEnd = isBracketed ? end - 1 : end;
    return hostEnd > host && this.hosts.get(fnv1a64(host, <u32>(hostEnd - host))) >= 0;
  }

  /** The item in `[start, end)`, which may have space around it. */
  private add(start: usize, end: usize): void {
    while (start < end && isSpace(u8At(start))) start++;
    while (end > start && isSpace(u8At(end - 1))) end--;
    if (start == end) return;
    if (u8At(start) == OPEN_BRACKET) {
      if (u8At(end - 1) == CLOSE_BRACKET) this.hosts.put(fnv1a64(start + 1, <u32>(end - start - 2)), 0);
      else this.addresses.put(fnv1a64(start, <u32>(end - start)), 0);
      return;
    }
    let colons = 0;
    for (let at = start; at < end; at++) if (u8At(at) == COLON) colons++;
    const hash = fnv1a64(start, <u32>(end - start));
    // More than one are an IPv6 address that bears no port.
    if (colons == 1) this.addresses.put(hash, 0);
    else this.hosts.put(hash, 0);
  }
}

function isSpace(byte: u32): bool {
  return byte == SPACE || byte == TAB;
}
