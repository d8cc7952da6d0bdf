/**
 * A tar archive of one file, in the form ustar (POSIX.1-1988): one header of 512 bytes, the content padded to whole
 * blocks, two blocks of zeros. Owner 0 and time 0: the same content is the same archive, wherever and whenever it
 * is made.
 *
 *     0 name    100 mode    108 uid    116 gid    124 size    136 mtime
 *   148 checksum    156 type    257 magic    263 version    (octal digits, ended by a zero byte)
 */
const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;

/** @throws RangeError for a name of no or more than 100 bytes. */
export function tarOf(name: string, content: Uint8Array): Uint8Array {
  const nameBytes = Buffer.byteLength(name);
  if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES) {
    throw new RangeError(`a name of ${nameBytes} bytes is not within 1 to ${MAX_NAME_BYTES}`);
  }
  const padded = Math.ceil(content.length / BLOCK_BYTES) * BLOCK_BYTES;
  const archive = Buffer.alloc(BLOCK_BYTES + padded + 2 * BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    archive.write(value.toString(8).padStart(digits, "0"), at, "ascii");
  archive.write(name, 0);
  octal(0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(content.length, 124, 11);
  octal(0, 136, 11);
  archive.write("0", 156);
  archive.write("ustar\0", 257);
  archive.write("00", 263);
  // Summed up as if the checksum itself were blanks.
  archive.fill(" ", 148, 156);
  const sum = archive.subarray(0, BLOCK_BYTES).reduce((total, byte) => total + byte, 0);
  octal(sum, 148, 6);
  archive[154] = 0;
  archive.set(content, BLOCK_BYTES);
  return archive;
}
