import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGrpcService } from "./grpc-service.ts";
import { encodeGrpcService, HostViolation, Process } from "./host.ts";
import { type GuestCalls, type Scripts, scripted, scriptedModule } from "./probe/scripted-guest.ts";

const MODULE = scriptedModule();

function dial(guest: GuestCalls, service: Uint8Array | string): { status: number; word: number } {
  return guest.word(
    "proxy_grpc_stream",
    ...guest.put(service),
    ...guest.put("feed.v1.Feed"),
    ...guest.put("Stream"),
    0,
    0,
  );
}

/** A process whose only root, on the main thread, runs the script in its first tick. */
function onMain(first: (guest: GuestCalls) => void, scripts: Scripts = {}): Process {
  let done = false;
  const host = new Process({
    module: MODULE,
    workers: 0,
    probeImports: scripted({
      proxy_on_configure: (guest) => {
        guest.call("proxy_set_tick_period_milliseconds", 10);
      },
      proxy_on_tick: (guest) => {
        if (done) return;
        done = true;
        first(guest);
      },
      ...scripts,
    }),
  });
  host.grpc.cluster("feed", "accept");
  host.grpc.cluster("down", "refuse");
  host.deploy();
  return host;
}

test("the service is read as a GrpcService message, else taken as a cluster's name", () => {
  const target = { cluster: "outbound|80||feed", authority: "feed.example" };
  assert.deepEqual(parseGrpcService(encodeGrpcService(target.cluster, target.authority)), target);
  assert.deepEqual(parseGrpcService(encodeGrpcService("feed")), { cluster: "feed", authority: "feed" });
  assert.equal(parseGrpcService(Buffer.from("feed")), "unparsable");
  assert.equal(parseGrpcService(new Uint8Array(0)), undefined);
});

test("messages go both ways, and a close reaches the guest once", () => {
  const seen: string[] = [];
  let token = 0;
  const host = onMain(
    (guest) => {
      const { status, word } = dial(guest, encodeGrpcService("feed", "feed.example"));
      assert.equal(status, 0);
      token = word;
      assert.equal(guest.call("proxy_grpc_send", word, ...guest.put("hello"), 0), 0);
    },
    {
      proxy_on_grpc_receive_initial_metadata: (_guest, _root, _token, count) =>
        void seen.push(`head ${count}`),
      proxy_on_grpc_receive: (guest, _root, from, size) => {
        assert.equal(from, token);
        seen.push(`message ${guest.text("proxy_get_buffer_bytes", 5, 0, size!)}`);
      },
      proxy_on_grpc_close: (guest, _root, from, status) => {
        seen.push(`close ${status}`);
        assert.equal(guest.call("proxy_grpc_close", from!), 0);
      },
    },
  );
  host.advance(10);
  const stream = host.grpc.open()[0]!;
  assert.equal(stream.request.authority, "feed.example");
  assert.deepEqual(
    stream.sent.map((message) => Buffer.from(message).toString()),
    ["hello"],
  );
  stream.acceptHeaders([["a", "b"]]);
  stream.push(Buffer.from("table"));
  stream.close(14);
  assert.deepEqual(seen, ["head 1", "message table", "close 14"]);
  assert.deepEqual(host.grpc.unclosed(), []);
  assert.throws(() => stream.push(new Uint8Array(1)), /over/);
  host.assertClean();
});

test("a dial that fails at once answers InternalFailure and closes a token that the guest does not know", () => {
  const closes: number[] = [];
  const statuses: number[] = [];
  const host = onMain(
    (guest) => {
      for (const cluster of ["down", "nowhere"]) {
        const { status, word } = dial(guest, encodeGrpcService(cluster));
        statuses.push(status);
        assert.equal(word, 0);
        assert.deepEqual(closes, [], "the close waits for the end of the callback");
      }
    },
    { proxy_on_grpc_close: (_guest, _root, token) => void closes.push(token!) },
  );
  host.advance(10);
  assert.deepEqual(statuses, [10, 10]);
  assert.equal(closes.length, 2);
  assert.equal(host.grpc.failedDialsNs.length, 2);
});

test("an unknown cluster name is a ParseFailure without a close", () => {
  let closes = 0;
  const host = onMain((guest) => assert.equal(dial(guest, "nowhere").status, 4), {
    proxy_on_grpc_close: () => void closes++,
  });
  host.advance(10);
  assert.equal(closes, 0);
});

test("a stream that its server closed must not be touched again", () => {
  let token = 0;
  let touch: string | undefined;
  const host = onMain(() => {}, {
    proxy_on_grpc_close: () => {
      touch = "proxy_grpc_close";
    },
    proxy_on_tick: (guest) => {
      if (token === 0) token = dial(guest, encodeGrpcService("feed")).word;
      else if (touch !== undefined) guest.call(touch, token);
    },
  });
  host.advance(10);
  host.grpc.open()[0]!.close(0);
  assert.equal(host.grpc.unclosed().length, 1);
  assert.throws(
    () => host.advance(10),
    (error) => error instanceof HostViolation && /closed by its server before/.test(error.message),
  );
});

test("a dead VM keeps its streams open and hears nothing; they end when it is thrown away", () => {
  const received: string[] = [];
  let die = false;
  const host = onMain((guest) => void dial(guest, encodeGrpcService("feed")), {
    proxy_on_grpc_receive: (guest) => {
      received.push("message");
      if (die) guest.trap();
    },
  });
  host.advance(10);
  const stream = host.grpc.open()[0]!;
  die = true;
  stream.push(new Uint8Array(1));
  stream.push(new Uint8Array(1));
  assert.deepEqual(received, ["message"]);
  assert.equal(stream.open, true);
  host.vms[0]!.destroy();
  assert.equal(stream.open, false);
});
