import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { sendLocalResponse, serializeHeaders } from "../../abi/responses";
import { Text } from "../../abi/text";
import { ByteBuffer, equalBytes, u8At } from "../../wire/bytes";
import { API_OPENAI_CHAT, MAX_NAME_BYTES } from "../../wire/layout";
import { MODEL_UNKNOWN } from "../answers";
import { Digits } from "../digits";
import { addJsonString } from "../json_text";
import { HEADER_METHOD, HEADER_PATH } from "../names";
import { decodePercent } from "../percent";
import { Vm } from "../vm";
import { text } from "./release";

const GET = new Text("GET");
const SUFFIX = new Text("/models");
const DETAILS = new Text("inference_picker_models");
const LIST_BEGIN = new Text('{"object":"list","data":[');
const LIST_END = new Text("]}");
const MODEL_BEGIN = new Text('{"id":');
const MODEL_CREATED = new Text(',"object":"model","created":');
const MODEL_OWNER = new Text(',"owned_by":');
const SLASH: u32 = 0x2f;
const QUERY: u32 = 0x3f;
const COMMA: u32 = 0x2c;
const CLOSE_BRACE: u32 = 0x7d;

/**
 * `GET /v1/models` and `/v1/models/{id}` where several pools share a URL: of all pools together, from the table, so
 * that no endpoint's own list hides the others.
 */
export class ModelList {
  private readonly headers: ArrayBuffer = serializeHeaders(["content-type", "application/json"]);
  /** The answer; as large as the largest one so far. */
  private readonly body: ByteBuffer = new ByteBuffer();
  /** The model that the path names, percent-encoding undone. */
  private readonly wanted: ByteBuffer = new ByteBuffer();
  private readonly digits: Digits = new Digits();

  constructor(private readonly vm: Vm) {}

  /** Answers the stream if that is what it asks for. */
  answers(route: i32): bool {
    if (!getRequestHeader(HEADER_METHOD) || !isText(GET, arrivedPtr(), arrivedBytes())) return false;
    if (!getRequestHeader(HEADER_PATH)) return false;
    const rest = behindSuffix(arrivedPtr(), arrivedBytes());
    if (rest < 0) return false;
    this.wanted.assign(arrivedPtr() + rest, endOfPath(arrivedPtr(), arrivedBytes()) - rest);
    if (this.wanted.bytes <= 1) this.sendAll(route);
    else this.sendOne(route);
    return true;
  }

  private sendAll(route: i32): void {
    const listing = this.vm.table.listing;
    this.body.bytes = 0;
    this.add(LIST_BEGIN);
    listing.begin(this.vm.table, route);
    for (let isFirst = true; listing.next(); isFirst = false) {
      if (!isFirst) this.body.addByte(COMMA);
      this.addModel();
    }
    this.add(LIST_END);
    this.send();
  }

  /** `wanted` begins with a slash. */
  private sendOne(route: i32): void {
    const name = this.wanted.ptr + 1;
    const bytes = decodePercent(name, <i32>this.wanted.bytes - 1);
    const listing = this.vm.table.listing;
    listing.begin(this.vm.table, route);
    while (listing.next()) {
      if (listing.nameBytes != bytes || !equalBytes(listing.namePtr, name, bytes)) continue;
      this.body.bytes = 0;
      this.addModel();
      this.send();
      return;
    }
    this.vm.garbage.answered();
    const shown = text(name, min(bytes, <i32>MAX_NAME_BYTES));
    MODEL_UNKNOWN.send("the model `" + shown + "` does not exist", API_OPENAI_CHAT);
  }

  /** The one that the listing is at. */
  private addModel(): void {
    const table = this.vm.table;
    const listing = table.listing;
    this.add(MODEL_BEGIN);
    addJsonString(this.body, listing.namePtr, listing.nameBytes);
    this.add(MODEL_CREATED);
    const digits = this.digits.write(table.epoch / 1000);
    this.body.add(this.digits.ptr, digits);
    this.add(MODEL_OWNER);
    addJsonString(this.body, table.poolNamePtr(listing.pool), table.poolNameBytes(listing.pool));
    this.body.addByte(CLOSE_BRACE);
  }

  private add(part: Text): void {
    this.body.add(part.ptr, part.bytes);
  }

  private send(): void {
    const body = this.body;
    const headers = changetype<usize>(this.headers);
    sendLocalResponse(200, DETAILS, body.ptr, <i32>body.bytes, headers, this.headers.byteLength);
  }
}

/** Offset behind the last `/models` of the path that is one of its segments; -1: there is none. */
function behindSuffix(path: usize, bytes: i32): i32 {
  const end = endOfPath(path, bytes);
  for (let at = end - SUFFIX.bytes; at >= 0; at--) {
    const behind = at + SUFFIX.bytes;
    if (behind < end && u8At(path + behind) != SLASH) continue;
    if (equalBytes(path + at, SUFFIX.ptr, SUFFIX.bytes)) return behind;
  }
  return -1;
}

/** Where the query begins, if there is one. */
function endOfPath(path: usize, bytes: i32): i32 {
  for (let at = 0; at < bytes; at++) if (u8At(path + at) == QUERY) return at;
  return bytes;
}

function isText(text: Text, ptr: usize, bytes: i32): bool {
  return bytes == text.bytes && equalBytes(text.ptr, ptr, bytes);
}
