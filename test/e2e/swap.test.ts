/** The filter is replaced under load: nothing is lost, and who was replaced takes nothing back. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { wasPicked } from "../../controller/src/cli/access-log.ts";
import { Traffic } from "./client.ts";
import { compileFilter, installModule } from "./filter-builds.ts";
import { Gateway, until } from "./harness.ts";
import { post, RawConnection } from "./raw-connection.ts";
import { ScriptedEndpoint } from "./scripted-endpoint.ts";
import { TableWatch } from "./table-watch.ts";

const SWAPS = 10;
/** From the controller's new configuration to a report under it. */
const HOLDS_WITHIN_MS = 2000;
const BODY = '{"prompt":"hello","model":"m"}';
/** Tables that the newest generation must go on to apply: five seconds' worth. */
const TABLES_AFTER = 10n;

let endpoints: readonly ScriptedEndpoint[];
let gateway: Gateway;
let builds: readonly string[];

before(async () => {
  const other = compileFilter("filter-o2", "assembly/filter/index.ts", ["-O2"]);
  endpoints = await Promise.all([1, 2, 3].map(() => ScriptedEndpoint.start()));
  gateway = await Gateway.prepare({
    name: "swap",
    pools: {
      pools: [
        {
          name: "test",
          body: { read: "always" },
          scrape: { interval: "200ms" },
          endpoints: endpoints.map(({ address }) => address),
        },
      ],
    },
  });
  const product = join(gateway.folder, "product.wasm");
  copyFileSync(gateway.wasmFile, product);
  builds = [other, product];
  await gateway.startController();
  await gateway.startEnvoy();
  await gateway.picking();
});

after(async () => {
  await gateway?.stop();
  await Promise.all((endpoints ?? []).map((endpoint) => endpoint.close()));
});

/**
 * Steady traffic and held requests over ten runs of `swap`; afterwards everything must have been picked and
 * answered. `grows`: each is another module, and so of a higher generation.
 */
async function swapUnderLoad(grows: boolean, swap: (round: number) => Promise<void>): Promise<void> {
  const loggedBefore = gateway.logged().length;
  const held = await Promise.all([1, 2, 3, 4].map(() => RawConnection.open(gateway.port)));
  const watch = new TableWatch(gateway);
  const heldAnswers = held.map((connection) =>
    connection.request(post("/v1/completions", BODY, ["x-test-answer: held"])),
  );
  const traffic = new Traffic(gateway.port, 100, { body: BODY });
  const tookMs: number[] = [];
  try {
    let generation = (await until("a report", () => watch.last)).generation;
    for (let round = 0; round < SWAPS; round++) {
      const reloads = await gateway.stat("config_reload");
      await swap(round);
      const startMs = performance.now();
      await until(
        "the new configuration is loaded",
        async () => (await gateway.stat("config_reload")) > reloads,
      );
      const loadedMs = performance.now();
      const seen = await until("it reports", () => {
        const { last } = watch;
        if (last === undefined || last.atMs < loadedMs) return undefined;
        return grows && last.generation === generation ? undefined : last;
      });
      if (!grows) assert.equal(seen.generation, generation);
      tookMs.push(seen.atMs - startMs);
      generation = seen.generation;
      // Requests that start and end under this generation alone.
      const answered = traffic.outcomes.length;
      await until("picks go on", () => traffic.outcomes.length >= answered + 20);
    }
    const sequence = watch.last!.sequence;
    await until("the newest generation goes on", () => watch.last!.sequence >= sequence + TABLES_AFTER);
    const inFlight = watch.sightings.map((sighting) => sighting.inFlight);
    const least = Math.min(...inFlight.slice(inFlight.findIndex((count) => count >= held.length)));
    assert.ok(least >= held.length, `${held.length} requests are held, ${least} were counted`);
  } finally {
    for (const endpoint of endpoints) endpoint.release();
    await traffic.stop();
  }
  const answers = await Promise.all(heldAnswers);
  for (const connection of held) connection.close();
  await until("nothing is in flight", () => watch.last!.inFlight === 0).finally(() => watch.stop());

  const { outcomes } = traffic;
  const logged = await until("the access log is complete", () => {
    const entries = gateway.logged().slice(loggedBefore);
    return entries.length >= outcomes.length + held.length ? entries : undefined;
  });
  const slots = watch.sightings.map(({ liveSlots }) => liveSlots);
  console.log(
    `${SWAPS} swaps, ${outcomes.length} requests, ${traffic.failed.length} lost; new generation holds after ` +
      `${tookMs.map((ms) => ms.toFixed(0)).join(" ")} ms; at most ${Math.max(...slots)} live slots, ${slots.at(-1)} at the end`,
  );
  assert.deepEqual(traffic.failed, []);
  assert.deepEqual(
    answers.map(({ status }) => status),
    held.map(() => 200),
  );
  assert.deepEqual(
    logged.filter((entry) => !wasPicked(entry)),
    [],
  );
  assert.deepEqual(watch.setBacks, []);
  assert.ok(Math.max(...tookMs) < HOLDS_WITHIN_MS, `${tookMs}`);
}

test("ten changes of the filter's configuration under load lose nothing and none is taken back", async () => {
  await swapUnderLoad(false, async (round) => {
    const controller = gateway.controller!;
    await gateway.end(controller);
    await gateway.startController(["--filter-tick-ms", String(20 + round)]);
  });
});

test("a controller that starts again with nothing changed makes Envoy load nothing anew", async () => {
  const before = await gateway.stat("config_reload");
  await gateway.end(gateway.controller!);
  await gateway.startController();
  await until("its own settings are loaded", async () => (await gateway.stat("config_reload")) > before);
  const reloads = await gateway.stat("config_reload");
  for (let round = 0; round < 3; round++) {
    await gateway.end(gateway.controller!);
    const accepted = await gateway.stat("tables_accepted");
    await gateway.startController();
    await until("it holds the feed", async () => (await gateway.stat("tables_accepted")) >= accepted + 10);
  }
  assert.equal(await gateway.stat("config_reload"), reloads);
});

test("ten changes of the filter's module under load lose nothing and none is taken back", async () => {
  const reloads = await gateway.stat("config_reload");
  await swapUnderLoad(true, async (round) => {
    installModule(builds[round % 2]!, gateway.wasmFile, `swap-${round}`);
  });
  assert.ok((await gateway.stat("config_reload")) - reloads >= SWAPS);
});
