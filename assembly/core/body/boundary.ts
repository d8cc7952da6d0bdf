import { HeaderParams } from "./header_params";

const params = new HeaderParams();
let ptr: usize = 0;
let bytes: i32 = 0;

/**
 * Whether the value of a `content-type` header, of `valueBytes` bytes at `value`, is that of a form with a boundary
 * (RFC 7578, 4.1). Then `boundaryPtr` and `boundaryBytes` tell where in it the boundary stands, without quotes.
 */
export function findBoundary(value: usize, valueBytes: i32): bool {
  bytes = 0;
  params.begin(value, valueBytes);
  if (!params.typeIs("multipart/form-data")) return false;
  while (params.next()) {
    if (!params.keyIs("boundary") || params.isExtended) continue;
    ptr = params.valuePtr;
    bytes = params.valueBytes;
  }
  return bytes > 0;
}

export function boundaryPtr(): usize {
  return ptr;
}

export function boundaryBytes(): i32 {
  return bytes;
}
