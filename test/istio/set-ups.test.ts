/** A real istiod and stock Envoys: what `istio generate` prints is applied, and must lead every request by the pick. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { wasPicked } from "../../controller/src/cli/access-log.ts";
import { parseControllerTable } from "../../controller/src/doctor/controller-table.ts";
import { checkEnvoy } from "../../controller/src/doctor/envoy-checks.ts";
import type { Manifest } from "../../controller/src/istio/generate.ts";
import { SET_UPS, type SetUpKind } from "../../controller/src/istio/set-up.ts";
import { until } from "../kubernetes/until.ts";
import { filterChains, missingPatches } from "./config-dump.ts";
import { gatewayObjects, labelsOf } from "./gateways.ts";
import type { LoggedRequest } from "./istiod.ts";
import { DEMO, EDGE, Mesh, SERVERS } from "./mesh.ts";
import type { Router } from "./router.ts";
import { Clients, completion, Load, type Outcome } from "./traffic.ts";

const COMMAND = fileURLToPath(new URL("../../build/js/inference-picker.js", import.meta.url));
const REQUESTS = 200;
const AT_ONCE = 8;
/** Requests that must come between two changes, so that there is load at each. */
const BETWEEN = 100;
const SWAPS = 5;
/** Looked at after each of them. */
const TABLES = 5;
/** Longer than Envoy's default buffer, and than a chunk. */
const LONG_BYTES = 3_000_000;
const FORGED = "10.255.255.1:1";

let mesh: Mesh;

before(async () => {
  mesh = await Mesh.start();
});

after(async () => {
  await mesh?.stop();
});

for (const kind of SET_UPS) {
  describe(`set-up ${kind}`, () => {
    let router: Router;
    let manifests: readonly Manifest[];
    let lostAtFirst: readonly Outcome[] | undefined;

    before(async () => {
      const labels = labelsOf(kind);
      router = await mesh.router(kind, labels, ({ ip }) => mesh.apply(...gatewayObjects(kind, ip)));
      if (kind !== "inferencepool") await answers(router);
      manifests = await generated(kind, []);
      await until("a listener", async () => filterChains(await router.configDump()).length > 0);
      // Else what is asserted of them later would say nothing.
      const missing = missingPatches(await router.configDump(), manifests);
      assert.equal(missing.length, patchCount(manifests), missing.join("\n"));
      // Behind an InferencePool whose picker nobody runs there is no traffic yet.
      const load = kind === "inferencepool" ? undefined : new Load(router.url, AT_ONCE);
      try {
        await mesh.apply(...manifests.slice(0, -1));
        await until("the filter has its table", async () => (await router.stat("tables_accepted")) > 0);
        await until("no connection goes past it", async () => (await router.stat("_draining")) === 0);
        await mesh.apply(...manifests.slice(-1));
        await inForce(router, manifests);
        await answers(router, ({ picked }) => picked !== null);
      } finally {
        await load?.stop();
      }
      lostAtFirst = load?.failed;
    });

    after(async () => {
      await router?.stop();
    });

    if (kind !== "inferencepool") {
      it("came under load without losing a request", () => {
        assert.deepEqual(lostAtFirst, []);
      });
    }

    it("has every patch in force, the filters in their order", async () => {
      const dump = await router.configDump();
      assert.deepEqual(missingPatches(dump, manifests), []);
      const chains = filterChains(dump).map((chain) => chain.map(({ name }) => name));
      assert.ok(chains.length > 0);
      const last =
        kind === "wasmplugin"
          ? ["inference-picker-metadata", "envoy.filters.http.router"]
          : [
              "inference-picker",
              "inference-picker-header",
              "inference-picker-metadata",
              "envoy.filters.http.router",
            ];
      for (const chain of chains) {
        assert.equal(chain[0], "inference-picker-strip");
        assert.deepEqual(chain.slice(-last.length), last);
        const isPlugin = (name: string) => name.includes(`${EDGE}.${nameOf(kind)}`);
        assert.equal(chain.some(isPlugin), kind === "wasmplugin", chain.join());
        assert.ok(!chain.includes("envoy.filters.http.ext_proc"));
      }
      assert.match(router.printed(), /^(?!.*rejected)/s);
    });

    it("is in order to the doctor", async () => {
      const read = async (url: string) => {
        const { pathname, search } = new URL(url);
        const body = await router.admin(pathname + search);
        return body === undefined ? { status: 503, body: "" } : { status: 200, body };
      };
      const table = parseControllerTable(await mesh.table());
      assert.ok(table !== undefined);
      const checks = await checkEnvoy(kind, table, read);
      assert.deepEqual(
        checks.filter(({ status }) => status !== "ok"),
        [],
      );
      assert.ok(checks.some(({ name }) => name === `pool ${DEMO}/llama`));
    });

    it(`sends ${REQUESTS} requests exactly where the filter picked`, async () => {
      const { outcomes, logged } = await requests(router, `/v1/completions`);
      assert.deepEqual(
        outcomes.filter(({ status }) => status !== 200),
        [],
      );
      assert.equal(logged.length, REQUESTS);
      assert.deepEqual(
        logged.filter((entry) => !isPicked(entry)),
        [],
      );
      const hosts = new Set(logged.map(({ served }) => served));
      assert.equal(hosts.size, SERVERS, [...hosts].join());
      // The body was read, or it was not; either way no endpoint sees the list.
      const models = new Set(logged.map(({ model }) => model));
      assert.deepEqual([...models], [kind === "wasmplugin" ? null : "llama"]);
      assert.deepEqual(
        logged.filter(({ left }) => left !== null),
        [],
      );
    });

    it("takes long bodies, and no client's word for where a request goes", async () => {
      const clients = new Clients(router.url);
      const path = `/v1/completions?${kind}-long`;
      const forged = { "x-gateway-destination-endpoint": FORGED, "x-envoy-max-retries": "9" };
      const outcome = await clients.send(path, completion(LONG_BYTES), forged);
      await clients.close();
      assert.deepEqual(outcome, { status: 200, problem: undefined });
      const entry = await until("it is logged", () => router.logged().find((entry) => entry.path === path));
      assert.ok(isPicked(entry), JSON.stringify(entry));
      assert.ok(!entry.picked!.includes(FORGED));
    });

    it("loses no request while its configuration changes, and is counted once", async () => {
      const load = new Load(router.url, AT_ONCE);
      const loggedBefore = router.logged().length;
      let generation = 0n;
      try {
        for (let swap = 1; swap <= SWAPS; swap++) {
          const more = ["--filter-tick-ms", String(25 + swap)];
          manifests = await generated(kind, more, swap);
          const wanted = generationOf(manifests);
          await mesh.apply(...manifests);
          await inForce(router, manifests);
          await until("the new generation reports", async () => {
            const envoy = await reportOf(kind);
            if (envoy === undefined) return false;
            assert.ok(BigInt(envoy.generation) >= generation, `${generation} → ${envoy.generation}`);
            generation = BigInt(envoy.generation);
            return envoy.generation === wanted;
          });
          const answered = load.outcomes.length;
          await until("requests go on", () => load.outcomes.length >= answered + BETWEEN);
          // Not before: a VM that was replaced says a tick later that its last requests have ended.
          // VMs tell at ticks of their own, so that in one table a request that ended and the next one can both count; what
          // is counted twice stays so in most of them.
          const inFlight = (await inFlightOf(kind, TABLES)).toSorted((left, right) => left - right);
          assert.ok(inFlight[TABLES >> 1]! <= load.atOnce, `${inFlight.join(", ")} in flight`);
        }
      } finally {
        await load.stop();
      }
      assert.deepEqual(load.failed, []);
      const logged = await allLogged(router, loggedBefore + load.outcomes.length);
      assert.deepEqual(
        logged.slice(loggedBefore).filter((entry) => !isPicked(entry)),
        [],
      );
      await until("nothing is in flight", async () => (await reportOf(kind))?.inFlight === 0);
      console.log(`${kind}: ${SWAPS} changes, ${load.outcomes.length} requests, none lost`);
    });

    it("sends to a server that comes, and loses no request to one that goes", async () => {
      const name = `vllm-${kind}`;
      const load = new Load(router.url, AT_ONCE);
      const loggedBefore = router.logged().length;
      try {
        const address = await mesh.startServer(name);
        const isThere = ({ served }: LoggedRequest) => served === address;
        await until("the new server serves", () => router.logged().some(isThere));
        await mesh.stopServer(name);
        await until("no table has it", async () => {
          const { pools } = await mesh.table();
          return pools[0]!.endpoints.every((endpoint) => endpoint.address !== address);
        });
        const answered = load.outcomes.length;
        await until("requests go on", () => load.outcomes.length >= answered + BETWEEN);
      } finally {
        await load.stop();
      }
      assert.deepEqual(load.failed, []);
      const logged = await allLogged(router, loggedBefore + load.outcomes.length);
      // Istio may be later than the table: then the next of the list is sent to.
      const elsewhere = logged
        .slice(loggedBefore)
        .filter(({ picked, served }) => !(picked ?? "").split(",").includes(served!));
      assert.deepEqual(elsewhere, []);
    });

    it("goes on as before when istiod is killed, and when it is back", async () => {
      const dumped = missingPatches(await router.configDump(), manifests);
      const load = new Load(router.url, AT_ONCE);
      const loggedBefore = router.logged().length;
      try {
        await mesh.istiod.kill();
        await until("requests go on", () => load.outcomes.length >= BETWEEN);
        await mesh.istiod.restart();
        const answered = load.outcomes.length;
        await until("Envoy is connected again", async () => {
          return (await router.stat("control_plane.connected_state")) === 1;
        });
        await until("requests go on", () => load.outcomes.length >= answered + BETWEEN);
      } finally {
        await load.stop();
      }
      assert.deepEqual(load.failed, []);
      const logged = await allLogged(router, loggedBefore + load.outcomes.length);
      assert.deepEqual(
        logged.slice(loggedBefore).filter((entry) => !isPicked(entry)),
        [],
      );
      assert.deepEqual([...dumped, ...missingPatches(await router.configDump(), manifests)], []);
    });

    // Without it Istio's own picker would be asked again, which nobody runs.
    if (kind === "inferencepool") return;
    it("goes under load without losing a request, the last object first", async () => {
      const load = new Load(router.url, AT_ONCE);
      try {
        for (const manifest of [...manifests].reverse()) {
          await mesh.cluster.admin.delete(manifest);
          const answered = load.outcomes.length;
          await until("requests go on", () => load.outcomes.length >= answered + BETWEEN);
        }
        await until("no filter is left", async () => {
          const names = filterChains(await router.configDump()).flat();
          return names.length > 0 && names.every(({ name }) => !name.includes("picker"));
        });
        const answered = load.outcomes.length;
        await until("requests go on", () => load.outcomes.length >= answered + BETWEEN);
      } finally {
        await load.stop();
      }
      assert.deepEqual(load.failed, []);
    });
  });
}

/** What the set-up's gateway reports; it is one Envoy, however many VMs it has. */
async function reportOf(kind: SetUpKind) {
  const { sequence, envoys } = await mesh.table();
  const found = envoys.filter(({ node }) => node.includes(`~${kind}.`));
  assert.ok(found.length <= 1, JSON.stringify(found));
  return found[0] && { ...found[0], sequence };
}

/** What was in flight when each of so many tables in a row was made. */
async function inFlightOf(kind: SetUpKind, tables: number): Promise<readonly number[]> {
  const bySequence = new Map<string, number>();
  await until(`${tables} tables`, async () => {
    const report = await reportOf(kind);
    if (report !== undefined) bySequence.set(report.sequence, report.inFlight);
    return bySequence.size >= tables;
  });
  return [...bySequence.values()];
}

/** Sent to the first of the list that the filter gave, at the first attempt. */
function isPicked(entry: LoggedRequest): boolean {
  return entry.attempts === 1 && wasPicked({ ...entry, duration_ms: 0, cluster: null });
}

/** What the command prints, `later` seconds from now. */
async function generated(kind: SetUpKind, more: readonly string[], later = 0): Promise<readonly Manifest[]> {
  const labels = Object.entries(labelsOf(kind)).map(([key, value]) => `${key}=${value}`);
  const args = [
    ...["istio", "generate", "--setup", kind, "--namespace", EDGE],
    ...["--gateway-labels", labels.join(","), "--controller", mesh.controller],
    ...["--authority", "inference-picker.test", "--wasm-url", `file://${mesh.wasmFile}`],
    ...["--pools", kind === "inferencepool" ? `${DEMO}/llama` : `${DEMO}/llama:vllm:8000`],
    // The three gateways share a namespace.
    ...["--name", nameOf(kind)],
    ...(later === 0 ? [] : ["--generation", String(Math.floor(Date.now() / 1000) + later)]),
    ...(kind === "inferencepool" ? [] : ["--routes", `inference=${DEMO}/llama`]),
    ...more,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, ...args]);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}

/** A WasmPlugin is one. */
function patchCount(manifests: readonly Manifest[]): number {
  const counts = manifests.map(
    ({ spec }) => (spec.configPatches as readonly unknown[] | undefined)?.length ?? 1,
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function nameOf(kind: SetUpKind): string {
  return `picker-${kind}`;
}

function generationOf(manifests: readonly Manifest[]): string {
  return /generation\\*":(\d+)/.exec(JSON.stringify(manifests))![1]!;
}

async function inForce(router: Router, manifests: readonly Manifest[]): Promise<void> {
  let missing: readonly string[] = [];
  await until("all patches are in force", async () => {
    missing = missingPatches(await router.configDump(), manifests);
    return missing.length === 0;
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${missing.join("\n")}`);
  });
}

/** Resolves when so many requests in a row were answered as wanted. */
async function answers(
  router: Router,
  wanted: (entry: LoggedRequest) => boolean = () => true,
): Promise<void> {
  const clients = new Clients(router.url);
  let inARow = 0;
  await until("requests are answered", async () => {
    const path = `/health?warm-up-${clients.outcomes.length}`;
    const { status } = await clients.send(path);
    if (status === 0) return false;
    const entry = await until("it is logged", () => router.logged().findLast((entry) => entry.path === path));
    inARow = status === 200 && wanted(entry) ? inARow + 1 : 0;
    return inARow >= 8;
  });
  await clients.close();
}

async function allLogged(router: Router, count: number): Promise<readonly LoggedRequest[]> {
  await until("the access log is complete", () => router.logged().length >= count);
  return router.logged();
}

/** As many requests to a path as REQUESTS, and what the gateway logged of them. */
async function requests(router: Router, path: string) {
  const clients = new Clients(router.url);
  const first = router.logged().length;
  await clients.burst(REQUESTS, AT_ONCE, () => clients.send(path, completion()));
  await clients.close();
  const logged = await allLogged(router, first + REQUESTS);
  return { outcomes: clients.outcomes, logged: logged.slice(first) };
}
