import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { FEED_CLUSTER, PICK_HEADER } from "../../controller/src/xds/names.ts";
import { endpointRow, poolRow } from "../emulator/filter-rig.ts";
import { Backend, type Behaviour } from "./backend.ts";
import { type Answer, burst, request, servedOf } from "./client.ts";
import { FakeController, withCluster } from "./fake-controller.ts";
import { Gateway, until } from "./harness.ts";

const BODY = JSON.stringify({ prompt: "hello", max_tokens: 1 });
const REASON = "x-inference-picker-reason";

describe("a picked list", () => {
  let backends: readonly Backend[];
  let fake: FakeController;
  let gateway: Gateway;
  let tests = 0;

  before(async () => {
    backends = await Promise.all([1, 2, 3].map(() => Backend.start()));
    fake = await FakeController.start(1n, table());
    gateway = await Gateway.start({
      name: "retry",
      pools: {
        pools: [
          { name: "close", endpoints: backends.map(({ address }) => address) },
          { name: "open", failureMode: "FailOpen", endpoints: backends.map(({ address }) => address) },
        ],
        routes: [{ pathPrefix: "/open", pools: ["open"] }, { pools: ["close"] }],
      },
      editBootstrap: (text) => withCluster(text, FEED_CLUSTER, [fake.port]),
    });
    await until("every backend is in both clusters", async () => {
      const clusters = (await gateway.admin("/clusters")) ?? "";
      return ["close", "open"].every((name) =>
        backends.every(({ address }) => clusters.includes(`default/${name}::${address}::`)),
      );
    });
  });

  afterEach(async () => {
    for (const backend of backends) {
      backend.behaviour = { kind: "serve" };
      if (!backend.listening) await backend.listen();
    }
  });

  after(async () => {
    await gateway?.stop();
    fake?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  const failures: Readonly<Record<string, (backend: Backend) => void | Promise<void>>> = {
    "refuses connections": (backend) => backend.refuse(),
    "resets the request": behave({ kind: "reset" }),
    "answers 500": behave({ kind: "status", status: 500 }),
    "answers 502": behave({ kind: "status", status: 502 }),
    "answers 503": behave({ kind: "status", status: 503 }),
    "answers 429": behave({ kind: "status", status: 429 }),
  };

  for (const [what, fail] of Object.entries(failures)) {
    it(`is walked to its second entry where the first ${what}`, async () => {
      await fail(backends[0]!);
      const { entry, answer } = await send();
      assert.equal(servedOf(answer).served, backends[1]!.address);
      assert.equal(entry.picked, backends.map(({ address }) => address).join(","));
      assert.equal(entry.served, backends[1]!.address);
      assert.equal(entry.attempts, 2);
    });

    it(`is walked to its third entry where the first two fail and one ${what}`, async () => {
      await fail(backends[0]!);
      backends[1]!.behaviour = { kind: "status", status: 503 };
      const { entry, answer } = await send();
      assert.equal(servedOf(answer).served, backends[2]!.address);
      assert.equal(entry.attempts, 3);
    });
  }

  it("sends the whole body again at each attempt", async () => {
    const [first, second, third] = backends;
    first!.behaviour = { kind: "status", status: 503 };
    second!.behaviour = { kind: "reset" };
    await send();
    const hashes = [first, second, third].map((backend) => backend!.received.at(-1)!.sha256);
    assert.equal(new Set(hashes).size, 1);
    assert.equal(third!.received.at(-1)!.bytes, BODY.length);
  });

  it("ends with the last endpoint's own answer where all fail", async () => {
    for (const backend of backends) backend.behaviour = { kind: "status", status: 429 };
    const { entry, answer } = await send();
    assert.equal(answer.status, 429);
    assert.equal((JSON.parse(answer.body.toString()) as { served: string }).served, backends[2]!.address);
    assert.equal(entry.attempts, 3);
  });

  it("is not retried after an answer that is the request's own fault", async () => {
    backends[0]!.behaviour = { kind: "status", status: 400 };
    const { entry, answer } = await send();
    assert.equal(answer.status, 400);
    assert.equal(entry.attempts, 1);
  });

  it("is never the client's own, nor is the number of retries", async () => {
    backends[0]!.behaviour = { kind: "status", status: 503 };
    for (const forged of [backends[2]!.address, "10.1.2.3:80", "", "x".repeat(5000)]) {
      const { entry, answer } = await send({
        headers: {
          [PICK_HEADER]: forged,
          x_gateway_destination_endpoint: forged,
          "x-envoy-max-retries": "0",
        },
      });
      assert.equal(servedOf(answer).served, backends[1]!.address);
      assert.equal(entry.attempts, 2);
    }
  });

  it("that is empty is refused with a reason under FailClose, whatever the client names", async () => {
    fake.send(fake.table(table({ ready: false })));
    await everyWorkerAnswers(503);
    for (const headers of [{}, { [PICK_HEADER]: backends[0]!.address }]) {
      const { entry, answer } = await send({ headers });
      assert.equal(answer.status, 503);
      assert.equal(answer.headers[REASON], "no_ready_endpoint");
      assert.equal(answer.headers["retry-after"], "1");
      const { error } = JSON.parse(answer.body.toString()) as { error: { type: string } };
      assert.equal(error.type, "server_error");
      assert.equal(entry.served, null);
      assert.equal(entry.details, "inference_picker_no_ready_endpoint");
    }
  });

  it("that is empty leaves the choice to Envoy under FailOpen, not to the client", async () => {
    const unpicked = await gateway.stat("inference_picker.fail_open");
    const { byServer, problems } = await burst(gateway.port, 30, 3, {
      path: "/open/forged",
      headers: { [PICK_HEADER]: backends[0]!.address },
      body: BODY,
    });
    assert.deepEqual(problems, []);
    assert.equal(byServer.size, backends.length, "Envoy takes turns");
    assert.equal((await gateway.stat("inference_picker.fail_open")) - unpicked, 30);
    const { entry } = await send({ path: "/open/log" });
    assert.equal(entry.picked, null);
  });

  it("that is empty under FailOpen is retried on another host of Envoy's choice", async () => {
    backends[0]!.behaviour = { kind: "status", status: 503 };
    const { problems } = await burst(gateway.port, 30, 3, { path: "/open/retried", body: BODY });
    assert.deepEqual(problems, []);
  });

  it("comes back with the endpoints", async () => {
    fake.send(fake.table(table()));
    await everyWorkerAnswers(200);
    const { entry } = await send();
    assert.equal(entry.served, backends[0]!.address);
  });

  it("never reaches an endpoint, at a first attempt or a retry", () => {
    const received = backends.flatMap((backend) => backend.received);
    assert.ok(received.length > 0);
    const seen = received.filter(({ headers }) => PICK_HEADER in headers || "x-envoy-max-retries" in headers);
    assert.deepEqual(seen, []);
  });

  /** Sends requests, each over a connection of its own, until so many in a row that no worker can be without the table. */
  async function everyWorkerAnswers(status: number): Promise<void> {
    let inARow = 0;
    await until(`every worker answers ${status}`, async () => {
      inARow = (await request(gateway.port)).status === status ? inARow + 1 : 0;
      return inARow >= 16;
    });
  }

  /** Both pools, in which the first backend is the best, the third the worst. */
  function table({ ready = true } = {}): readonly PoolRow[] {
    return (["close", "open"] as const).map((name) =>
      poolRow({
        name: `default/${name}`,
        clusters: [`default/${name}`],
        failureMode: name === "open" ? "FailOpen" : "FailClose",
        profile: "epp",
        staleAfterMs: 3_600_000,
        endpoints: backends.map(({ address }, index) =>
          endpointRow(address, { ready, queuedRequests: index * 20 }),
        ),
      }),
    );
  }

  async function send(
    options: { readonly path?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<{ answer: Answer; entry: Awaited<ReturnType<Gateway["entryOf"]>> }> {
    const path = `${options.path ?? "/v1"}/${++tests}`;
    const answer = await request(gateway.port, { ...options, path, body: BODY });
    return { answer, entry: await gateway.entryOf(path) };
  }
});

function behave(behaviour: Behaviour): (backend: Backend) => void {
  return (backend) => {
    backend.behaviour = behaviour;
  };
}
