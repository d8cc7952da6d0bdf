import {
  STATE_STRING,
  STATE_STRING_UTF8_1,
  STATE_STRING_UTF8_2,
  STATE_STRING_UTF8_3,
  STATE_STRING_UTF8_E0,
  STATE_STRING_UTF8_F0,
  STATE_STRING_UTF8_F4,
} from "./scan_states";

/** No character holds this byte, wherever it stands. */
// prettier-ignore
@inline
export function isNeverUtf8(byte: u32): bool {
  return byte == 0xc0 || byte == 0xc1 || byte > 0xf4;
}

/** State behind the first byte, from 0x80 on, of a character; -1 if none begins so (RFC 3629, 4). */
export function stateBehindLead(byte: u32): i32 {
  if (byte < 0xc2 || byte > 0xf4) return -1;
  if (byte < 0xe0) return STATE_STRING_UTF8_1;
  if (byte < 0xf0) return byte == 0xe0 ? STATE_STRING_UTF8_E0 : STATE_STRING_UTF8_2;
  if (byte == 0xf0) return STATE_STRING_UTF8_F0;
  return byte == 0xf4 ? STATE_STRING_UTF8_F4 : STATE_STRING_UTF8_3;
}

/** State behind the next byte of a character that `state` is inside of; -1 if it cannot go on so. */
export function stateBehindContinuation(state: i32, byte: u32): i32 {
  const lowest: u32 = state == STATE_STRING_UTF8_E0 ? 0xa0 : state == STATE_STRING_UTF8_F0 ? 0x90 : 0x80;
  const highest: u32 = state == STATE_STRING_UTF8_F4 ? 0x8f : 0xbf;
  if (byte < lowest || byte > highest) return -1;
  switch (state) {
    case STATE_STRING_UTF8_1:
      return STATE_STRING;
    case STATE_STRING_UTF8_2:
    case STATE_STRING_UTF8_E0:
      return STATE_STRING_UTF8_1;
  }
  return STATE_STRING_UTF8_2;
}

/** State behind the three bytes before `at`, of a string that is right so far. */
export function stateBehindBytes(at: usize): i32 {
  const last: u32 = load<u8>(at - 1);
  if (last < 0x80) return STATE_STRING;
  if (last >= 0xc0) return stateBehindLead(last);
  const second: u32 = load<u8>(at - 2);
  if (second >= 0xe0) return second >= 0xf0 ? STATE_STRING_UTF8_2 : STATE_STRING_UTF8_1;
  if (second >= 0xc0) return STATE_STRING;
  return load<u8>(at - 3) >= 0xf0 ? STATE_STRING_UTF8_1 : STATE_STRING;
}
