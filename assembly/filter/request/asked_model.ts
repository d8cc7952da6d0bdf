import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { MODEL_CAPACITY_BYTES } from "../../core/body/scan_codes";
import { RequestScanner } from "../../core/body/request_scanner";
import { Apis } from "../../core/apis";
import { addressOf } from "../../wire/bytes";
import { HEADER_MODEL_NAME, HEADER_PATH } from "../names";
import { decodePercent } from "../percent";

/**
 * The model that a request asks for: the body's, which is what the server goes by; where the body names none or is
 * not read, that of the header `x-gateway-model-name`; else that of the path. 0 bytes: none of them.
 */
export class AskedModel {
  ptr: usize = 0;
  bytes: i32 = 0;
  private readonly copy: StaticArray<u8> = new StaticArray<u8>(MODEL_CAPACITY_BYTES);

  clear(): void {
    this.bytes = 0;
  }

  ofBody(scanner: RequestScanner): void {
    this.ptr = scanner.modelPtr();
    this.bytes = scanner.modelBytes;
  }

  /** At the request's headers, or while they are held. */
  ofHeaders(apis: Apis, pool: i32): void {
    this.bytes = 0;
    if (getRequestHeader(HEADER_MODEL_NAME)) this.take(arrivedPtr(), arrivedBytes());
    if (this.bytes == 0 && getRequestHeader(HEADER_PATH)) {
      apis.apiOf(pool, arrivedPtr(), arrivedBytes());
      if (apis.modelStart >= 0) {
        this.take(arrivedPtr() + apis.modelStart, apis.modelEnd - apis.modelStart);
        this.bytes = decodePercent(this.ptr, this.bytes);
      }
    }
  }

  /** What does not fit is no model that anybody serves. */
  private take(ptr: usize, bytes: i32): void {
    if (bytes > MODEL_CAPACITY_BYTES) return;
    this.ptr = addressOf(this.copy);
    this.bytes = bytes;
    memory.copy(this.ptr, ptr, bytes);
  }
}
