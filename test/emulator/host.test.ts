import assert from "node:assert/strict";
import { test } from "node:test";
import { HostViolation, Process } from "./host.ts";
import { assemble, type GuestCalls, type Scripts, scripted, scriptedModule } from "./probe/scripted-guest.ts";

const MODULE = scriptedModule();

function processOf(scripts: Scripts, workers = 2, module = MODULE): Process {
  return new Process({ module, workers, probeImports: scripted(scripts) });
}

const GET: readonly (readonly [string, string])[] = [
  [":method", "GET"],
  [":path", "/"],
];

/** Runs a script once, in the first tick of the only worker. */
function inTick(script: (guest: GuestCalls, root: number) => void): Process {
  let done = false;
  const host = processOf(
    {
      proxy_on_configure: (guest) => {
        guest.call("proxy_set_tick_period_milliseconds", 10);
      },
      proxy_on_tick: (guest, root) => {
        if (done || guest.thread === "main") return;
        done = true;
        script(guest, root!);
      },
    },
    1,
  );
  host.deploy();
  host.advance(10);
  assert.ok(done, "the script ran");
  return host;
}

function violationOf(run: () => void): string {
  let message = "";
  assert.throws(run, (error) => {
    message = error instanceof HostViolation ? error.message : "";
    return error instanceof HostViolation;
  });
  return message;
}

test("an import that no host gives fails the load", () => {
  const foreign =
    assemble(`(module (import "env" "abort" (func (param i32 i32 i32 i32))) (memory (export "memory") 1)
    (func (export "malloc") (param i32) (result i32) (i32.const 8))
    (func (export "proxy_abi_version_0_2_1")))`);
  const host = new Process({ module: foreign });
  assert.match(
    violationOf(() => host.deploy()),
    /env\.abort.*no host gives the import/,
  );
});

test("a module without an allocator or with two ABI versions fails the load", () => {
  const noMalloc = scriptedModule({ malloc: "something_else" });
  assert.match(
    violationOf(() => processOf({}, 1, noMalloc).deploy()),
    /malloc/,
  );
  const second = '(func (export "proxy_abi_version_0_1_0"))';
  const twoVersions = scriptedModule({ extra: second });
  assert.match(
    violationOf(() => processOf({}, 1, twoVersions).deploy()),
    /ABI version/,
  );
  const unknownVersion = scriptedModule({ abiVersion: "proxy_abi_version_0_9_0" });
  assert.match(
    violationOf(() => processOf({}, 1, unknownVersion).deploy()),
    /ABI version/,
  );
});

test("a callback with the wrong number of parameters fails the load", () => {
  const module = scriptedModule({
    callbacks: [],
    extra: '(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))',
  });
  assert.match(
    violationOf(() => processOf({}, 1, module).deploy()),
    /takes 2 parameters, Envoy gives 3/,
  );
});

test("an export that looks like a callback and is none is listed", () => {
  const module = scriptedModule({ extra: '(func (export "proxy_on_requst_headers"))' });
  const host = processOf({}, 1, module);
  host.deploy();
  assert.deepEqual(host.vms[0]?.unknownExports, ["proxy_on_requst_headers"]);
});

test("proxy_on_memory_allocate serves where malloc is missing", () => {
  const host = processOf(
    {
      proxy_on_request_headers: (guest) => {
        assert.equal(guest.text("proxy_get_header_map_value", 0, ...guest.put(":path")), "/");
      },
    },
    1,
    scriptedModule({ malloc: "proxy_on_memory_allocate" }),
  );
  const stream = host.request(host.deploy(), "worker-0", { headers: GET })!;
  stream.sendHeaders(true);
  assert.equal(stream.upstreamEnded, true);
});

test("a configuration runs in a throw-away VM first, then on the main thread and on every worker", () => {
  const seen: string[] = [];
  const host = processOf({
    proxy_on_configure: (guest) => {
      seen.push(guest.thread);
    },
  });
  const deployment = host.deploy();
  assert.deepEqual(seen, ["main", "main", "worker-0", "worker-1"]);
  assert.deepEqual([...deployment.roots.keys()], ["main", "worker-0", "worker-1"]);
});

test("a refused configuration is not deployed", () => {
  const host = processOf({ proxy_on_configure: () => 0 });
  assert.throws(() => host.deploy(), /refused/);
  assert.deepEqual(host.vms, []);
});

test("a second configuration lives in the same VM as the first, which ticks on until it is retired", () => {
  const ticks: number[] = [];
  const host = processOf(
    {
      proxy_on_configure: (guest) => {
        guest.call("proxy_set_tick_period_milliseconds", 100);
      },
      proxy_on_tick: (guest, root) => {
        if (guest.thread === "worker-0") ticks.push(root!);
      },
    },
    1,
  );
  const first = host.deploy({ configuration: "a" });
  host.advance(50);
  const second = host.deploy({ configuration: "b" });
  assert.equal(host.root(first, "worker-0").vm, host.root(second, "worker-0").vm);
  host.advance(100);
  assert.deepEqual(ticks, [1, 2]);
  host.retire(first);
  host.advance(100);
  assert.deepEqual(ticks, [1, 2, 2]);
  const other = host.deploy({ configuration: "b" }, scriptedModule());
  assert.notEqual(host.root(other, "worker-0").vm, host.root(second, "worker-0").vm);
});

test("the plugin configuration is readable in on_configure only", () => {
  let text: string | undefined;
  let later: (() => void) | undefined;
  const host = processOf({
    proxy_on_configure: (guest, _root, size) => {
      text = guest.text("proxy_get_buffer_bytes", 7, 0, size!);
      guest.call("proxy_set_tick_period_milliseconds", 10);
    },
    proxy_on_tick: (guest) => {
      later = () => guest.text("proxy_get_buffer_bytes", 7, 0, 3);
      later();
    },
  });
  host.deploy({ configuration: "abc" });
  assert.equal(text, "abc");
  assert.match(
    violationOf(() => host.advance(10)),
    /PluginConfiguration is not available here/,
  );
});

test("registering, dialling, storing and enqueueing in a throw-away VM fail", () => {
  const calls: [string, (guest: GuestCalls) => unknown][] = [
    ["proxy_register_shared_queue", (guest) => guest.word("proxy_register_shared_queue", ...guest.put("q"))],
    ["proxy_set_shared_data", (guest) => guest.call("proxy_set_shared_data", ...guest.put("k"), 0, 0, 0)],
    ["proxy_enqueue_shared_queue", (guest) => guest.call("proxy_enqueue_shared_queue", 1, 0, 0)],
    ["proxy_grpc_stream", (guest) => guest.call("proxy_grpc_stream", 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  ];
  for (const [name, run] of calls) {
    for (const callback of ["proxy_on_vm_start", "proxy_on_configure"]) {
      const host = processOf({ [callback]: (guest: GuestCalls) => void run(guest) });
      assert.match(
        violationOf(() => host.deploy()),
        new RegExp(`${name} in .*canary VM must`),
      );
    }
  }
});

test("headers on a root context, and a body where none is, fail with the call and the place", () => {
  const header = violationOf(() =>
    inTick((guest) => guest.text("proxy_get_header_map_value", 0, ...guest.put("a"))),
  );
  assert.match(header, /proxy_get_header_map_value in tick of root 1 on worker-0: .*RequestHeaders/);
  const host = processOf({
    proxy_on_request_headers: (guest) => void guest.text("proxy_get_buffer_bytes", 0, 0, 1),
  });
  const stream = host.request(host.deploy(), "worker-0", { headers: GET })!;
  assert.match(
    violationOf(() => stream.sendHeaders(true)),
    /RequestBody is not available here/,
  );
  assert.throws(() => host.assertClean(), HostViolation);
});

test("pointers outside of memory, null out words and unknown numbers fail", () => {
  const expect = (pattern: RegExp, script: (guest: GuestCalls) => unknown): void => {
    assert.match(
      violationOf(() => inTick(script)),
      pattern,
    );
  };
  expect(/outside of memory/, (guest) => guest.call("proxy_log", 2, 2 ** 20 - 1, 2));
  expect(/outside of memory/, (guest) => guest.call("proxy_log", 2, 16, 0xffffffff));
  expect(/null pointer/, (guest) => guest.call("proxy_get_current_time_nanoseconds", 0));
  expect(/unknown level 6/, (guest) => guest.call("proxy_log", 6, 0, 0));
  expect(/unknown header map 9/, (guest) => guest.text("proxy_get_header_map_value", 9, ...guest.put("a")));
  expect(/unknown buffer 9/, (guest) => guest.text("proxy_get_buffer_bytes", 9, 0, 1));
  expect(/unknown type 3/, (guest) => guest.word("proxy_define_metric", 3, ...guest.put("a")));
  expect(/no metric 4/, (guest) => guest.call("proxy_increment_metric", 4, 1n));
  expect(/no queue has token 7/, (guest) => guest.call("proxy_enqueue_shared_queue", 7, 0, 0));
  expect(/gRPC stream 2 is not one/, (guest) => guest.call("proxy_grpc_send", 2, 0, 0, 0));
  expect(/knows no property/, (guest) => guest.text("proxy_get_property", ...guest.put("clustername")));
  expect(/no stream is in effect/, (guest) => guest.call("proxy_continue_stream", 0));
  expect(/no list of pairs/, (guest) =>
    guest.call(
      "proxy_grpc_stream",
      ...guest.put("c"),
      ...guest.put("s"),
      ...guest.put("m"),
      ...guest.put("abc"),
      8,
    ),
  );
});

test("shared data is compared and swapped by version, by vm_id, and a CAS of 0 always wins", () => {
  const host = inTick((guest) => {
    const key = guest.put("key");
    assert.equal(guest.bytes("proxy_get_shared_data", ...key).status, 1);
    assert.equal(guest.call("proxy_set_shared_data", ...key, ...guest.put("one"), 0), 0);
    assert.equal(guest.text("proxy_get_shared_data", ...key), "one");
    const cas = guest.cas();
    assert.equal(guest.call("proxy_set_shared_data", ...key, ...guest.put("two"), cas), 0);
    assert.equal(guest.call("proxy_set_shared_data", ...key, ...guest.put("three"), cas), 8);
    assert.equal(guest.text("proxy_get_shared_data", ...key), "two");
    assert.equal(guest.call("proxy_set_shared_data", ...key, 0, 0, 0), 0);
    assert.deepEqual(guest.bytes("proxy_get_shared_data", ...key), { status: 0, bytes: new Uint8Array(0) });
  });
  assert.deepEqual(host.sharedData.keys("inference-picker"), ["key"]);
  assert.deepEqual(host.sharedData.keys("other"), []);
});

test("the last one that registers a queue is its only consumer, and gets what was waiting", () => {
  const heard: string[] = [];
  const tokens: number[] = [];
  let send = false;
  const host = processOf({
    proxy_on_configure: (guest) => {
      guest.call("proxy_set_tick_period_milliseconds", 10);
    },
    proxy_on_tick: (guest) => {
      if (!send) tokens.push(guest.word("proxy_register_shared_queue", ...guest.put("q")).word);
      else if (guest.thread === "main") {
        const { status, word } = guest.word("proxy_resolve_shared_queue", 0, 0, ...guest.put("q"));
        assert.equal(status, 0);
        assert.equal(guest.call("proxy_enqueue_shared_queue", word, ...guest.put("item")), 0);
      }
    },
    proxy_on_queue_ready: (guest, _root, token) => {
      heard.push(`${guest.thread} ${guest.text("proxy_dequeue_shared_queue", token!)}`);
      assert.equal(guest.bytes("proxy_dequeue_shared_queue", token!).status, 7);
    },
  });
  host.deploy();
  host.advance(10);
  assert.deepEqual(tokens, [1, 1, 1]);
  send = true;
  host.advance(10);
  assert.deepEqual(heard, ["worker-1 item"]);
  assert.equal(host.queues.backlog(), 0);
});

test("a queue's items for a dead consumer pile up", () => {
  let dead = false;
  const host = processOf(
    {
      proxy_on_configure: (guest) => {
        guest.call("proxy_set_tick_period_milliseconds", 10);
      },
      proxy_on_tick: (guest) => {
        if (guest.thread === "worker-0") {
          if (dead) guest.trap();
          guest.word("proxy_register_shared_queue", ...guest.put("q"));
        } else if (dead) {
          const { word } = guest.word("proxy_resolve_shared_queue", 0, 0, ...guest.put("q"));
          guest.call("proxy_enqueue_shared_queue", word, ...guest.put("x"));
        }
      },
    },
    1,
  );
  host.deploy();
  host.advance(10);
  dead = true;
  host.advance(30);
  assert.equal(host.queues.backlog(), 3);
  assert.equal(host.traps.length, 1);
  assert.throws(() => host.assertClean(), /trap in tick on worker-0/);
});

test("the two clocks differ, and only the wall clock jumps", () => {
  const times: bigint[][] = [];
  const host = processOf(
    {
      proxy_on_configure: (guest) => {
        guest.call("proxy_set_tick_period_milliseconds", 10);
      },
      proxy_on_tick: (guest) => {
        times.push([
          guest.long("proxy_get_current_time_nanoseconds"),
          guest.long("clock_time_get", 0, 0n),
          guest.long("clock_time_get", 1, 0n),
        ]);
      },
    },
    0,
  );
  host.deploy();
  host.advance(10);
  host.clock.jumpWall(-3_600_000_000_000n);
  host.advance(10);
  const [first, second] = [times[0]!, times[1]!];
  assert.equal(first[0], first[1]);
  assert.equal(second[2]! - first[2]!, 10_000_000n);
  assert.equal(second[1]! - first[1]!, 10_000_000n - 3_600_000_000_000n);
});

test("metrics are shared by name, and a counter that falls or a second definition fails", () => {
  const host = processOf({
    proxy_on_configure: (guest) => {
      const counter = guest.word("proxy_define_metric", 0, ...guest.put("count")).word;
      const gauge = guest.word("proxy_define_metric", 1, ...guest.put("level")).word;
      assert.deepEqual([counter & 3, gauge & 3], [0, 1]);
      guest.call("proxy_increment_metric", counter, 2n);
      guest.call("proxy_increment_metric", gauge, 5n);
      guest.call("proxy_increment_metric", gauge, -1n);
    },
  });
  host.deploy();
  assert.equal(host.metrics.counter("count"), 8n);
  assert.equal(host.metrics.gauge("level"), 16n);
  assert.match(
    violationOf(() => host.deploy({ configuration: "again" })),
    /defined twice/,
  );
  const falling = (guest: GuestCalls): void => {
    const { word } = guest.word("proxy_define_metric", 0, ...guest.put("c"));
    guest.call("proxy_increment_metric", word, 0n);
  };
  assert.match(
    violationOf(() => inTick(falling)),
    /must be > 0/,
  );
});
