/** A picture of few colours as a PNG file: the specification's smallest form (PNG, third edition, 2025). */
import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const BITS = 8;
const PALETTE_COLOURS = 3;

export type Rgb = readonly [red: number, green: number, blue: number];

/**
 * @param rows of places in the palette, each as long as the first
 * @param palette 1 to 256 colours, 0 to 255 each
 */
export function palettePng(rows: readonly (readonly number[])[], palette: readonly Rgb[]): Buffer {
  const width = rows[0]?.length ?? 0;
  if (width === 0) throw new RangeError("a picture needs a row with a place in it");
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([BITS, PALETTE_COLOURS], 8);
  // Each row is led by its filter: none.
  const pixels = Uint8Array.from(rows.flatMap((row) => [0, ...row]));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Uint8Array.from(palette.flat())),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function chunk(name: string, content: Uint8Array): Buffer {
  const framed = Buffer.alloc(content.length + 12);
  framed.writeUInt32BE(content.length, 0);
  framed.write(name, 4, "latin1");
  framed.set(content, 8);
  framed.writeUInt32BE(crc32(framed.subarray(4, content.length + 8)), content.length + 8);
  return framed;
}
