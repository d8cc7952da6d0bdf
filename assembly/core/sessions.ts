import { putU8, u32At, u8At } from "../wire/bytes";
import { ENDPOINT_NAME, POOL_PICK_FLAG_SESSION, SECTION_ENDPOINTS } from "../wire/layout";
import { sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { PoolColumns } from "./pool_columns";
import { xxh64 } from "./prefix/xxh64";

/** Hexadecimal digits of a token. */
export const TOKEN_BYTES: i32 = 16;

/**
 * What stands for an endpoint in the token of a session: a hash of its name and its pool's, which every Envoy makes alike, whichever
 * controller it follows. It is no secret, and made with none: from a hash of a known name the seed could be computed. Only of
 * pools that have sessions.
 */
export class Sessions {
  private tokens: StaticArray<u64> = new StaticArray<u64>(0);

  /** Takes the endpoints' names from a checked message, whose strings are at `heap`, for the pools decoded from it. */
  decode(message: usize, heap: usize, pools: PoolColumns): void {
    const stride = sectionStride(message, SECTION_ENDPOINTS);
    const rows = sectionPtr(message, SECTION_ENDPOINTS);
    this.tokens = fresh<u64>(this.tokens, pools.endpointCount);
    for (let pool = 0; pool < pools.poolCount; pool++) {
      if ((pools.poolPickFlags[pool] & POOL_PICK_FLAG_SESSION) == 0) continue;
      const start = pools.poolEndpointStart[pool];
      for (let row = start, end = start + pools.poolEndpointCount[pool]; row < end; row++) {
        const name = rows + row * stride + ENDPOINT_NAME;
        const token = xxh64(heap + u32At(name), <i32>u32At(name + 4), pools.poolId[pool]);
        this.tokens[row] = max<u64>(token, 1);
      }
    }
  }

  /** Token of the row's endpoint, never 0; only for rows of pools with POOL_PICK_FLAG_SESSION. */
  @inline of(row: i32): u64 {
    return unchecked(this.tokens[row]);
  }
}

/** The token that `bytes` bytes at `ptr` spell; 0: they spell none. */
export function readToken(ptr: usize, bytes: i32): u64 {
  if (bytes != TOKEN_BYTES) return 0;
  let token: u64 = 0;
  for (let at = 0; at < TOKEN_BYTES; at++) {
    const byte = u8At(ptr + at);
    let digit: u32;
    if (byte >= 0x30 && byte <= 0x39) digit = byte - 0x30;
    else if (byte >= 0x61 && byte <= 0x66) digit = byte - 0x57;
    else return 0;
    token = (token << 4) | digit;
  }
  return token;
}

/** Spells it in TOKEN_BYTES bytes at `ptr`. */
export function writeToken(ptr: usize, token: u64): void {
  for (let at = TOKEN_BYTES - 1; at >= 0; at--, token >>= 4) {
    const digit = <u32>(token & 15);
    putU8(ptr + at, digit < 10 ? 0x30 + digit : 0x57 + digit);
  }
}
