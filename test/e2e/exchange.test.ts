/** What one worker or one Envoy knows of prompts, the others know too, until the endpoint that had them restarts. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { request } from "./client.ts";
import { Gateway, until } from "./harness.ts";
import { post, RawConnection } from "./raw-connection.ts";

const SERVERS = 5;
const WORKERS = [0, 1] as const;
/** VMs of an Envoy: one a worker, and the main thread's. */
const VMS = 3;
/** Prompts that begin unlike each other; by chance all would meet their servers again once in 5^10. */
const TEXTS = Array.from({ length: 10 }, (_, index) => `conversation ${index}`);

const PROMPTS_TIMED = 10;
/** Tick, report and the way to the page, on a slow machine. */
const HEARD_WITHIN_MS = 1000;
const PATH = "/v1/completions";

function bodyOf(text: string): string {
  const prompt = Array.from({ length: 300 }, (_, index) => `${text} ${index}`).join(" ");
  return JSON.stringify({ model: "m", prompt, max_tokens: 4 });
}

describe("prompts", () => {
  let fleet: Fleet;
  let first: Gateway;
  let second: Gateway;
  let restarted: Fleet | undefined;
  /** Prompts sent in all. */
  let asked = 0;

  before(async () => {
    fleet = await startFleet({ count: SERVERS, speed: 4, models: ["m"] });
    first = await Gateway.start({
      name: "exchange-1",
      workers: WORKERS.length,
      pools: {
        pools: [
          {
            name: "test",
            profile: "weighted",
            scorers: [{ name: "prefix-affinity", weight: 1 }],
            models: ["m"],
            scrape: { interval: "200ms" },
            endpoints: [...fleet.addresses],
          },
        ],
      },
    });
    second = await Gateway.startBeside(first, { name: "exchange-2" });
    // A worker keeps what it hears of prompts from its first request on that asks for them, and tells of them when the
    // controller has drawn its secret.
    let round = 0;
    await until("all workers tell", async () => {
      const before = await accepted();
      const text = `to begin with ${round++}`;
      for (const gateway of [first, second])
        for (const worker of WORKERS)
          await placesOf(gateway, worker, [`${text}, ${gateway.port}, ${worker}`]);
      const heard = async () => (await accepted()) >= before + 2 * WORKERS.length;
      return until("the controller hears", heard, HEARD_WITHIN_MS).catch(() => false);
    });
  });

  after(async () => {
    await second?.stop();
    await first?.stop();
    await restarted?.close();
    await fleet?.close();
  });

  it("of one worker are known to the other, and to all workers of another Envoy", async () => {
    const [before, heard] = [await accepted(), await received(second)];
    const places = await placesOf(first, 0, TEXTS);
    assert.ok(new Set(places).size > 1, `all at ${places[0]}`);
    await until("the controller has heard", async () => (await accepted()) >= before + TEXTS.length);
    await until("the other Envoy has heard", async () => (await received(second)) >= heard + TEXTS.length);
    assert.deepEqual(await placesOf(first, 1, TEXTS), places);
    for (const worker of WORKERS)
      assert.deepEqual(await placesOf(second, worker, TEXTS), places, `${worker}`);
  });

  it("are passed on once: neither Envoy hears its own, and none tells what it was told", async () => {
    const tookMs: number[] = [];
    for (let prompt = 0; prompt < PROMPTS_TIMED; prompt++) {
      const heard = await received(second);
      await placesOf(first, 0, [`once and no more ${prompt}`]);
      const sentMs = performance.now();
      await until("the other Envoy has heard", async () => (await received(second)) > heard);
      tookMs.push(performance.now() - sentMs);
    }
    console.log(`heard by another Envoy after ${tookMs.map((ms) => ms.toFixed(0)).join(" ")} ms`);
    await placesOf(second, 1, ["and back"]);
    const told = (gateway: Gateway) => gateway.stat("inference_picker.exchange.prompts_sent");
    await until("each has heard what the other told", async () => {
      const [mine, others] = [await told(first), await told(second)];
      if (mine === 0 || others === 0 || (await accepted()) !== mine + others) return false;
      return (await received(second)) === mine && (await received(first)) === others;
    });
    // An echo would count prompts that nobody sent.
    const total = await accepted();
    assert.ok(total <= asked, `${total} told of ${asked}`);
    assert.ok(total > TEXTS.length + PROMPTS_TIMED, `${total}`);
  });

  it("outlive the controller, whose successor takes the secret from the Envoys", async () => {
    const places = await placesOf(first, 0, TEXTS);
    await first.end(first.controller!);
    await first.startController();
    await until("both Envoys are back", async () =>
      /^inference_picker_feed_streams 2$/m.test((await first.metrics()) ?? ""),
    );
    const heard = await received(second);
    let round = 0;
    await until("prompts are passed on again", async () => {
      await placesOf(first, 0, [`after the restart ${round++}`]);
      return until(
        "the other Envoy hears",
        async () => (await received(second)) > heard,
        HEARD_WITHIN_MS,
      ).catch(() => false);
    });
    for (const gateway of [first, second]) {
      for (const worker of WORKERS) assert.deepEqual(await placesOf(gateway, worker, TEXTS), places);
    }
  });

  it("are forgotten when their server restarts, by every VM of either Envoy", async () => {
    const address = fleet.addresses[0]!;
    const restarts = (gateway: Gateway) => gateway.stat("inference_picker.endpoint_restarts");
    assert.equal((await restarts(first)) + (await restarts(second)), 0);
    await fleet.servers[0]!.close();
    restarted = await startFleet({
      count: 1,
      basePort: Number(address.split(":")[1]),
      speed: 4,
      models: ["m"],
    });
    for (const gateway of [first, second]) {
      await until("every VM has heard", async () => (await restarts(gateway)) === VMS);
    }
    const places = await placesOf(first, 0, TEXTS);
    assert.equal(places.length, TEXTS.length);
  });

  it("teach how fast the servers are, as the controller's page tells of each", async () => {
    const body = JSON.stringify({
      ...{ model: "m", prompt: "tell me more", max_tokens: 30, stream: true },
      stream_options: { include_usage: true },
    });
    const POOL = 'namespace="default",name="test"';
    const value = (page: string, metric: string) =>
      Number(new RegExp(`^inference_picker_learned_${metric} (\\S+)$`, "m").exec(page)?.[1] ?? Number.NaN);
    const page = await until("answers have taught", async () => {
      const answers = await Promise.all(
        [first, second].map(({ port }) => request(port, { path: PATH, body })),
      );
      for (const { status } of answers) assert.equal(status, 200);
      const text = (await first.metrics()) ?? "";
      return value(text, `observations\\{${POOL}\\}`) >= 20 && text;
    });
    for (const of of ["step", "context_token", "sequence", "prompt_token"]) {
      assert.ok(value(page, `time_seconds\\{${POOL},of="${of}"\\}`) > 0, of);
    }
    assert.ok(value(page, `output_tokens\\{${POOL}\\}`) > 0);
    assert.ok(value(page, `tokens_per_byte\\{${POOL}\\}`) > 0);
    assert.equal(page.match(/^inference_picker_learned_slowness\{/gm)?.length, SERVERS);
  });

  it("leave the controller's secret on the feed: it is on no page", async () => {
    const pages = [await first.metrics(), JSON.stringify(await first.table()), await first.admin("/stats")];
    for (const page of pages) assert.doesNotMatch(page!, /secret/i);
    assert.doesNotMatch(first.printed("controller"), /secret/i);
  });

  /** Where a worker sends each prompt, in order. */
  async function placesOf(
    gateway: Gateway,
    worker: number,
    texts: readonly string[],
  ): Promise<readonly string[]> {
    const connection = await connectionTo(gateway, worker);
    const prompts = () => gateway.logged().filter(({ path }) => path === PATH);
    const places: string[] = [];
    for (const text of texts) {
      const before = prompts().length;
      asked++;
      const { status } = await connection.request(post(PATH, bodyOf(text)));
      assert.equal(status, 200);
      const { served } = await until("the request is in the access log", () => prompts()[before]);
      places.push(served!);
    }
    connection.close();
    return places;
  }

  /** The kernel chooses the worker, so connections to the other one are closed again. */
  async function connectionTo(gateway: Gateway, worker: number): Promise<RawConnection> {
    const active = () =>
      Promise.all(WORKERS.map((each) => gateway.stat(`worker_${each}.downstream_cx_active`)));
    for (;;) {
      await until("no connection is open", async () => (await active()).every((count) => count === 0));
      const connection = await RawConnection.open(gateway.port);
      const counts = await until("a worker takes the connection", async () => {
        const now = await active();
        return now.some((count) => count > 0) ? now : undefined;
      });
      if (counts[worker] === 1) return connection;
      connection.close();
    }
  }

  async function accepted(): Promise<number> {
    const page = (await first.metrics()) ?? "";
    return Number(/^inference_picker_feed_prefixes_total\{outcome="accepted"\} (\d+)/m.exec(page)?.[1] ?? 0);
  }

  function received(gateway: Gateway): Promise<number> {
    return gateway.stat("inference_picker.exchange.prompts_received");
  }
});
