import { ACTION_CONTINUE } from "../abi/status";
import { Requests } from "./request/requests";
import { Responses } from "./response/responses";
import { StreamTable } from "./stream_table";
import { Vm } from "./vm";

/** The streams of a VM: each callback finds what is kept of its stream. */
export class Streams {
  private readonly table: StreamTable;
  private readonly requests: Requests;
  private readonly responses: Responses;

  constructor(vm: Vm) {
    const table = new StreamTable();
    this.table = table;
    this.requests = new Requests(vm, table);
    this.responses = new Responses(vm, table);
  }

  requestHeaders(contextId: u32, endOfStream: bool): u32 {
    return this.requests.headers(contextId, endOfStream);
  }

  requestBody(contextId: u32, visible: u32, endOfStream: bool): u32 {
    const state = this.table.find(contextId);
    return state == null ? ACTION_CONTINUE : this.requests.body(contextId, state, visible, endOfStream);
  }

  requestTrailers(contextId: u32): u32 {
    const state = this.table.find(contextId);
    return state == null ? ACTION_CONTINUE : this.requests.trailers(contextId, state);
  }

  responseHeaders(contextId: u32, endOfStream: bool): void {
    const state = this.table.find(contextId);
    if (state != null) this.responses.headers(state, endOfStream);
  }

  responseBody(contextId: u32, bytes: u32, endOfStream: bool): void {
    const state = this.table.find(contextId);
    if (state != null) this.responses.body(state, bytes, endOfStream);
  }

  responseTrailers(contextId: u32): void {
    const state = this.table.find(contextId);
    if (state != null) this.responses.trailers(state);
  }

  end(contextId: u32): void {
    const state = this.table.find(contextId);
    if (state != null) this.responses.end(state);
  }
}
