/** One URL for many pools: the request's model chooses among them, by what their endpoints say they serve. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { request } from "./client.ts";
import { Gateway, type PoolsFile, until } from "./harness.ts";
import { RecordingEndpoint } from "./recording-endpoint.ts";

const POOL_HEADER = "x-inference-picker-pool";
const chat = (model: string | undefined) =>
  JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 2, model });

/** Waits until Envoy has this many routes: one for each pool and the plain one. */
async function settled(gateway: Gateway, entries: number): Promise<void> {
  await until(`the gateway has ${entries} routes`, async () => {
    const dump = (await gateway.admin("/config_dump?resource=dynamic_route_configs")) ?? "";
    return (dump.match(/"name": "models"/g) ?? []).length === entries;
  });
}

describe("pools that learn their models, on a route by model", () => {
  const SPEED = 50;
  let fleets: Readonly<Record<"alpha" | "beta", Fleet>>;
  let gateway: Gateway;

  before(async () => {
    fleets = {
      alpha: await startFleet({
        ...{ count: 2, speed: SPEED, namePrefix: "alpha" },
        ...{ models: ["alpha-8b"], adapters: ["alpha-sql"] },
      }),
      beta: await startFleet({ count: 2, speed: SPEED, namePrefix: "beta", models: ["beta/70b"] }),
    };
    gateway = await Gateway.start({ name: "by-model", pools: poolsOf("alpha", "beta") });
    await until("the models of both pools are known", async () => {
      const pools = (await gateway.table())?.pools ?? [];
      return pools.length === 2 && pools.every(({ models }) => models.length > 0);
    });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all(Object.values(fleets ?? {}).map((fleet) => fleet.close()));
  });

  function poolsOf(...names: readonly ("alpha" | "beta")[]): PoolsFile {
    return {
      pools: names.map((name) => ({
        name,
        scrape: { interval: "200ms" },
        discoverModels: { interval: "1s" },
        endpoints: [...fleets[name].addresses],
      })),
      routes: [{ name: "models", byModel: true, pools: names }],
    };
  }

  test("each request is served by the pool of its model", async () => {
    const models = ["alpha-8b", "alpha-sql", "beta/70b"];
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const model = models[index % models.length]!;
        const answer = await request(gateway.port, {
          path: `/v1/chat/completions?n=${index}`,
          body: chat(model),
        });
        const { model: answered } = JSON.parse(answer.body.toString()) as { readonly model: string };
        return { model, answered, status: answer.status, by: String(answer.headers["x-served-by"]) };
      }),
    );
    const wrong = answers.filter(
      ({ model, answered, status, by }) =>
        status !== 200 || answered !== model || !by.startsWith(model.startsWith("beta") ? "beta" : "alpha"),
    );
    assert.deepEqual(wrong, []);
    // All of them picked in process: the first of the list served, in the pool's own cluster.
    const entries = await until("the access log is complete", () => {
      const logged = gateway.logged().filter(({ path }) => path.startsWith("/v1/chat/completions"));
      return logged.length === answers.length ? logged : undefined;
    });
    for (const { picked, served, cluster } of entries) {
      const own: readonly string[] = fleets[cluster === "default/beta" ? "beta" : "alpha"].addresses;
      assert.equal(picked?.split(",")[0], served);
      assert.ok(own.includes(served!), `${served} of ${cluster}`);
    }
  });

  test("a model that nobody serves, and none at all, go to the first pool", async () => {
    const unknown = await request(gateway.port, { path: "/v1/chat/completions", body: chat("gamma") });
    assert.equal(unknown.status, 404);
    assert.match(String(unknown.headers["x-served-by"]), /^alpha/);
    const none = await request(gateway.port, { path: "/v1/chat/completions", body: chat(undefined) });
    assert.equal(none.status, 200);
    assert.match(String(none.headers["x-served-by"]), /^alpha/);
  });

  test("the list of models is of all pools", async () => {
    const { status, body } = await request(gateway.port, { method: "GET", path: "/v1/models" });
    const { data } = JSON.parse(body.toString()) as { readonly data: readonly { readonly id: string }[] };
    assert.equal(status, 200);
    assert.deepEqual(
      data.map(({ id }) => id),
      ["alpha-8b", "alpha-sql", "beta/70b"],
    );
  });

  test("a pool that joins or leaves the route under traffic costs no request of the others", async () => {
    const failures: string[] = [];
    const traffic = { isOn: true };
    const send = async (): Promise<void> => {
      while (traffic.isOn) {
        const { status, body } = await request(gateway.port, {
          path: "/v1/chat/completions",
          body: chat("alpha-8b"),
        });
        if (status !== 200) failures.push(`${status} ${body}`);
      }
    };
    const senders = Promise.all([send(), send()]);
    for (const names of [["alpha"], ["alpha", "beta"], ["alpha"], ["alpha", "beta"]] as const) {
      gateway.writePools(poolsOf(...names));
      await settled(gateway, names.length + 1);
    }
    await until("the pool that came back is chosen", async () => {
      const { headers } = await request(gateway.port, {
        path: "/v1/chat/completions",
        body: chat("beta/70b"),
      });
      return String(headers["x-served-by"]).startsWith("beta");
    });
    traffic.isOn = false;
    await senders;
    assert.deepEqual(failures, []);
  });
});

test("a pool that is renamed under traffic for its model loses no request", async () => {
  const [first, moved] = [await RecordingEndpoint.start(), await RecordingEndpoint.start()];
  // As a model server does that does not serve the model.
  first.answer = () => ({ status: 404, pieces: ["{}"] });
  const named = (name: string): PoolsFile => ({
    pools: [
      { name: "first", models: ["other"], endpoints: [first.address] },
      { name, models: ["m"], endpoints: [moved.address] },
    ],
    routes: [{ name: "models", byModel: true, pools: ["first", name] }],
  });
  const gateway = await Gateway.start({ name: "by-model-rename", pools: named("old") });
  const statuses = new Map<number, number>();
  const traffic = { isOn: true };
  const send = async (): Promise<void> => {
    while (traffic.isOn) {
      const { status } = await request(gateway.port, { body: chat("m") });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const senders = Promise.all([send(), send()]);
  try {
    for (const name of ["fresh", "old", "fresh", "old"]) {
      gateway.writePools(named(name));
      await until(`the routes lead to ${name} alone`, async () => {
        const dump = (await gateway.admin("/config_dump?resource=dynamic_route_configs")) ?? "";
        const other = name === "old" ? "fresh" : "old";
        return dump.includes(`default/${name}`) && !dump.includes(`default/${other}`);
      });
    }
  } finally {
    traffic.isOn = false;
    await senders;
    await gateway.stop();
    await Promise.all([first.stop(), moved.stop()]);
  }
  console.log(`${statuses.get(200)} requests over four renames`);
  assert.deepEqual([...statuses.keys()], [200]);
});

describe("the header that leads to a pool", () => {
  let endpoints: Readonly<Record<"a" | "b", RecordingEndpoint>>;

  before(async () => {
    endpoints = { a: await RecordingEndpoint.start(), b: await RecordingEndpoint.start() };
  });

  after(async () => {
    await Promise.all(Object.values(endpoints ?? {}).map((endpoint) => endpoint.stop()));
  });

  async function withGateway(
    name: string,
    editBootstrap: ((text: string) => string) | undefined,
    run: (gateway: Gateway) => Promise<void>,
  ): Promise<void> {
    const gateway = await Gateway.start({
      name,
      pools: {
        pools: (["a", "b"] as const).map((pool) => ({
          name: pool,
          models: [`model-${pool}`],
          scrape: { interval: "200ms" },
          endpoints: [endpoints[pool].address],
        })),
        routes: [{ name: "models", byModel: true, pools: ["a", "b"] }],
      },
      ...(editBootstrap === undefined ? {} : { editBootstrap }),
    });
    try {
      await run(gateway);
    } finally {
      await gateway.stop();
    }
  }

  /** Who got the request, and what it said there of pool and model. */
  function takenBy(path: string): readonly (readonly [string, unknown, unknown])[] {
    return (["a", "b"] as const).flatMap((pool) =>
      endpoints[pool]
        .take(path)
        .map(({ headers }) => [pool, headers[POOL_HEADER], headers["x-gateway-model-name"]] as const),
    );
  }

  test("is the filter's: a client's own chooses nothing, and no endpoint sees one", async () => {
    await withGateway("by-model-header", undefined, async (gateway) => {
      const headers = { [POOL_HEADER]: "default/b" };
      await request(gateway.port, { path: "/one/v1/completions", headers, body: chat("model-a") });
      await request(gateway.port, { path: "/two/v1/completions", headers: {}, body: chat("model-b") });
      assert.deepEqual(takenBy("/one/v1/completions"), [["a", undefined, "model-a"]]);
      assert.deepEqual(takenBy("/two/v1/completions"), [["b", undefined, "model-b"]]);
    });
  });

  test("leads to its pool's route among several of one name, where Envoy lets it through", async () => {
    const keep = (text: string) => text.replace(new RegExp(`^ *- remove: ${POOL_HEADER}\\n`, "m"), "");
    await withGateway("by-model-routes", keep, async (gateway) => {
      await settled(gateway, 3);
      const headers = { [POOL_HEADER]: "default/b" };
      await request(gateway.port, { method: "GET", path: "/three", headers });
      await request(gateway.port, {
        method: "GET",
        path: "/four",
        headers: { [POOL_HEADER]: "default/nowhere" },
      });
      assert.deepEqual(
        takenBy("/three").map(([pool, header]) => [pool, header]),
        [["b", undefined]],
      );
      assert.deepEqual(
        takenBy("/four").map(([pool, header]) => [pool, header]),
        [["a", undefined]],
      );
    });
  });
});
