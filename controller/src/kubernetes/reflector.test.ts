import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createLogger, type Logger } from "../telemetry/logger.ts";
import { processTimer } from "../timer.ts";
import type { KubernetesClient } from "./client.ts";
import { INFERENCE_POOL, POD } from "./kinds.ts";
import type { PodObject } from "./objects.ts";
import { Reflector, type ReflectorLimits, type ReflectorOptions, type ReflectorState } from "./reflector.ts";
import { eventLine, refuse, TestApiServer } from "./test-api-server.ts";

/** Short, so that each test takes ms; those of the product are in minutes and seconds. */
const LIMITS: Partial<ReflectorLimits> = {
  backoffMinMs: 1,
  backoffMaxMs: 4,
  absentRetryMs: 5,
  absentAfterMs: 40,
};

let server: TestApiServer;
let client: KubernetesClient;
let lines: { readonly level: string; readonly msg: string }[];
let logger: Logger;
const reflectors: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  server = new TestApiServer();
  await server.start();
  server.serve(POD);
  client = server.client();
  lines = [];
  logger = createLogger("debug", { write: (line) => lines.push(JSON.parse(line)) });
});

afterEach(async () => {
  await Promise.all(reflectors.splice(0).map((reflector) => reflector.stop()));
  await client.close();
  await server.close();
});

interface Reflected {
  readonly reflector: Reflector<PodObject>;
  /** The changes told of, one entry a call. */
  readonly calls: (readonly string[])[];
  readonly states: ReflectorState[];
  readonly names: () => readonly string[];
}

function reflect(options: Partial<ReflectorOptions<PodObject>> = {}): Reflected {
  const calls: (readonly string[])[] = [];
  const states: ReflectorState[] = [];
  const reflector = new Reflector<PodObject>({
    client,
    kind: POD,
    onChange: (_, changed) => calls.push(changed),
    onState: (state) => states.push(state),
    nowMs: () => performance.now(),
    random: () => 0.5,
    setTimer: processTimer,
    logger,
    ...options,
    limits: { ...LIMITS, ...options.limits },
  });
  reflectors.push(reflector);
  reflector.start();
  return { reflector, calls, states, names: () => [...reflector.objects().keys()].sort() };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limitMs = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < limitMs, `not within 10 s: ${what}`);
    await turn();
  }
}

/** Until the fake server has the watch, and the reflector knows. */
function watching({ reflector }: Reflected): Promise<void> {
  return until(() => reflector.state === "watching" && server.watches === 1, "watching");
}

function logged(level: string): readonly string[] {
  return lines.filter((line) => line.level === level).map(({ msg }) => msg);
}

const isWatch = ({ query }: { query: URLSearchParams }): boolean => query.get("watch") === "true";

describe("a reflector", () => {
  it("reads what is there, then follows what is added, changed and removed", async () => {
    server.put(POD, "a", { status: { podIP: "10.0.0.1" } });
    const pods = reflect();
    await pods.reflector.synced();
    assert.deepEqual(pods.calls, [["default/a"]]);
    await watching(pods);
    server.put(POD, "b");
    await until(() => pods.names().length === 2, "b");
    server.put(POD, "a", { status: { podIP: "10.0.0.2" } });
    await until(() => pods.reflector.objects().get("default/a")?.ip === "10.0.0.2", "a's address");
    server.remove(POD, "default", "b");
    await until(() => pods.names().length === 1, "b gone");
    await turn();
    assert.deepEqual(pods.calls.flat(), ["default/a", "default/b", "default/a", "default/b"]);
    assert.deepEqual(pods.states, ["watching"]);
    assert.equal(pods.reflector.counts().lists, 1);
    assert.ok((pods.reflector.lastSyncMs ?? 0) > 0);
  });

  it("asks for watches with bookmarks that end by themselves before silence is suspicious, and for the selector", async () => {
    const pods = reflect({
      namespace: "models",
      fieldSelector: "spec.nodeName=n",
    });
    await watching(pods);
    const [list, watch] = server.requests;
    assert.equal(list?.path, "/api/v1/namespaces/models/pods");
    assert.equal(list?.query.get("fieldSelector"), "spec.nodeName=n");
    assert.equal(list?.query.get("limit"), "250");
    assert.equal(watch?.query.get("allowWatchBookmarks"), "true");
    assert.equal(watch?.query.get("fieldSelector"), "spec.nodeName=n");
    assert.equal(watch?.query.get("timeoutSeconds"), "35");
  });

  it("takes a list in pages, and nothing of it before the last", async () => {
    for (let at = 0; at < 25; at++) server.put(POD, `pod-${at}`);
    const sizes: number[] = [];
    const pods = reflect({ limits: { pageSize: 10 }, onChange: (objects) => sizes.push(objects.size) });
    await pods.reflector.synced();
    assert.deepEqual(sizes, [25]);
    assert.equal(server.requests.filter((request) => !isWatch(request)).length, 3);
  });

  it("starts a list again whose next page has expired", async () => {
    for (let at = 0; at < 5; at++) server.put(POD, `pod-${at}`);
    server.intercept = ({ query }) => {
      if (query.get("continue")?.startsWith("2.") && server.requests.length === 2) server.compact();
      return false;
    };
    const pods = reflect({ limits: { pageSize: 2 } });
    await pods.reflector.synced();
    assert.equal(pods.names().length, 5);
    assert.deepEqual(
      pods.calls.map((changed) => changed.length),
      [5],
    );
    assert.deepEqual(logged("warn"), []);
  });

  it("tells of many changes in one call", async () => {
    const pods = reflect();
    await watching(pods);
    const burst = Array.from({ length: 500 }, (_, at) => {
      const metadata = {
        name: `pod-${at}`,
        namespace: "default",
        uid: `${at}`,
        resourceVersion: `${1000 + at}`,
      };
      return eventLine("ADDED", { metadata });
    });
    server.say(burst.join(""));
    await until(() => pods.names().length === 500, "500 pods");
    await turn();
    assert.equal(pods.calls.flat().length, 500);
    assert.ok(pods.calls.length < 50, `${pods.calls.length} calls`);
  });

  it("does not tell of a change to what it does not keep", async () => {
    server.put(POD, "a", { status: { phase: "Running" } });
    const pods = reflect();
    await watching(pods);
    server.put(POD, "a", { status: { phase: "Running", hostIP: "10.9.9.9" } });
    server.put(POD, "b");
    await until(() => pods.names().length === 2, "b");
    await turn();
    assert.deepEqual(pods.calls, [["default/a"], ["default/b"]]);
    const kept = pods.reflector.objects().get("default/a")?.meta.resourceVersion;
    assert.equal(kept, server.list(POD)[0]?.metadata.resourceVersion);
  });

  it("goes on where it was when the server ends a watch properly", async () => {
    const pods = reflect();
    await watching(pods);
    server.put(POD, "a");
    await until(() => pods.names().length === 1, "a");
    server.endWatches();
    await until(() => server.watches === 0, "the end");
    await watching(pods);
    server.put(POD, "b");
    await until(() => pods.names().length === 2, "b");
    assert.equal(pods.reflector.counts().lists, 1);
    assert.equal(pods.reflector.counts().failures, 0);
  });

  it("reads all again when its version has expired, and tells of what was deleted meanwhile", async () => {
    for (const name of ["a", "b", "c"]) server.put(POD, name);
    const pods = reflect();
    await watching(pods);
    await server.kill();
    server.remove(POD, "default", "b");
    server.put(POD, "d");
    server.compact();
    await server.start();
    await until(() => pods.names().includes("default/d"), "d");
    assert.deepEqual(pods.names(), ["default/a", "default/c", "default/d"]);
    assert.deepEqual(pods.calls.at(-1)?.toSorted(), ["default/b", "default/d"]);
    assert.equal(pods.reflector.counts().lists, 2);
  });

  it("reads all again after an error event that says the version is gone, without waiting", async () => {
    server.put(POD, "a");
    const pods = reflect();
    await watching(pods);
    server.remove(POD, "default", "a");
    await until(() => pods.names().length === 0, "a gone");
    server.put(POD, "z");
    server.say(eventLine("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" }));
    await until(() => pods.reflector.counts().lists === 2, "another list");
    assert.deepEqual(pods.names(), ["default/z"]);
    assert.ok(!pods.states.includes("backing-off"), String(pods.states));
  });

  it("does not ask without pause when every version is gone at once", async () => {
    const waits: number[] = [];
    server.intercept = (request, response) => {
      if (!isWatch(request)) return false;
      refuse(response, 410, "Expired", "too old");
      return true;
    };
    const pods = reflect({
      limits: { backoffMinMs: 100, backoffMaxMs: 5000 },
      setTimer: (callback, delayMs) => {
        if (delayMs > 5000 || delayMs === 1000) return processTimer(callback, delayMs);
        waits.push(delayMs);
        return processTimer(callback, 0);
      },
    });
    await until(() => waits.length >= 9, "9 waits");
    assert.deepEqual(waits.slice(0, 7), [150, 300, 600, 1200, 2400, 3750, 3750]);
    assert.ok(pods.reflector.counts().lists >= 9);
  });

  it("reads all again after any other error event", async () => {
    const pods = reflect();
    await watching(pods);
    server.say(eventLine("ERROR", { kind: "Status", code: 500, reason: "InternalError", message: "etcd" }));
    await until(() => pods.reflector.counts().lists === 2, "another list");
    assert.ok(pods.states.includes("backing-off"));
    assert.match(logged("warn")[0] ?? "", /500 InternalError: etcd; what is known stays/);
  });

  it("keeps what it knows while the server is away, catches up, and logs each once", async () => {
    server.put(POD, "a");
    const pods = reflect();
    await watching(pods);
    await server.kill();
    await until(() => pods.reflector.counts().failures > 5, "failures");
    assert.deepEqual(pods.names(), ["default/a"]);
    assert.equal(pods.reflector.state, "backing-off");
    assert.equal(logged("warn").length, 1);
    server.put(POD, "b");
    await server.start();
    await until(() => pods.calls.length === 2, "b");
    assert.deepEqual(pods.calls, [["default/a"], ["default/b"]]);
    assert.deepEqual(logged("info"), ["kubernetes: watching works again"]);
  });

  it("misses nothing when its connection is cut in the midst of an event", async () => {
    const pods = reflect();
    await watching(pods);
    const line = eventLine("ADDED", {
      metadata: { name: "a", namespace: "default", uid: "1", resourceVersion: "9" },
    });
    server.say(line.slice(0, 40));
    server.cutWatches();
    await until(() => server.watches === 0, "the cut");
    server.put(POD, "a");
    await until(() => pods.names().length === 1, "a");
    assert.equal(pods.reflector.counts().lists, 1);
  });

  it("reads events whose bytes come one by one", async () => {
    const pods = reflect();
    await watching(pods);
    const line = eventLine("ADDED", {
      metadata: {
        name: "a",
        namespace: "default",
        uid: "1",
        resourceVersion: "900",
        labels: { team: "größe 🦙" },
      },
    });
    for (const byte of Buffer.from(line)) {
      server.say(Uint8Array.of(byte));
      await turn();
    }
    await until(() => pods.names().length === 1, "a");
    assert.equal(pods.reflector.objects().get("default/a")?.meta.labels.team, "größe 🦙");
  });

  it("reads all again after a line that is no event, since it may have been one", async () => {
    const pods = reflect();
    await watching(pods);
    for (const garbage of [
      "<html>bad gateway</html>\n",
      '{"type":"ADDED","object":\n',
      "null\n",
      '{"object":{}}\n',
    ]) {
      const before = pods.reflector.counts().lists;
      server.say(garbage);
      await until(() => pods.reflector.counts().lists === before + 1, garbage);
      await watching(pods);
    }
  });

  it("leaves out objects that are none, and goes on", async () => {
    const pods = reflect();
    await watching(pods);
    server.say(eventLine("ADDED", { metadata: { name: "x" } }) + eventLine("MODIFIED", null));
    server.put(POD, "a");
    await until(() => pods.names().length === 1, "a");
    assert.equal(pods.reflector.counts().malformed, 2);
    assert.equal(pods.reflector.counts().lists, 1);
    assert.equal(logged("debug").length, 2);
  });

  it("watches on from a bookmark", async () => {
    server.put(POD, "a");
    const pods = reflect();
    await watching(pods);
    server.compact();
    server.bookmark();
    server.endWatches();
    await until(() => server.requests.filter(isWatch).length === 2, "the next watch");
    await watching(pods);
    const versions = server.requests.filter(isWatch).map(({ query }) => query.get("resourceVersion"));
    assert.equal(versions[1], String(server.version));
    assert.equal(pods.reflector.counts().lists, 1);
  });

  it("gives up a list that is not answered, and asks again", async () => {
    const held: ServerResponse[] = [];
    server.intercept = (_, response) => held.length < 3 && held.push(response) > 0;
    server.put(POD, "a");
    const pods = reflect({ limits: { listTimeoutMs: 20 } });
    await pods.reflector.synced();
    assert.equal(held.length, 3);
    assert.match(logged("warn")[0] ?? "", /GET \/api\/v1\/pods: no answer within 20 ms/);
  });

  it("gives up a list that stops in the midst of its answer", async () => {
    let stalled = 0;
    server.intercept = (_, response) => {
      if (++stalled > 2) return false;
      response.writeHead(200, { "content-type": "application/json" });
      return response.write('{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[');
    };
    server.put(POD, "a");
    const pods = reflect({ limits: { listTimeoutMs: 20 } });
    await pods.reflector.synced();
    assert.deepEqual(pods.names(), ["default/a"]);
  });

  it("waits for a list that is slow but comes", async () => {
    let answer = (): void => {};
    server.intercept = (_, response) => {
      if (server.requests.length > 1) return false;
      answer = () => response.end('{"metadata":{"resourceVersion":"5"},"items":[]}');
      return response.write(" ");
    };
    const pods = reflect();
    await until(() => server.requests.length === 1, "the request");
    assert.equal(pods.reflector.state, "listing");
    answer();
    await pods.reflector.synced();
    assert.equal(pods.reflector.counts().failures, 0);
  });

  it("gives up a watch that the server does not agree to in time", async () => {
    const held: ServerResponse[] = [];
    server.intercept = (request, response) => isWatch(request) && held.length < 2 && held.push(response) > 0;
    const pods = reflect({ limits: { listTimeoutMs: 20 } });
    await watching(pods);
    assert.equal(held.length, 2);
    assert.ok(pods.reflector.counts().failures >= 2);
  });

  it("gives up a watch that is silent for longer than the server was to let it be, and misses nothing", async () => {
    server.put(POD, "a");
    let muted: ServerResponse | undefined;
    server.intercept = (request, response) => {
      if (!isWatch(request) || muted !== undefined) return false;
      muted = response;
      response.writeHead(200).flushHeaders();
      return true;
    };
    const pods = reflect({ limits: { idleMs: 30 } });
    await until(() => pods.reflector.state === "watching", "the first watch");
    server.put(POD, "b");
    await until(() => pods.names().length === 2, "b");
    assert.equal(pods.reflector.counts().lists, 1);
    assert.match(logged("warn")[0] ?? "", /silent for 30 ms/);
  });

  it("stays with a watch as long as something comes", async () => {
    let nowMs = 0;
    const checks: { readonly run: () => void; readonly delayMs: number }[] = [];
    const pods = reflect({
      nowMs: () => nowMs,
      setTimer: (callback, delayMs) => {
        if (delayMs !== 45_000 && delayMs !== 25_000) return processTimer(callback, delayMs);
        checks.push({ run: callback, delayMs });
        return () => {};
      },
    });
    await watching(pods);
    nowMs = 25_000;
    server.bookmark();
    await until(() => pods.reflector.lastSyncMs === 25_000, "the bookmark");
    nowMs = 45_000;
    checks.at(-1)?.run();
    assert.deepEqual(
      checks.map(({ delayMs }) => delayMs),
      [45_000, 25_000],
    );
    assert.equal(server.watches, 1);
    nowMs = 70_000;
    checks.at(-1)?.run();
    await until(() => pods.reflector.counts().watches === 2, "another watch");
    assert.equal(pods.reflector.counts().lists, 1);
    assert.match(logged("warn")[0] ?? "", /silent for 45000 ms/);
  });

  it("survives listeners that throw, at once and later", async () => {
    let isAsync = false;
    const pods = reflect({
      onChange: () => {
        if (isAsync) return Promise.reject(new Error("later")) as unknown as undefined;
        throw new Error("at once");
      },
      onState: () => {
        throw new Error("state");
      },
    });
    server.put(POD, "a");
    await watching(pods);
    isAsync = true;
    server.put(POD, "b");
    await until(() => logged("error").length === 3, "three errors");
    server.put(POD, "c");
    await until(() => pods.names().length === 3, "c");
    assert.equal(server.watches, 1);
  });

  it("counts as synced and empty where the server does not know the kind, and finds it later", async () => {
    const pools = new Reflector({
      client,
      kind: INFERENCE_POOL,
      onChange: () => {},
      nowMs: () => performance.now(),
      random: () => 0.5,
      setTimer: processTimer,
      logger,
      limits: LIMITS,
    });
    reflectors.push(pools);
    pools.start();
    await pools.synced();
    assert.equal(pools.state, "absent");
    assert.equal(pools.objects().size, 0);
    assert.deepEqual(logged("warn"), []);
    server.serve(INFERENCE_POOL);
    server.put(INFERENCE_POOL, "llama", { spec: {} });
    await until(() => pools.objects().size === 1 && pools.state === "watching", "the pool");
    server.unserve(INFERENCE_POOL);
    await until(() => pools.state === "absent", "absent again");
    assert.equal(pools.objects().size, 0);
    server.serve(INFERENCE_POOL);
    server.put(INFERENCE_POOL, "qwen", { spec: {} });
    await until(() => pools.objects().has("default/qwen"), "the pool after");
  });

  it("does not take a server's 404 for the end of what it knows until it has lasted", async () => {
    server.put(POD, "a");
    let nowMs = 0;
    const pods = reflect({ nowMs: () => nowMs, limits: { absentAfterMs: 10_000 } });
    await watching(pods);
    server.intercept = (_, response) => Boolean(response.writeHead(404).end("404 page not found"));
    server.cutWatches();
    await until(() => pods.reflector.counts().failures > 5, "failures");
    assert.deepEqual(pods.names(), ["default/a"]);
    nowMs = 10_000;
    await until(() => pods.reflector.state === "absent", "absent");
    assert.deepEqual(pods.names(), []);
    assert.deepEqual(pods.calls, [["default/a"], ["default/a"]]);
  });

  it("waits as long as a busy server asks, a minute at most", async () => {
    const waits: number[] = [];
    const answers = ["2", "3600"];
    server.intercept = (_, response) => {
      const seconds = answers.shift();
      if (seconds === undefined) return false;
      refuse(response, 429, "TooManyRequests", "busy", { "retry-after": seconds });
      return true;
    };
    const pods = reflect({
      setTimer: (callback, delayMs) => {
        const isWait = delayMs === 2000 || delayMs === 60_000;
        if (isWait) waits.push(delayMs);
        return processTimer(callback, isWait ? 0 : delayMs);
      },
    });
    await pods.reflector.synced();
    assert.deepEqual(waits, [2000, 60_000]);
  });

  it("says when it may not read a kind, and reads it as soon as it may", async () => {
    server.intercept = (_, response) => {
      refuse(response, 403, "Forbidden", 'pods is forbidden: User "x" cannot list');
      return true;
    };
    const pods = reflect();
    await until(() => pods.reflector.counts().failures > 3, "failures");
    assert.match(logged("warn")[0] ?? "", /403 Forbidden: pods is forbidden/);
    assert.equal(logged("warn").length, 1);
    server.intercept = () => false;
    await pods.reflector.synced();
  });

  it("tells that a list is refused, and asks again no sooner than it is to", async () => {
    let refusals = 2;
    server.intercept = (_, response) => {
      if (refusals-- <= 0) return false;
      refuse(response, 403, "Forbidden", "secrets is forbidden");
      return true;
    };
    const waits: number[] = [];
    let told = 0;
    const pods = reflect({
      onForbidden: () => {
        told += 1;
      },
      limits: { forbiddenRetryMs: 77_000 },
      setTimer: (callback, delayMs) => {
        if (delayMs === 77_000) waits.push(delayMs);
        return processTimer(callback, delayMs === 77_000 ? 0 : delayMs);
      },
    });
    await pods.reflector.synced();
    assert.deepEqual([told, waits.length], [2, 2]);
  });

  it("does not take an answer that is no list for an empty one", async () => {
    server.put(POD, "a");
    const pods = reflect();
    await watching(pods);
    const answers = ["{}", "[]", "null", '{"metadata":{"resourceVersion":"9"},"items":{}}', "<html>", ""];
    server.intercept = (request, response) => {
      if (isWatch(request)) return Boolean(refuse(response, 410, "Expired", "gone")) || true;
      const answer = answers.shift();
      if (answer === undefined) return false;
      return Boolean(response.end(answer));
    };
    server.cutWatches();
    await until(() => answers.length === 0 && pods.reflector.counts().lists > 1, "all answers");
    assert.deepEqual(pods.calls, [["default/a"]]);
  });

  it("can be stopped while a list is under way, while it waits, and while it watches", async () => {
    let held = 0;
    server.intercept = () => ++held > 0;
    const listing = reflect();
    await until(() => held === 1, "the list");
    await listing.reflector.stop();
    server.intercept = (_, response) => Boolean(response.writeHead(500).end());
    const waiting = reflect({ limits: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } });
    await until(() => waiting.reflector.state === "backing-off", "the wait");
    await waiting.reflector.stop();
    server.intercept = () => false;
    const pods = reflect();
    await watching(pods);
    server.put(POD, "a");
    await pods.reflector.stop();
    await until(() => server.watches === 0, "no watch");
    const told = pods.calls.length;
    const asked = server.requests.length;
    server.put(POD, "b");
    for (let turns = 0; turns < 50; turns++) await turn();
    assert.equal(pods.calls.length, told);
    assert.equal(server.requests.length, asked);
    assert.deepEqual(listing.calls, []);
  });

  it("runs once however often it is started, and not after its end", async () => {
    const pods = reflect();
    pods.reflector.start();
    await watching(pods);
    await pods.reflector.stop();
    pods.reflector.start();
    await pods.reflector.stop();
    assert.equal(server.requests.length, 2);
  });
});
