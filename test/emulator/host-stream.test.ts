import assert from "node:assert/strict";
import { test } from "node:test";
import { Status } from "./abi.ts";
import { BodyAction, HeadersAction, HostViolation, Process } from "./host.ts";
import { type GuestCalls, type Scripts, scripted, scriptedModule } from "./probe/scripted-guest.ts";
import type { Stream } from "./stream.ts";

const MODULE = scriptedModule();
const POST: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":path", "/v1/chat/completions"],
  ["x-two", "one"],
  ["x-two", "two"],
];

function streamOf(
  scripts: Scripts,
  options: { limit?: number; flag?: boolean; module?: WebAssembly.Module } = {},
): { host: Process; stream: Stream } {
  const host = new Process({
    module: options.module ?? MODULE,
    workers: 1,
    probeImports: scripted(scripts),
  });
  const deployment = host.deploy({ allowOnHeadersStopIteration: options.flag ?? true });
  const bodyBufferLimit = options.limit ?? 1_048_576;
  const stream = host.request(deployment, "worker-0", { headers: POST, bodyBufferLimit })!;
  return { host, stream };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const body = (guest: GuestCalls, size: number): string =>
  guest.text("proxy_get_buffer_bytes", 0, 0, size) ?? "";

test("while the guest holds the body it sees all of it, and it goes on in one piece", () => {
  const seen: string[] = [];
  const { host, stream } = streamOf({
    proxy_on_request_headers: () => HeadersAction.StopIteration,
    proxy_on_request_body: (guest, _context, size, end) => {
      seen.push(`${size} ${end} ${size === 0 ? "" : body(guest, size!)}`);
      if (end === 0) return BodyAction.StopIterationAndBuffer;
      guest.call("proxy_replace_header_map_value", 0, ...guest.put("x-pick"), ...guest.put("a"));
      return BodyAction.Continue;
    },
  });
  stream.sendHeaders(false);
  stream.sendBody("ab", false);
  stream.sendBody("cd", false);
  assert.equal(stream.upstreamHeaders, undefined);
  assert.equal(stream.stopped, true);
  stream.sendBody("", true);
  assert.deepEqual(seen, ["2 0 ab", "4 0 abcd", "4 1 abcd"]);
  assert.equal(text(stream.upstreamBody), "abcd");
  assert.equal(stream.upstreamHeaders!.get("x-pick"), "a");
  assert.equal(stream.upstreamEnded, true);
  host.assertClean();
});

test("what follows a release streams through chunk by chunk", () => {
  const sizes: number[] = [];
  const { stream } = streamOf({
    proxy_on_request_headers: () => HeadersAction.StopIteration,
    proxy_on_request_body: (_guest, _context, size) => {
      sizes.push(size!);
      return sizes.length < 2 ? BodyAction.StopIterationAndBuffer : BodyAction.Continue;
    },
  });
  stream.sendHeaders(false);
  for (const chunk of ["aa", "bb", "cc"]) stream.sendBody(chunk, false);
  stream.sendBody("dd", true);
  assert.deepEqual(sizes, [2, 4, 2, 2]);
  assert.equal(text(stream.upstreamBody), "aabbccdd");
});

test("without the flag a stop at the headers stops the body callbacks too", () => {
  let bodies = 0;
  const { stream } = streamOf(
    {
      proxy_on_request_headers: () => HeadersAction.StopIteration,
      proxy_on_request_body: () => {
        bodies++;
      },
    },
    { flag: false },
  );
  stream.sendHeaders(false);
  stream.sendBody("ab", true);
  assert.equal(bodies, 0);
  assert.equal(stream.stopped, true);
});

test("a held body over Envoy's limit is answered 413", () => {
  const { stream } = streamOf(
    {
      proxy_on_request_headers: () => HeadersAction.StopIteration,
      proxy_on_request_body: () => BodyAction.StopIterationAndBuffer,
    },
    { limit: 3 },
  );
  stream.sendHeaders(false);
  stream.sendBody("abc", false);
  assert.equal(stream.localResponse, undefined);
  stream.sendBody("d", false);
  assert.equal(stream.localResponse!.status, 413);
});

test("held by watermark the guest sees new bytes only, and over the limit the request hangs", () => {
  const seen: string[] = [];
  const { host, stream } = streamOf(
    {
      proxy_on_request_headers: () => HeadersAction.StopIteration,
      proxy_on_request_body: (guest, _context, size, end) => {
        seen.push(`${size} ${size === 0 ? "" : body(guest, size!)}`);
        return end === 1 ? BodyAction.Continue : BodyAction.StopIterationAndWatermark;
      },
    },
    { limit: 4 },
  );
  stream.sendHeaders(false);
  stream.sendBody("ab", false);
  stream.sendBody("cd", false);
  assert.equal(stream.blocked, false);
  stream.sendBody("", true);
  assert.deepEqual(seen, ["2 ab", "2 cd", "0 "]);
  assert.equal(text(stream.upstreamBody), "abcd");

  const longer = host.request(host.deploy(), "worker-0", { headers: POST, bodyBufferLimit: 4 })!;
  longer.sendHeaders(false);
  longer.sendBody("abcde", false);
  longer.sendBody("f", true);
  assert.equal(longer.blocked, true);
  assert.equal(longer.localResponse, undefined);
  assert.equal(seen.length, 4, "nothing is read any more");
});

test("who throws bytes away must answer, and who holds a buffer must not be resumed in mid-body", () => {
  const discarding = streamOf({
    proxy_on_request_headers: () => HeadersAction.StopIteration,
    proxy_on_request_body: (_guest, _context, _size, end) =>
      end === 1 ? BodyAction.Continue : BodyAction.StopIterationNoBuffer,
  });
  discarding.stream.sendHeaders(false);
  discarding.stream.sendBody("ab", false);
  assert.throws(() => discarding.stream.sendBody("c", true), /bytes of it were thrown away/);

  let waiting = 0;
  const resumed = streamOf({
    proxy_on_configure: (guest) => guest.call("proxy_set_tick_period_milliseconds", 10) + 1,
    proxy_on_request_headers: (_guest, context) => {
      waiting = context!;
      return HeadersAction.StopIteration;
    },
    proxy_on_request_body: () => BodyAction.StopIterationAndBuffer,
    proxy_on_tick: (guest) => {
      if (guest.thread === "main" || waiting === 0) return;
      guest.call("proxy_set_effective_context", waiting);
      guest.call("proxy_continue_stream", 0);
    },
  });
  resumed.stream.sendHeaders(false);
  resumed.stream.sendBody("ab", false);
  assert.throws(() => resumed.host.advance(10), /resumed in mid-body after StopIterationAndBuffer/);
});

test("trailers end a request without a last body call", () => {
  const ends: number[] = [];
  const module = scriptedModule({ callbacks: ["proxy_on_request_headers", "proxy_on_request_body"] });
  const { stream } = streamOf(
    {
      proxy_on_request_headers: () => HeadersAction.StopIteration,
      proxy_on_request_body: (_guest, _context, _size, end) => {
        ends.push(end!);
        return BodyAction.StopIterationAndBuffer;
      },
    },
    { module },
  );
  stream.sendHeaders(false);
  stream.sendBody("ab", false);
  stream.sendTrailers([["x-trailer", "1"]]);
  assert.deepEqual(ends, [0]);
  assert.equal(stream.upstreamEnded, true);
});

test("several values of a header collapse when replaced, and all go when removed", () => {
  const { stream } = streamOf({
    proxy_on_request_headers: (guest) => {
      assert.equal(guest.text("proxy_get_header_map_value", 0, ...guest.put("X-Two")), "one");
      guest.call("proxy_replace_header_map_value", 0, ...guest.put("x-two"), ...guest.put("three"));
      assert.equal(guest.call("proxy_remove_header_map_value", 0, ...guest.put("x-none")), 0);
      assert.equal(guest.bytes("proxy_get_header_map_value", 0, ...guest.put("x-none")).status, 1);
    },
  });
  stream.sendHeaders(true);
  assert.deepEqual(stream.upstreamHeaders!.getAll("x-two"), ["three"]);
  assert.equal(stream.routeCacheClears, 2);
});

test("headers that went upstream are not available any more", () => {
  const { stream } = streamOf({
    proxy_on_request_body: (guest) => void guest.text("proxy_get_header_map_value", 0, ...guest.put("a")),
  });
  stream.sendHeaders(false);
  assert.throws(() => stream.sendBody("a", true), /RequestHeaders is not available here/);
});

test("a local response is recorded and passes the response callbacks", () => {
  const seen: string[] = [];
  const { host, stream } = streamOf({
    proxy_on_request_headers: (guest) => {
      const headers = Buffer.from("\x01\0\0\0\x05\0\0\0\x02\0\0\0allow\0no\0", "latin1");
      const sent = guest.call(
        "proxy_send_local_response",
        404,
        ...guest.put("model_unknown"),
        ...guest.put("gone"),
        ...guest.put(headers),
        -1,
      );
      assert.equal(sent, 0);
      return HeadersAction.StopIteration;
    },
    proxy_on_response_headers: (guest) => {
      seen.push(`status ${guest.text("proxy_get_header_map_value", 2, ...guest.put(":status"))}`);
    },
    proxy_on_response_body: (_guest, _context, size, end) => {
      seen.push(`body ${size} ${end}`);
    },
    proxy_on_log: () => void seen.push("log"),
    proxy_on_done: () => {
      seen.push("done");
      return 1;
    },
    proxy_on_delete: () => void seen.push("delete"),
  });
  stream.sendHeaders(false);
  stream.sendBody("ignored", true);
  stream.finish();
  assert.deepEqual(stream.localResponse, {
    status: 404,
    details: "model_unknown",
    body: "gone",
    headers: [["allow", "no"]],
    grpcStatus: -1,
  });
  assert.deepEqual(seen, ["status 404", "body 4 1", "log", "done", "delete"]);
  assert.equal(stream.upstreamHeaders, undefined);
  host.assertClean();
});

test("a body rewritten to another length must have its content-length corrected", () => {
  const rewriting = (fix: boolean): Stream => {
    const { stream } = streamOf({
      proxy_on_request_headers: (guest) => {
        guest.call("proxy_replace_header_map_value", 0, ...guest.put("content-length"), ...guest.put("6"));
        return HeadersAction.StopIteration;
      },
      proxy_on_request_body: (guest, _context, _size, end) => {
        if (end === 0) return BodyAction.StopIterationAndBuffer;
        const bytes = guest.put("abXYZef");
        assert.equal(guest.call("proxy_set_buffer_bytes", 0, 2, 2, ...bytes), Status.BadArgument);
        assert.equal(guest.call("proxy_set_buffer_bytes", 0, 0, 6, ...bytes), Status.Ok);
        if (fix) guest.call("proxy_remove_header_map_value", 0, ...guest.put("content-length"));
        return BodyAction.Continue;
      },
    });
    stream.sendHeaders(false);
    stream.sendBody("abc", false);
    stream.sendBody("def", true);
    return stream;
  };
  assert.equal(text(rewriting(true).upstreamBody), "abXYZef");
  assert.throws(() => rewriting(false), /content-length 6 with 7 bytes/);
});

test("a parked request is resumed, or answered, from a tick through its context", () => {
  const parked: number[] = [];
  const scripts: Scripts = {
    proxy_on_configure: (guest) => {
      guest.call("proxy_set_tick_period_milliseconds", 10);
    },
    proxy_on_request_headers: (_guest, context) => {
      parked.push(context!);
      return HeadersAction.StopAllIterationAndWatermark;
    },
    proxy_on_tick: (guest) => {
      if (guest.thread === "main") return;
      const context = parked.shift();
      if (context === undefined) return;
      if (guest.call("proxy_set_effective_context", context) !== 0) return;
      guest.call("proxy_replace_header_map_value", 0, ...guest.put("x-pick"), ...guest.put("b"));
      guest.call("proxy_continue_stream", 0);
    },
  };
  const { host, stream } = streamOf(scripts);
  stream.sendHeaders(false);
  stream.sendBody("abc", true);
  host.advance(10);
  assert.equal(stream.upstreamHeaders!.get("x-pick"), "b");
  assert.equal(text(stream.upstreamBody), "abc");

  const gone = streamOf(scripts);
  gone.stream.sendHeaders(true);
  gone.stream.reset();
  gone.host.advance(10);
  assert.equal(gone.stream.root.vm.staleEffectiveContexts, 1);
  gone.host.assertClean();
});

test("a trap answers its own stream 503, leaves others waiting, and the thread reloads after a while", () => {
  const scripts: Scripts = {
    proxy_on_request_headers: () => HeadersAction.StopIteration,
    proxy_on_request_body: (guest) => guest.trap(),
  };
  const host = new Process({ module: MODULE, workers: 1, probeImports: scripted(scripts) });
  const deployment = host.deploy();
  const waiting = host.request(deployment, "worker-0", { headers: POST })!;
  waiting.sendHeaders(false);
  const failing = host.request(deployment, "worker-0", { headers: POST })!;
  failing.sendHeaders(false);
  failing.sendBody("x", true);
  assert.equal(failing.localResponse!.status, 503);
  assert.equal(failing.localResponse!.details, "wasm_fail_stream");
  assert.equal(waiting.stopped, true);
  assert.equal(host.request(deployment, "worker-0", { headers: POST }), undefined);
  host.advance(1000);
  const before = host.root(deployment, "worker-0").vm;
  const next = host.request(deployment, "worker-0", { headers: POST })!;
  assert.notEqual(next.root.vm, before);
  assert.equal(before.destroyed, true);
  next.sendHeaders(true);
  assert.equal(host.traps.length, 1);
});

test("properties are found by path, and integers come as eight bytes", () => {
  const host = new Process({
    module: MODULE,
    workers: 1,
    probeImports: scripted({
      proxy_on_request_headers: (guest) => {
        assert.equal(guest.text("proxy_get_property", ...guest.put("xds\0cluster_name")), "pool-a");
        const path = "xds\0route_metadata\0filter_metadata\0inference-picker\0pool";
        assert.equal(guest.text("proxy_get_property", ...guest.put(path)), "ns/a");
        assert.equal(guest.text("proxy_get_property", ...guest.put("xds\0node\0id")), "emulated-envoy");
        assert.equal(guest.text("proxy_get_property", ...guest.put("plugin_name")), "inference-picker");
        const port = guest.bytes("proxy_get_property", ...guest.put("upstream\0port"));
        assert.deepEqual(port, { status: 0, bytes: Uint8Array.of(0x90, 0x1f, 0, 0, 0, 0, 0, 0) });
        assert.equal(guest.bytes("proxy_get_property", ...guest.put("cluster_name")).status, 1);
      },
    }),
  });
  const stream = host.request(host.deploy(), "worker-0", {
    headers: POST,
    properties: {
      upstream: { port: 8080 },
      xds: {
        cluster_name: "pool-a",
        route_metadata: { filter_metadata: { "inference-picker": { pool: "ns/a" } } },
      },
    },
  })!;
  stream.sendHeaders(true);
  assert.equal(stream.calls.get("proxy_get_property"), 6);
  assert.equal(stream.calls.returning, 5);
  host.assertClean();
});

test("host calls are counted by stream, with the bytes that came back", () => {
  const { host, stream } = streamOf({
    proxy_on_request_headers: (guest) => {
      guest.text("proxy_get_header_map_value", 0, ...guest.put("x-two"));
      guest.call("proxy_remove_header_map_value", 0, ...guest.put("x-two"));
    },
  });
  stream.sendHeaders(true);
  assert.equal(stream.calls.total, 2);
  assert.equal(stream.calls.bytesReturned, 3);
  assert.deepEqual(host.calls.byName(), stream.calls.byName());
});

test("NUL, CR and LF in a header value fail", () => {
  const { stream } = streamOf({
    proxy_on_request_headers: (guest) =>
      void guest.call("proxy_replace_header_map_value", 0, ...guest.put("a"), ...guest.put("b\nc")),
  });
  assert.throws(() => stream.sendHeaders(true), HostViolation);
});
