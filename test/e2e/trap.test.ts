/** A VM that traps costs what it had in flight, and nothing for long. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { compileFilter } from "./filter-builds.ts";
import { Gateway, until } from "./harness.ts";
import { post, RawConnection } from "./raw-connection.ts";
import { ScriptedEndpoint } from "./scripted-endpoint.ts";

const ROUNDS = 5;
const BODY = '{"prompt":"hello","model":"m"}';
/** Without a body, so that Envoy keeps the connection after a 503 of its own. */
const PROBE = "GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n";
const PLAIN = post("/v1/completions", BODY);
const HELD = post("/v1/completions", BODY, ["x-test-answer: held"]);
const TRAP_REQUEST = post("/v1/completions", BODY, ["x-test-trap: request"]);
const TRAP_PROBE = "GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-test-trap: request\r\n\r\n";
/** The configured back-off of 250 ms, Envoy's jitter of up to half of it, and a slow machine. */
const BACK_WITHIN_MS = 2000;
/** A dead VM's counts go after three seconds, and reach the controller with the next report. */
const FORGOTTEN_WITHIN_MS = 6000;
/** The lease of a second, a dial, and a slow machine. */
const HEALED_WITHIN_MS = 5000;

let endpoints: readonly ScriptedEndpoint[];
let gateway: Gateway;

function writePools(count: number): void {
  gateway.writePools(poolsOf(endpoints.slice(0, count)));
}

function poolsOf(members: readonly ScriptedEndpoint[]) {
  return {
    pools: [
      {
        name: "test",
        profile: "round-robin",
        body: { read: "always" },
        scrape: { interval: "200ms" },
        endpoints: members.map(({ address }) => address),
      },
    ],
  };
}

before(async () => {
  const build = compileFilter("trap", "test/e2e/trap/index.ts");
  endpoints = await Promise.all([1, 2, 3].map(() => ScriptedEndpoint.start()));
  gateway = await Gateway.prepare({ name: "trap", pools: poolsOf(endpoints) });
  copyFileSync(build, gateway.wasmFile);
  await gateway.startController();
  await gateway.startEnvoy();
  await gateway.picking();
});

after(async () => {
  await gateway?.stop();
  await Promise.all((endpoints ?? []).map((endpoint) => endpoint.close()));
});

/** Open connections of a worker by the listener's own count. */
async function activeOf(worker: number): Promise<number> {
  return gateway.stat(`worker_${worker}.downstream_cx_active`);
}

/** `each` connections on either worker; the kernel chooses, so some that are opened are closed again. */
async function connectionsByWorker(each: number): Promise<readonly (readonly RawConnection[])[]> {
  const byWorker: RawConnection[][] = [[], []];
  // Rounds before may still be closing theirs.
  await until("no connection is open", async () => (await activeOf(0)) + (await activeOf(1)) === 0);
  while (byWorker.some((connections) => connections.length < each)) {
    const before = await Promise.all([0, 1].map(activeOf));
    const connection = await RawConnection.open(gateway.port);
    const worker = await until("a worker takes the connection", async () => {
      const now = await Promise.all([0, 1].map(activeOf));
      const found = [0, 1].find((index) => now[index]! > before[index]!);
      return found === undefined ? undefined : { found };
    });
    const connections = byWorker[worker.found]!;
    if (connections.length < each) connections.push(connection);
    else {
      connection.close();
      await until("the worker lets go", async () => (await activeOf(worker.found)) <= before[worker.found]!);
    }
  }
  return byWorker;
}

async function inFlight(): Promise<number> {
  const table = await gateway.table();
  const rows = (table?.pools ?? []).flatMap((pool) => pool.endpoints);
  return rows.reduce((sum, row) => sum + row.inFlight, 0);
}

/** Sends on until every endpoint of `count` has served and the others have not for a while. */
async function tableReaches(count: number): Promise<void> {
  await until(`a table of ${count} endpoints`, async () => {
    const before = endpoints.map(({ served }) => served);
    for (let sent = 0; sent < 12; sent++) {
      const connection = await RawConnection.open(gateway.port);
      await connection.request(PLAIN);
      connection.close();
    }
    return endpoints.every(({ served }, index) => served > before[index]! === index < count);
  });
}

const status = ({ status: code }: { readonly status: number }): number => code;
const broken = (): number => 0;

/** Requests on an open connection until one is answered 200; every other answer must be a 503. Returns how many were. */
async function refusedUntilBack(connection: RawConnection, meanwhile: () => Promise<void>): Promise<number> {
  for (let refused = 0; ; refused++) {
    await meanwhile();
    const code = await connection.request(PROBE).then(status);
    if (code === 200) return refused;
    assert.equal(code, 503);
  }
}

test("a trap costs one worker its requests in flight and its successor carries on, without counts left behind", async () => {
  const backMs: number[] = [];
  const zeroMs: number[] = [];
  const healedMs: number[] = [];
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const byWorker = await connectionsByWorker(5);
    const [mine, others] = [byWorker[round % 2]!.slice(), byWorker[(round + 1) % 2]!.slice()];
    const trigger = mine.pop()!;
    const probe = mine.pop()!;
    const otherProbe = others.pop()!;
    const hold = (connection: RawConnection) => connection.request(HELD).then(status, broken);
    const lost = mine.map(hold);
    const kept = others.map(hold);
    await until("all are in flight", async () => (await inFlight()) === lost.length + kept.length);
    const before = await reloads();

    const trapMs = performance.now();
    assert.notEqual(await trigger.request(TRAP_REQUEST).then(status, broken), 200);
    const turnedAway = await refusedUntilBack(probe, async () => {
      assert.equal(await otherProbe.request(PROBE).then(status), 200, "the other worker goes on");
    });
    backMs.push(performance.now() - trapMs);
    refused += turnedAway;
    const now = await reloads();
    assert.equal(now.succeeded - before.succeeded, 1);
    assert.equal(now.failed, 0);
    assert.equal(now.refused - before.refused, turnedAway, "each 503 is counted");

    for (const endpoint of endpoints) endpoint.release();
    assert.ok((await Promise.all(lost)).every((code) => code !== 200));
    assert.ok((await Promise.all(kept)).every((code) => code === 200));
    await until("no count is left", async () => (await inFlight()) === 0, FORGOTTEN_WITHIN_MS);
    zeroMs.push(performance.now() - trapMs);
    writePools(round % 2 === 0 ? 2 : 3);
    const writtenMs = performance.now();
    await tableReaches(round % 2 === 0 ? 2 : 3);
    healedMs.push(performance.now() - writtenMs);
    for (const connection of byWorker.flat()) connection.close();
  }
  console.log(
    `${ROUNDS} traps: back after ${rounded(backMs)} ms with ${refused} × 503, counts at 0 after ${rounded(zeroMs)} ms, ` +
      `a new table applied after ${rounded(healedMs)} ms`,
  );
  assert.ok(Math.max(...backMs) < BACK_WITHIN_MS);
});

test("a worker that traps again at once answers 503 for no longer than its back-off, and counts each", async () => {
  const byWorker = await connectionsByWorker(4);
  const mine = byWorker[0]!.slice();
  const probe = mine.pop()!;
  const otherProbe = byWorker[1]!.at(0)!;
  await probe.request(TRAP_PROBE).then(status);
  await refusedUntilBack(probe, async () => {});
  const before = await reloads();
  const trapMs = performance.now();
  assert.equal(await probe.request(TRAP_PROBE).then(status), 503);
  const turnedAway = await refusedUntilBack(probe, async () => {
    assert.equal(await otherProbe.request(PROBE).then(status), 200, "the other worker goes on");
  });
  const backMs = performance.now() - trapMs;
  const now = await reloads();
  console.log(`back after ${backMs.toFixed(0)} ms with ${turnedAway} × 503`);
  assert.ok(turnedAway > 0);
  assert.equal(now.refused - before.refused, turnedAway);
  assert.ok(backMs < BACK_WITHIN_MS, `${backMs}`);
  for (const connection of byWorker.flat()) connection.close();
  await until("no count is left", async () => (await inFlight()) === 0, FORGOTTEN_WITHIN_MS);
});

test("whichever VM holds the feed, another takes it over when that one traps", async () => {
  const healedMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const trapsBefore = trapsOfReceiver();
    const connection = await RawConnection.open(gateway.port);
    await connection.request("GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-test-trap: holder\r\n\r\n");
    connection.close();
    await until("the holder traps", () => trapsOfReceiver() > trapsBefore);
    const trapMs = performance.now();
    writePools(round % 2 === 0 ? 3 : 2);
    await tableReaches(round % 2 === 0 ? 3 : 2);
    healedMs.push(performance.now() - trapMs);
  }
  console.log(`${ROUNDS} holders: a new table applied after ${rounded(healedMs)} ms`);
  assert.ok(Math.max(...healedMs) < HEALED_WITHIN_MS, `${healedMs}`);
});

/** Traps in the callback that takes the feed's messages, as Envoy logs them. */
function trapsOfReceiver(): number {
  return gateway.printed("envoy").split("Function: proxy_on_grpc_receive failed").length - 1;
}

interface Reloads {
  readonly succeeded: number;
  readonly failed: number;
  /** Streams that came during a back-off. */
  readonly refused: number;
}

async function reloads(): Promise<Reloads> {
  const [succeeded, failed, refused] = await Promise.all(
    ["success", "failure", "backoff"].map((how) => gateway.stat(`vm_reload_${how}`)),
  );
  return { succeeded: succeeded!, failed: failed!, refused: refused! };
}

function rounded(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(" ");
}
