import { ByteBuffer, u8At } from "../wire/bytes";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;

/** Adds the `bytes` bytes of UTF-8 at `ptr` as a JSON string. */
export function addJsonString(into: ByteBuffer, ptr: usize, bytes: i32): void {
  into.addByte(QUOTE);
  for (let i = 0; i < bytes; i++) {
    const byte = u8At(ptr + i);
    if (byte < 0x20) addControl(into, byte);
    else {
      if (byte == QUOTE || byte == BACKSLASH) into.addByte(BACKSLASH);
      into.addByte(byte);
    }
  }
  into.addByte(QUOTE);
}

/** \u00XX */
function addControl(into: ByteBuffer, byte: u32): void {
  into.addByte(BACKSLASH);
  into.addByte(0x75);
  into.addByte(0x30);
  into.addByte(0x30);
  into.addByte(0x30 + (byte >> 4));
  const low = byte & 15;
  into.addByte(low < 10 ? 0x30 + low : 0x57 + low);
}
