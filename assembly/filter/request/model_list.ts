import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { sendLocalResponse, serializeHeaders } from "../../abi/responses";
import { Text } from "../../abi/text";
import { API_OPENAI_CHAT } from "../../wire/layout";
import { MODEL_UNKNOWN, quote } from "../answers";
import { HEADER_METHOD, HEADER_PATH } from "../names";
import { Vm } from "../vm";
import { text } from "./release";

const SUFFIX = "/models";
const DETAILS = new Text("inference_picker_models");

/**
 * `GET /v1/models` and `/v1/models/{id}` where several pools share a URL: of all pools together, from the table, so
 * that no endpoint's own list hides the others. Rare: it allocates.
 */
export class ModelList {
  private readonly headers: ArrayBuffer = serializeHeaders(["content-type", "application/json"]);

  constructor(private readonly vm: Vm) {}

  /** Answers the stream if that is what it asks for. */
  answers(route: i32): bool {
    if (!getRequestHeader(HEADER_PATH)) return false;
    this.vm.garbage.answered();
    const path = withoutQuery(text(arrivedPtr(), arrivedBytes()));
    const at = path.lastIndexOf(SUFFIX);
    if (at < 0 || !getRequestHeader(HEADER_METHOD) || text(arrivedPtr(), arrivedBytes()) != "GET")
      return false;
    const rest = path.substring(at + SUFFIX.length);
    if (rest.length == 0 || rest == "/") {
      this.send('{"object":"list","data":[' + this.entries(route, "") + "]}");
      return true;
    }
    // What else begins with `/models` is another path.
    if (!rest.startsWith("/")) return false;
    const name = decodeURIComponent(rest.substring(1));
    const entry = this.entries(route, name);
    if (entry.length > 0) this.send(entry);
    else MODEL_UNKNOWN.send("the model `" + name + "` does not exist", API_OPENAI_CHAT);
    return true;
  }

  /** The objects of all models with commas between, or of the one of that name. */
  private entries(route: i32, only: string): string {
    const table = this.vm.table;
    const listing = table.listing;
    const created = (table.epoch / 1000).toString();
    let out = "";
    listing.begin(table, route);
    while (listing.next()) {
      const name = text(listing.namePtr, listing.nameBytes);
      if (only.length > 0 && name != only) continue;
      const owner = text(table.poolNamePtr(listing.pool), table.poolNameBytes(listing.pool));
      if (out.length > 0) out += ",";
      out +=
        '{"id":' +
        quote(name) +
        ',"object":"model","created":' +
        created +
        ',"owned_by":' +
        quote(owner) +
        "}";
    }
    return out;
  }

  private send(json: string): void {
    const body = String.UTF8.encode(json);
    sendLocalResponse(
      200,
      DETAILS,
      changetype<usize>(body),
      body.byteLength,
      changetype<usize>(this.headers),
      this.headers.byteLength,
    );
  }
}

function withoutQuery(path: string): string {
  const end = path.indexOf("?");
  return end < 0 ? path : path.substring(0, end);
}
