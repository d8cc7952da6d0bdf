/** When prompts are passed on, on streams whose writes the test ends. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import * as L from "../../../assembly/wire/layout.ts";
import { messageKind } from "../table/accounts.ts";
import { buildTable } from "../table/build.ts";
import { encodeTable } from "../table/encode.ts";
import { fnv1a64 } from "../table/hash.ts";
import { decodePrefixes, encodePrefixes, prefixRecord, secretTag } from "../table/prefixes.ts";
import { encodeReport } from "../table/report.ts";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { FeedServer } from "./feed-server.ts";
import { PrefixSecret } from "./prefix-secret.ts";

const EPOCH = 7n;
const SECRET = 5n;
const ENDPOINT = fnv1a64("10.0.0.1:80");

/** A stream as gRPC hands it over. */
class SlowCall extends EventEmitter {
  readonly written: Uint8Array[] = [];
  private readonly unfinished: (() => void)[] = [];

  write(bytes: Uint8Array, done: () => void): void {
    this.written.push(bytes);
    this.unfinished.push(done);
  }

  /** All that was written is on the wire. */
  finish(): void {
    for (const done of this.unfinished.splice(0)) done();
  }

  getPeer(): string {
    return "test";
  }

  end(): void {}

  /** Keys of the prompts that it was told of, and the tags they came under. */
  get told(): readonly (readonly [tag: bigint, key: bigint])[] {
    return this.written
      .filter((bytes) => messageKind(bytes) === L.KIND_PREFIXES)
      .map((bytes) => decodePrefixes(bytes))
      .flatMap(({ tag, records }) =>
        records.map(({ bytes }) => [tag, Buffer.from(bytes).readBigUInt64LE(16)] as const),
      );
  }
}

function report(node: string, epoch: bigint, secret: bigint): Uint8Array {
  return encodeReport({
    ...{ missingTerms: new Map(), epoch, sequence: 1n, node, generation: 1n, holder: 1n },
    ...{ tablesRefused: 0, lastRefusal: 0, liveSlots: 2, endpoints: [], secret },
  });
}

function rig() {
  const timers = new Set<() => void>();
  const secret = new PrefixSecret({ nowMs: () => 0, wallMs: () => 0, draw: () => 0n, epoch: EPOCH });
  secret.heard({ epoch: 1n, secret: SECRET });
  const feed = new FeedServer({
    nowMs: () => 0,
    setTimer: (callback) => {
      timers.add(callback);
      return () => timers.delete(callback);
    },
    onAccounts: () => {},
    onTrouble: ({ reason }) => assert.fail(reason),
    secret,
  });
  const inventory = { pools: [testPool("chat")], endpoints: [testEndpoint("chat", "10.0.0.1", 80)] };
  const table = { ...inventory, routes: [], samples: new Map(), nowMs: 0, epoch: EPOCH, sequence: 1n };
  feed.publish(encodeTable(buildTable(table)));
  const accept = feed.service.implementation.Stream as unknown as (call: SlowCall) => void;
  const envoy = (node: string): SlowCall => {
    const call = new SlowCall();
    accept(call);
    call.emit("data", report(node, EPOCH, SECRET));
    call.finish();
    return call;
  };
  return {
    envoy,
    feed,
    timers,
    tell(call: SlowCall, key: bigint, of = SECRET) {
      call.emit("data", encodePrefixes(secretTag(of), 1n, [prefixRecord(ENDPOINT, [key])]));
    },
    turn() {
      for (const callback of [...timers]) {
        timers.delete(callback);
        callback();
      }
    },
  };
}

const TAG = secretTag(SECRET);

test("what came while an Envoy was being written to is told once that is done, without another prompt", () => {
  const { envoy, tell, turn } = rig();
  const [one, two] = [envoy("one"), envoy("two")];
  tell(one, 1n);
  turn();
  tell(one, 2n);
  turn();
  assert.deepEqual(two.told, [[TAG, 1n]]);
  two.finish();
  turn();
  assert.deepEqual(two.told, [
    [TAG, 1n],
    [TAG, 2n],
  ]);
});

test("an Envoy that has all there is needs no turn", () => {
  const { envoy, tell, turn, timers } = rig();
  const [one, two] = [envoy("one"), envoy("two")];
  tell(one, 1n);
  turn();
  two.finish();
  assert.equal(timers.size, 0);
});

test("keys of a secret that was given up reach nobody under the name of the next one", () => {
  const { envoy, tell, turn } = rig();
  const [one, two] = [envoy("one"), envoy("two")];
  tell(one, 1n);
  one.emit("data", report("one", EPOCH + 1n, 6n));
  turn();
  tell(one, 2n, 6n);
  turn();
  assert.deepEqual(two.told, [[secretTag(6n), 2n]]);
});
