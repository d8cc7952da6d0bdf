/**
 * A gzip file (RFC 1952) whose content is stored and not compressed (RFC 1951, 3.2.4). What a compressor makes of
 * the same bytes differs between its versions and processors, and with it the digest; the module is small enough to
 * go without.
 */
import { crc32 } from "node:zlib";

/** No name, no time, and an operating system that is "unknown". */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const MAX_STORED_BYTES = 65_535;

export function gzipStored(content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [HEADER];
  let at = 0;
  do {
    const block = content.subarray(at, at + MAX_STORED_BYTES);
    at += block.length;
    const start = Buffer.alloc(5);
    start[0] = at === content.length ? 1 : 0;
    start.writeUInt16LE(block.length, 1);
    start.writeUInt16LE(block.length ^ 0xffff, 3);
    parts.push(start, block);
  } while (at < content.length);
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc32(content), 0);
  end.writeUInt32LE(content.length % 2 ** 32, 4);
  parts.push(end);
  return Buffer.concat(parts);
}
