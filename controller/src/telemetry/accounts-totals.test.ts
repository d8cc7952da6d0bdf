import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import * as L from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import { type AccountRow, type AccountsMessage, countKey } from "../table/accounts.ts";
import { AccountsTotals } from "./accounts-totals.ts";

const REQUESTS = countKey(L.GROUP_COUNTERS, L.COUNTER_REQUESTS);
const HOUR_MS = 3_600_000;

function row(requests: number, over: Partial<AccountRow> = {}): AccountRow {
  return {
    pool: "ns/a",
    model: "llama",
    target: "llama",
    running: 0,
    counts: new Map([[REQUESTS, requests]]),
    ...over,
  };
}

describe("totals of accounts", () => {
  let nowMs: number;
  let totals: AccountsTotals;
  let sequence: bigint;

  beforeEach(() => {
    nowMs = 5_000_000;
    sequence = 0n;
    totals = new AccountsTotals(() => nowMs);
    nowMs += HOUR_MS;
  });

  /** The next message of a VM, which started a second ago unless told otherwise. */
  function message(rows: readonly AccountRow[], over: Partial<AccountsMessage> = {}): AccountsMessage {
    sequence += 1n;
    return { vm: 1n, sequence, node: "envoy", ageMs: 1000, rows, ...over };
  }

  const requests = (model = "llama") =>
    totals
      .list()
      .find((each) => each.model === model)
      ?.counts.get(REQUESTS) ?? 0;

  it("add only what a message has beyond the VM's last one", () => {
    totals.add(message([row(3)]));
    totals.add(message([row(3)]));
    totals.add(message([row(10)]));
    assert.equal(requests(), 10);
  });

  it("add the VMs up, those that are gone too", () => {
    totals.add(message([row(3)]));
    totals.add(message([row(4)], { vm: 2n }));
    nowMs += 2 * HOUR_MS;
    totals.add(message([row(5)], { vm: 3n }));
    assert.equal(requests(), 12);
    assert.equal(totals.size, 1);
  });

  it("count a message once that two holders of the feed pass on, in whatever order", () => {
    const first = message([row(3)]);
    const second = message([row(7)]);
    for (const each of [second, first, second, first]) totals.add(each);
    assert.equal(requests(), 7);
  });

  it("begin where a VM stands that is older than this process", () => {
    totals.add(message([row(1000)], { ageMs: 2 * HOUR_MS }));
    assert.equal(requests(), 0);
    totals.add(message([row(1002), row(4, { model: "new" })], { ageMs: 2 * HOUR_MS + 1000 }));
    assert.equal(requests(), 2);
    assert.equal(requests("new"), 4);
  });

  it("count a VM that started after this process from its start", () => {
    nowMs -= HOUR_MS - 10_000;
    totals.add(message([row(50)], { ageMs: 9000 }));
    totals.add(message([row(60)], { vm: 2n, ageMs: 11_000 }));
    assert.equal(requests(), 50);
  });

  it("never count a VM anew that was forgotten and comes back", () => {
    totals.add(message([row(50)]));
    nowMs += 700_000;
    assert.equal(requests(), 50);
    assert.equal(totals.size, 0);
    totals.add(message([row(52)], { ageMs: 701_000 }));
    assert.equal(requests(), 50);
    totals.add(message([row(53)], { ageMs: 702_000 }));
    assert.equal(requests(), 51);
  });

  it("never fall, whatever a VM says", () => {
    totals.add(message([row(50)]));
    totals.add(message([row(3)]));
    totals.add(message([]));
    assert.equal(requests(), 50);
  });

  it("have what runs in the VMs that are heard of, and nothing of one that fell silent", () => {
    const running = () => totals.list().map((each) => [each.model, each.running]);
    totals.add(message([row(0, { running: 2, counts: new Map() })]));
    totals.add(message([row(1, { running: 3 })], { vm: 2n }));
    assert.deepEqual(running(), [["llama", 5]]);
    nowMs += 59_000;
    totals.add(message([row(2, { running: 1 })], { vm: 2n }));
    assert.deepEqual(running(), [["llama", 3]]);
    nowMs += 59_000;
    assert.deepEqual(running(), [["llama", 1]]);
    nowMs += 59_000;
    assert.deepEqual(running(), [["llama", 0]]);
  });

  it("leave out counts that are not known here", () => {
    const counts = new Map([
      [REQUESTS, 1],
      [countKey(L.GROUP_COUNTERS, L.COUNTERS), 5],
      [countKey(15, 0), 5],
      [countKey(L.GROUP_BUCKETS + 60, 0), 5],
    ]);
    totals.add(message([row(0, { counts })]));
    assert.deepEqual([...totals.list()[0]!.counts], [[REQUESTS, 1]]);
  });

  it("put what has no room into one row, and lose none of it", () => {
    for (let vm = 0n; vm < 6n; vm++) {
      const rows = Array.from({ length: 512 }, (_, index) => row(1, { model: `${vm}-${index}` }));
      totals.add(message(rows, { vm }));
    }
    totals.add(message([row(0, { model: "late", running: 3, counts: new Map() })], { vm: 7n }));
    totals.add(message([row(0, { model: "later", running: 4 })], { vm: 8n }));
    const rows = totals.list();
    assert.equal(rows.length, 2049);
    assert.equal(rows.at(-1)!.running, 7);
    const sum = rows.reduce((total, { counts }) => total + (counts.get(REQUESTS) ?? 0), 0);
    assert.equal(sum, 6 * 512);
    assert.equal(rows.at(-1)!.pool, "");
  });

  it("remember names as the counts that would take as much room", () => {
    const rows = (vm: number) =>
      Array.from({ length: 512 }, (_, index) =>
        row(0, { model: `${vm}-${index}-`.padEnd(256, "m"), target: "t".repeat(256), counts: new Map() }),
      );
    let vms = 0n;
    const fill = () => {
      for (; vms < 4000n; vms++) totals.add(message(rows(Number(vms)), { vm: vms }));
    };
    assert.throws(fill, (error: unknown) => error instanceof PickerError && error.bound === 1_000_000);
    // 516 characters of two bytes, and the row's 400: as much as 36 counts.
    assert.equal(vms, BigInt(Math.floor(1_000_000 / (512 * 36))));
  });

  it("refuse more VMs than they may remember, and take those that they know", () => {
    for (let vm = 0n; vm < 4096n; vm++) totals.add(message([row(1)], { vm }));
    const refused = (error: unknown) => error instanceof PickerError && error.bound === 4096;
    assert.throws(() => totals.add(message([row(1)], { vm: 5000n })), refused);
    totals.add(message([row(2)], { vm: 0n }));
    assert.equal(requests(), 4097);
  });

  it("refuse more counts than they may remember, and take them once there is room", () => {
    const counts = new Map(Array.from({ length: 1000 }, (_, index) => [countKey(15, index), 1] as const));
    const rows = Array.from({ length: 500 }, (_, index) => row(0, { model: `${index}`, counts }));
    totals.add(message(rows, { vm: 1n }));
    const refused = (error: unknown) => error instanceof PickerError && error.bound === 1_000_000;
    assert.throws(() => totals.add(message(rows, { vm: 2n })), refused);
    totals.add(message([], { vm: 1n }));
    totals.add(message(rows, { vm: 2n }));
    assert.equal(totals.size, 2);
  });
});
