/** A hundred thousand requests whose clients leave at every stage: no count stays, no memory goes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Gateway, until } from "./harness.ts";
import { fitSlope, type Slope } from "./line-fit.ts";
import { post, RawConnection } from "./raw-connection.ts";
import { ScriptedEndpoint } from "./scripted-endpoint.ts";

const REQUESTS = 100_000;
/** Buffers, pools and heaps have found their size by then. */
const SETTLED = 20_000;
const SAMPLE_EVERY = 1000;
/** Connections at once until it has settled: more than later, so that what it takes is a ceiling. */
const AT_ONCE_FIRST = 256;
const AT_ONCE = 32;
/** Connections that stand half-sent before they are cut, so that Envoy has seen what was sent. */
const LINGERING = 64;
const SEED = 20261124;

const BODY = JSON.stringify({ messages: [{ role: "user", content: "hello ".repeat(40) }], model: "m" });
const WHOLE = post("/v1/chat/completions", BODY);
const HEAD_BYTES = WHOLE.length - BODY.length;

/** Where the client leaves. */
const STAGES = [
  "before the head",
  "half a head",
  "half a body",
  "while the endpoint computes",
  "half an answer",
  "after the answer",
] as const;

let endpoints: readonly ScriptedEndpoint[];
let gateway: Gateway;

before(async () => {
  endpoints = await Promise.all([1, 2, 3, 4].map(() => ScriptedEndpoint.start()));
  gateway = await Gateway.start({
    name: "disconnects",
    pools: {
      pools: [
        {
          name: "test",
          profile: "least-request",
          body: { read: "always" },
          scrape: { interval: "200ms" },
          endpoints: endpoints.map(({ address }) => address),
        },
      ],
    },
    // Some 50 MB of log would only measure the disk.
    editBootstrap: (text) => text.replace(/"[^"\n]*access\.log"/, '"/dev/null"'),
  });
});

after(async () => {
  await gateway?.stop();
  await Promise.all((endpoints ?? []).map((endpoint) => endpoint.close()));
});

/** Uniform in [0, 1), the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("clients that leave at any stage of 100,000 requests leave no count and no memory behind", async () => {
  const random = seeded(SEED);
  const arrived = new Map<string, () => void>();
  for (const endpoint of endpoints) {
    endpoint.onRequest = (head) => {
      const id = /\r\nx-test-id: *(\d+)/.exec(head)?.[1];
      if (id !== undefined) arrived.get(id)?.();
    };
  }
  const left = STAGES.map(() => 0);
  const resident: { x: number; y: number }[] = [];
  const allocated: { x: number; y: number }[] = [];
  const lingering: RawConnection[] = [];
  let sent = 0;
  let answered = 0;
  let grownAtSettled = 0;

  async function connection(index: number): Promise<void> {
    const client = await RawConnection.open(gateway.port, `127.0.0.${2 + (index % 200)}`);
    for (let reuses = Math.floor(random() * 5); reuses > 0 && sent < REQUESTS; reuses--) {
      sent++;
      assert.equal((await client.request(WHOLE)).status, 200);
      answered++;
    }
    sent++;
    const stage = Math.floor(random() * STAGES.length);
    left[stage]!++;
    const reset = random() < 0.5;
    if (stage <= 2) {
      if (stage === 1) client.send(WHOLE.slice(0, Math.floor(random() * HEAD_BYTES)));
      if (stage === 2) client.send(WHOLE.slice(0, HEAD_BYTES + Math.floor(random() * BODY.length)));
      lingering.push(client);
      if (lingering.length > LINGERING) lingering.shift()!.close(reset);
      return;
    }
    if (stage === 3) {
      const id = String(sent);
      const arrival = new Promise<void>((resolve) => arrived.set(id, resolve));
      client.send(post("/v1/chat/completions", BODY, ["x-test-answer: never", `x-test-id: ${id}`]));
      await arrival;
      arrived.delete(id);
    } else if (stage === 4) {
      client.send(post("/v1/chat/completions", BODY, ["x-test-answer: half"]));
      await client.head();
    } else {
      assert.equal((await client.request(WHOLE)).status, 200);
      answered++;
    }
    client.close(reset);
  }

  let opened = 0;
  let sampled = 0;
  const startMs = performance.now();
  async function worker(index: number): Promise<void> {
    while (sent < (index < AT_ONCE ? REQUESTS : SETTLED)) {
      await connection(opened++);
      if (sent >= SETTLED && sent - sampled >= SAMPLE_EVERY) {
        const isFirst = sampled === 0;
        sampled = sent;
        if (isFirst) grownAtSettled = await gateway.stat("memory_growth_bytes");
        const memory = JSON.parse((await gateway.admin("/memory"))!) as { readonly allocated: string };
        resident.push({ x: sent, y: gateway.residentBytes(gateway.envoy!) });
        allocated.push({ x: sent, y: Number(memory.allocated) });
        for (const endpoint of endpoints) endpoint.release();
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE_FIRST }, (_, index) => worker(index)));
  const seconds = (performance.now() - startMs) / 1000;
  for (const client of lingering) client.close();
  for (const endpoint of endpoints) endpoint.release();

  await until("nothing is in flight", async () => {
    const rows = (await gateway.table())?.pools.flatMap((pool) => pool.endpoints);
    return rows?.length === endpoints.length && rows.every(({ inFlight }) => inFlight === 0);
  });
  const grown = (await gateway.stat("memory_growth_bytes")) - grownAtSettled;
  const residentSlope = fitSlope(resident);
  const allocatedSlope = fitSlope(allocated);
  console.log(
    `seed ${SEED}: ${sent} requests in ${seconds.toFixed(0)} s over ${opened} connections, ${answered} answered whole; ` +
      STAGES.map((stage, index) => `${left[index]} left ${stage}`).join(", "),
  );
  console.log(
    `from request ${SETTLED} on: RSS ${(resident.at(-1)!.y / 2 ** 20).toFixed(1)} MiB, slope ${shown(residentSlope)}; ` +
      `Envoy's heap ${(allocated.at(-1)!.y / 2 ** 20).toFixed(1)} MiB, slope ${shown(allocatedSlope)}; ` +
      `the guests' memories grew by ${grown} bytes`,
  );
  assert.ok(left.every((count) => count > 1000));
  assert.equal(grown, 0);
  assert.ok(isFlat(residentSlope), `RSS: ${shown(residentSlope)}`);
  assert.ok(isFlat(allocatedSlope), `heap: ${shown(allocatedSlope)}`);
});

/** Bytes a request: the smallest thing that Envoy's allocator gives takes eight, so three of four left none. */
const NEGLIGIBLE = 2;

/** Not above zero beyond three standard errors. */
function isFlat({ slope, error }: Slope): boolean {
  return slope < 3 * error + NEGLIGIBLE;
}

function shown({ slope, error }: Slope): string {
  return `${slope.toFixed(2)} ± ${error.toFixed(2)} bytes a request`;
}
