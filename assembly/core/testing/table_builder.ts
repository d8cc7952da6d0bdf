import { addressOf, putF32, putU16, putU32, putU64, putU8 } from "../../wire/bytes";
import { fnv1a64 } from "../../wire/hash";
import {
  ADAPTER_NAME,
  ADAPTER_STATE,
  ADAPTER_STRIDE,
  AGE_NEVER,
  API_STRIDE,
  CLASS_STRIDE,
  CLUSTER_STRIDE,
  DEFAULT_TPOT_MS,
  DEFAULT_TTFT_BASE_MS,
  DEFAULT_TTFT_PER_1K_TOKENS_MS,
  DIRECTORY_ENTRY_BYTES,
  ENDPOINT_ADAPTER_COUNT,
  ENDPOINT_ADAPTER_START,
  ENDPOINT_ADDRESS,
  ENDPOINT_AGE_MS,
  ENDPOINT_CLASSES,
  ENDPOINT_EPOCH,
  ENDPOINT_FLAGS,
  ENDPOINT_FLAG_READY,
  ENDPOINT_ID,
  ENDPOINT_KV_USED,
  ENDPOINT_MAX_ADAPTERS,
  ENDPOINT_QUEUED,
  ENDPOINT_REMOTE_REQUESTS,
  ENDPOINT_RUNNING,
  ENDPOINT_STRIDE,
  ENDPOINT_VALID,
  ENTRY_COUNT,
  ENTRY_OFFSET,
  ENTRY_STRIDE,
  EXCHANGE_STRIDE,
  HEADER_EPOCH,
  HEADER_FIXED_BYTES,
  HEADER_FLAGS,
  HEADER_HEADER_BYTES,
  HEADER_KIND,
  HEADER_MAGIC,
  HEADER_SECTION_COUNT,
  HEADER_SEQUENCE,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  KIND_TABLE,
  MAGIC,
  MODEL_FLAGS,
  MODEL_FLAG_ADAPTER,
  MODEL_NAME,
  MODEL_STRIDE,
  OBJECTIVE_STRIDE,
  POOL_ENDPOINT_COUNT,
  POOL_KV_LIMIT,
  POOL_MODEL_COUNT,
  POOL_NAME,
  POOL_PROFILE,
  POOL_QUEUE_LIMIT,
  POOL_STALE_AFTER_MS,
  POOL_STRIDE,
  POOL_TPOT_MS,
  POOL_TTFT_BASE_MS,
  POOL_TTFT_PER_1K_TOKENS_MS,
  PROFILE_EPP,
  REWRITE_STRIDE,
  ROUTE_POOL_STRIDE,
  ROUTE_STRIDE,
  SCORER_STRIDE,
  SECTION_ADAPTERS,
  SECTION_ENDPOINTS,
  SECTION_MODELS,
  SECTION_POOLS,
  SECTION_STRINGS,
  TABLE_FLAG_PICKING,
  TABLE_SECTIONS,
  TARGET_STRIDE,
  VALID_ADAPTERS,
  VALID_KV_USED,
  VALID_QUEUED,
  VALID_REMOTE,
  VALID_RUNNING,
  VERSION,
} from "../../wire/layout";
import { Table } from "../table";

/** One endpoint of a `TableBuilder`; a negative number leaves its column out. */
export class EndpointFixture {
  address: string = "";
  flags: u32 = ENDPOINT_FLAG_READY;
  /** Age at sending; never scraped by default, as is everything else missing. */
  ageMs: u32 = AGE_NEVER;
  queued: i32 = -1;
  running: i32 = -1;
  kvUsed: f32 = -1;
  remoteRequests: i32 = -1;
  maxAdapters: i32 = -1;
  /** Starts of the server that were seen after the first. */
  lifeEpoch: u32 = 0;
  /** One bit a class. */
  classes: u32 = 0;
  adapterNames: string[] = [];
  adapterStates: u32[] = [];

  constructor(address: string) {
    this.address = address;
  }

  /** Measured just now: queued and running requests and KV use. */
  measured(queued: i32, running: i32, kvUsed: f32): EndpointFixture {
    this.ageMs = 0;
    this.queued = queued;
    this.running = running;
    this.kvUsed = kvUsed;
    return this;
  }

  adapters(most: i32): EndpointFixture {
    this.ageMs = 0;
    this.maxAdapters = most;
    return this;
  }

  /** One more adapter, ADAPTER_RUNNING or ADAPTER_WAITING. */
  adapter(name: string, state: u32): EndpointFixture {
    this.adapterNames.push(name);
    this.adapterStates.push(state);
    return this;
  }
}

/** Writes tables of one pool for specs, in the wire format, and decodes them. */
export class TableBuilder {
  endpoints: EndpointFixture[] = [];
  profile: u32 = PROFILE_EPP;
  ttftBaseMs: f32 = DEFAULT_TTFT_BASE_MS;
  ttftPer1kTokensMs: f32 = DEFAULT_TTFT_PER_1K_TOKENS_MS;
  tpotMs: f32 = DEFAULT_TPOT_MS;
  /** Models of the pool that are adapters. */
  adapterModels: string[] = [];
  /** Models of the pool that are none. */
  baseModels: string[] = [];

  private bytes: StaticArray<u8> = new StaticArray<u8>(65536);
  private heapStart: u32 = 0;
  private heapBytes: u32 = 0;

  add(address: string): EndpointFixture {
    const endpoint = new EndpointFixture(address);
    this.endpoints.push(endpoint);
    return endpoint;
  }

  /** Writes the table and has it decoded at time 0; the answer of `Table.decode`. */
  decodeInto(table: Table): u32 {
    const base = addressOf<u8>(this.bytes);
    memory.fill(base, 0, this.bytes.length);
    let adapters = 0;
    for (let index = 0; index < this.endpoints.length; index++)
      adapters += this.endpoints[index].adapterNames.length;
    let at = HEADER_FIXED_BYTES + TABLE_SECTIONS * DIRECTORY_ENTRY_BYTES;
    const strides: u32[] = [
      POOL_STRIDE,
      ENDPOINT_STRIDE,
      CLUSTER_STRIDE,
      MODEL_STRIDE,
      ADAPTER_STRIDE,
      OBJECTIVE_STRIDE,
      SCORER_STRIDE,
      REWRITE_STRIDE,
      1,
      TARGET_STRIDE,
      API_STRIDE,
      ROUTE_STRIDE,
      ROUTE_POOL_STRIDE,
      CLASS_STRIDE,
      EXCHANGE_STRIDE,
    ];
    const starts: u32[] = [];
    for (let section: u32 = 0; section < TABLE_SECTIONS; section++) {
      let count: u32 = 0;
      if (section == SECTION_POOLS) count = 1;
      if (section == SECTION_ENDPOINTS) count = this.endpoints.length;
      if (section == SECTION_MODELS) count = this.adapterModels.length + this.baseModels.length;
      if (section == SECTION_ADAPTERS) count = adapters;
      starts.push(at);
      const entry = base + HEADER_FIXED_BYTES + section * DIRECTORY_ENTRY_BYTES;
      putU32(entry + ENTRY_OFFSET, at);
      putU32(entry + ENTRY_COUNT, count);
      putU16(entry + ENTRY_STRIDE, strides[section]);
      at += count * strides[section];
    }
    this.heapStart = at;
    this.heapBytes = 0;
    this.putPool(base + starts[SECTION_POOLS]);
    this.putEndpoints(base + starts[SECTION_ENDPOINTS], base + starts[SECTION_ADAPTERS]);
    let model = base + starts[SECTION_MODELS];
    for (let index = 0; index < this.adapterModels.length; index++, model += MODEL_STRIDE) {
      this.putString(model + MODEL_NAME, this.adapterModels[index]);
      putU32(model + MODEL_FLAGS, MODEL_FLAG_ADAPTER);
    }
    for (let index = 0; index < this.baseModels.length; index++, model += MODEL_STRIDE) {
      this.putString(model + MODEL_NAME, this.baseModels[index]);
    }
    putU32(base + HEADER_FIXED_BYTES + SECTION_STRINGS * DIRECTORY_ENTRY_BYTES + ENTRY_COUNT, this.heapBytes);
    const total = this.heapStart + this.heapBytes;
    putU32(base + HEADER_MAGIC, MAGIC);
    putU16(base + HEADER_VERSION, VERSION);
    putU16(base + HEADER_HEADER_BYTES, HEADER_FIXED_BYTES);
    putU16(base + HEADER_KIND, KIND_TABLE);
    putU16(base + HEADER_FLAGS, TABLE_FLAG_PICKING);
    putU32(base + HEADER_TOTAL_BYTES, total);
    putU64(base + HEADER_EPOCH, 1);
    putU64(base + HEADER_SEQUENCE, 1);
    putU32(base + HEADER_SECTION_COUNT, TABLE_SECTIONS);
    return table.decode(base, total, 0);
  }

  private putPool(pool: usize): void {
    this.putString(pool + POOL_NAME, "ns/pool");
    putU32(pool + POOL_ENDPOINT_COUNT, this.endpoints.length);
    putU32(pool + POOL_MODEL_COUNT, this.adapterModels.length + this.baseModels.length);
    putU16(pool + POOL_PROFILE, this.profile);
    putU32(pool + POOL_STALE_AFTER_MS, 1500);
    putF32(pool + POOL_QUEUE_LIMIT, 5);
    putF32(pool + POOL_KV_LIMIT, 0.8);
    putF32(pool + POOL_TTFT_BASE_MS, this.ttftBaseMs);
    putF32(pool + POOL_TTFT_PER_1K_TOKENS_MS, this.ttftPer1kTokensMs);
    putF32(pool + POOL_TPOT_MS, this.tpotMs);
  }

  private putEndpoints(rows: usize, adapterRows: usize): void {
    let adapter = 0;
    for (let index = 0; index < this.endpoints.length; index++) {
      const endpoint = this.endpoints[index];
      const row = rows + index * ENDPOINT_STRIDE;
      const address = this.putString(row + ENDPOINT_ADDRESS, endpoint.address);
      putU64(row + ENDPOINT_ID, fnv1a64(address, endpoint.address.length));
      putU32(row + ENDPOINT_FLAGS, endpoint.flags);
      putU32(row + ENDPOINT_AGE_MS, endpoint.ageMs);
      let valid: u32 = 0;
      if (endpoint.queued >= 0) valid |= VALID_QUEUED;
      if (endpoint.running >= 0) valid |= VALID_RUNNING;
      if (endpoint.kvUsed >= 0) valid |= VALID_KV_USED;
      if (endpoint.remoteRequests >= 0) valid |= VALID_REMOTE;
      if (endpoint.maxAdapters >= 0) valid |= VALID_ADAPTERS;
      putU32(row + ENDPOINT_VALID, valid);
      putU32(row + ENDPOINT_QUEUED, endpoint.queued);
      putU32(row + ENDPOINT_RUNNING, endpoint.running);
      putF32(row + ENDPOINT_KV_USED, endpoint.kvUsed);
      putU32(row + ENDPOINT_REMOTE_REQUESTS, endpoint.remoteRequests);
      putU32(row + ENDPOINT_MAX_ADAPTERS, endpoint.maxAdapters);
      putU32(row + ENDPOINT_EPOCH, endpoint.lifeEpoch);
      putU32(row + ENDPOINT_CLASSES, endpoint.classes);
      putU32(row + ENDPOINT_ADAPTER_START, adapter);
      putU32(row + ENDPOINT_ADAPTER_COUNT, endpoint.adapterNames.length);
      for (let at = 0; at < endpoint.adapterNames.length; at++, adapter++) {
        this.putString(adapterRows + adapter * ADAPTER_STRIDE + ADAPTER_NAME, endpoint.adapterNames[at]);
        putU32(adapterRows + adapter * ADAPTER_STRIDE + ADAPTER_STATE, endpoint.adapterStates[at]);
      }
    }
  }

  /** Appends an ASCII string to the heap and writes its pair; the string's address. */
  private putString(pair: usize, text: string): usize {
    const heap = addressOf<u8>(this.bytes) + this.heapStart;
    const start = heap + this.heapBytes;
    for (let at = 0; at < text.length; at++) putU8(start + at, <u32>text.charCodeAt(at));
    putU32(pair, this.heapBytes);
    putU32(pair + 4, <u32>text.length);
    this.heapBytes += <u32>text.length;
    return start;
  }
}
