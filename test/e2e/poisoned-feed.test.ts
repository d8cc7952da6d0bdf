import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { FEED_CLUSTER } from "../../controller/src/xds/names.ts";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { endpointRow, poolRow } from "../emulator/filter-rig.ts";
import { caseFile, loadCases } from "../golden/case.ts";
import { Backend } from "./backend.ts";
import { burst } from "./client.ts";
import { FakeController, withCluster } from "./fake-controller.ts";
import { Gateway, pool, until } from "./harness.ts";

const OVERSIZED_BYTES = L.MAX_MESSAGE_BYTES + 1_000_000;

describe("a poisoned feed", () => {
  let backends: readonly Backend[];
  let fake: FakeController;
  let gateway: Gateway;

  before(async () => {
    backends = await Promise.all([1, 2, 3].map(() => Backend.start()));
    // Older than the tables that the golden cases hold, so that none of those is passed over for its age.
    fake = await FakeController.start(1n, [idle(0)]);
    gateway = await Gateway.start({
      name: "poisoned-feed",
      pools: pool(backends),
      editBootstrap: (text) => withCluster(text, FEED_CLUSTER, [fake.port]),
    });
  });

  after(async () => {
    await gateway?.stop();
    fake?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  it("is steered by its good table before anything else", async () => {
    await picksGoTo(backends[0]!);
  });

  const poisons: Readonly<Record<string, () => Uint8Array>> = {
    "no bytes at all": () => new Uint8Array(0),
    garbage: () => Uint8Array.from({ length: 5000 }, (_, index) => (index * 131) & 0xff),
    "a table cut in its header": () => next().subarray(0, 21),
    "a table cut in its rows": () => next().subarray(0, 300),
    "a message beyond the largest": () => {
      const message = new Uint8Array(OVERSIZED_BYTES);
      message.set(next());
      new DataView(message.buffer).setUint32(L.HEADER_TOTAL_BYTES, OVERSIZED_BYTES, true);
      return message;
    },
    "a future version": () => edited((view) => view.setUint16(L.HEADER_VERSION, L.VERSION + 1, true)),
    "a foreign byte order": () => edited((view) => view.setUint32(L.HEADER_MAGIC, L.MAGIC, false)),
    "the same table again": () => fake.greeting,
    ...Object.fromEntries(
      loadCases()
        .filter(({ expect }) => expect.verdict !== "ACCEPTED")
        .map(({ name }) => [`golden case ${name}`, () => readFileSync(caseFile(name, "bin"))]),
    ),
  };

  for (const [name, message] of Object.entries(poisons)) {
    it(`changes nothing and counts a refusal for ${name}`, async () => {
      const refused = await gateway.stat("inference_picker.feed.tables_refused");
      const accepted = await gateway.stat("inference_picker.feed.tables_accepted");
      fake.send(message());
      await until(
        "the refusal is counted",
        async () => (await gateway.stat("inference_picker.feed.tables_refused")) === refused + 1,
      );
      assert.equal(await gateway.stat("inference_picker.feed.tables_accepted"), accepted);
      await picksGoTo(backends[0]!);
    });
  }

  it("is still listened to: the next good table over the same stream steers", async () => {
    assert.equal(fake.opened, 1);
    fake.send(fake.table([idle(1)]));
    await until("the table is applied", async () => {
      const { byServer } = await burst(gateway.port, 32, 16);
      return byServer.size === 1 && byServer.has(backends[1]!.address);
    });
    await picksGoTo(backends[1]!);
    await until("the refusals are reported to the controller", () => {
      return fake.reports.at(-1)?.tablesRefused === Object.keys(poisons).length;
    });
    assert.equal(await gateway.stat("inference_picker.feed.tables_unreadable"), 0);
    assert.doesNotMatch(gateway.printed("envoy"), /Function: proxy_\w+ failed|Uncaught RuntimeError/);
  });

  /** The pool in which one backend is idle and the others have long queues. */
  function idle(index: number): PoolRow {
    return poolRow({
      name: "default/test",
      clusters: ["default/test"],
      profile: "epp",
      staleAfterMs: 3_600_000,
      endpoints: backends.map(({ address }, at) =>
        endpointRow(address, { queuedRequests: at === index ? 0 : 50 }),
      ),
    });
  }

  /** A table that would move every pick to the second backend, if it were taken. */
  function next(): Uint8Array {
    return fake.table([idle(1)]);
  }

  function edited(edit: (view: DataView) => void): Uint8Array {
    const bytes = next();
    edit(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return bytes;
  }

  async function picksGoTo(backend: Backend): Promise<void> {
    const { byServer, problems } = await burst(gateway.port, 20);
    assert.deepEqual(problems, []);
    assert.deepEqual([...byServer.keys()], [backend.address]);
  }
});
