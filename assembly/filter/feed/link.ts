import { closeStream, openStream, sendMessage } from "../../abi/grpc";
import { randomBits } from "../../abi/clock";
import { FEED_METHOD, FEED_SERVICE } from "../names";
import { FeedTarget } from "../settings";

const FIRST_BACKOFF_MS: f64 = 100;
/** A returned controller is found within this and its half. */
const LAST_BACKOFF_MS: f64 = 500;

/** The stream to one controller, redialled for ever with back-off and jitter. */
export class Link {
  /** 0 while there is no stream. */
  token: u32 = 0;
  /** Epoch of the last good table that came over this stream; 0 before the first. */
  epoch: u64 = 0;
  /** When that was. */
  acceptedMs: f64 = 0;
  private readonly service: StaticArray<u8>;
  private dialAtMs: f64 = 0;
  private backoffMs: f64 = FIRST_BACKOFF_MS;

  constructor(target: FeedTarget) {
    this.service = grpcService(target.cluster, target.authority);
  }

  /** Dials when it is due; true if a stream was opened just now. */
  tick(nowMs: f64): bool {
    if (this.token != 0 || nowMs < this.dialAtMs) return false;
    this.postpone(nowMs);
    this.token = openStream(this.service, FEED_SERVICE, FEED_METHOD);
    return this.token != 0;
  }

  /** Something came: whoever it is can be reached. */
  heard(): void {
    this.backoffMs = FIRST_BACKOFF_MS;
  }

  /** What came was a good table. */
  accepted(nowMs: f64, epoch: u64): void {
    this.epoch = epoch;
    this.acceptedMs = nowMs;
  }

  /** Only from `proxy_on_grpc_close`: there the host still keeps the stream, until it is told that we do not. */
  closed(nowMs: f64): void {
    closeStream(this.token);
    this.token = 0;
    this.epoch = 0;
    this.postpone(nowMs);
  }

  send(message: usize, bytes: i32): bool {
    return this.token != 0 && sendMessage(this.token, message, bytes);
  }

  /** The lease went to another VM, or the configuration is being replaced. */
  drop(): void {
    if (this.token != 0) closeStream(this.token);
    this.forget();
  }

  /** The root context that opened it is gone, and its streams with it. */
  forget(): void {
    this.token = 0;
    this.epoch = 0;
    this.dialAtMs = 0;
  }

  private postpone(nowMs: f64): void {
    const jitter = 0.5 + <f64>(randomBits() & 0xffff) / 65536.0;
    this.dialAtMs = nowMs + this.backoffMs * jitter;
    this.backoffMs = min(LAST_BACKOFF_MS, this.backoffMs * 2);
  }
}

/*  envoy.config.core.v3.GrpcService { envoy_grpc (1) { cluster_name (1), authority (2) } } */
const FIELD_1_BYTES: u8 = 0x0a;
const FIELD_2_BYTES: u8 = 0x12;

function grpcService(cluster: string, authority: string): StaticArray<u8> {
  const inner = fieldBytes(cluster) + fieldBytes(authority);
  const message = new StaticArray<u8>(1 + varintBytes(inner) + inner);
  let at = changetype<usize>(message);
  store<u8>(at++, FIELD_1_BYTES);
  at = writeVarint(at, inner);
  at = writeField(at, FIELD_1_BYTES, cluster);
  writeField(at, FIELD_2_BYTES, authority);
  return message;
}

function fieldBytes(text: string): i32 {
  const bytes = String.UTF8.byteLength(text);
  return 1 + varintBytes(bytes) + bytes;
}

function varintBytes(value: i32): i32 {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

function writeVarint(at: usize, value: i32): usize {
  while (value >= 0x80) {
    store<u8>(at++, <u8>(value | 0x80));
    value >>= 7;
  }
  store<u8>(at++, <u8>value);
  return at;
}

function writeField(at: usize, tag: u8, text: string): usize {
  store<u8>(at++, tag);
  at = writeVarint(at, String.UTF8.byteLength(text));
  return at + String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, at);
}
