import assert from "node:assert/strict";
import { test } from "node:test";
import { EndpointLives, EPOCH_WATCHED } from "./endpoint-lives.ts";

const NOW_S = 1_800_000_000;
const A = "10.0.0.1:8000";

function lives(nowS = () => NOW_S) {
  return new EndpointLives(() => nowS() * 1000 + 400);
}

test("an endpoint that says when it started has that as its epoch, for every controller alike", () => {
  for (const watcher of [lives(), lives(() => NOW_S + 77)]) {
    assert.equal(watcher.epochOf(A, "a", { startedAtS: 1_700_000_000.49, servedTotal: 5 }), 1_700_000_000);
  }
});

test("a later start is a new life, an earlier one and the same within a clock's adjustment are not", () => {
  const watcher = lives();
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 1_000 }), 1_000);
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 1_002 }), 1_000);
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 900 }), 1_000);
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 5_000 }), 5_000);
});

test("counters that go back are a restart, noticed at the clock's time, where no start is named", () => {
  const watcher = lives();
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 100 }), EPOCH_WATCHED);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 100 }), EPOCH_WATCHED);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 90 }), NOW_S);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 95 }), NOW_S);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 3 }), NOW_S + 1, "within the same second");
});

test("counters that go back say nothing where the start is named: several processes may answer in turn", () => {
  const watcher = lives();
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 1_000, servedTotal: 100 }), 1_000);
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 1_000, servedTotal: 50 }), 1_000);
});

test("a page without the counter in between does not hide a restart", () => {
  const watcher = lives();
  watcher.epochOf(A, "a", { servedTotal: 100 });
  assert.equal(watcher.epochOf(A, "a", {}), EPOCH_WATCHED);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 1 }), NOW_S);
});

test("an endpoint of another name at the same address is another life", () => {
  const watcher = lives();
  assert.equal(watcher.epochOf(A, "pod-1", { servedTotal: 1 }), EPOCH_WATCHED);
  assert.equal(watcher.epochOf(A, "pod-2", { servedTotal: 1 }), NOW_S);
  assert.equal(watcher.epochOf(A, "pod-2", { servedTotal: 1 }), NOW_S);
});

test("a clock that was set back does not lower an epoch", () => {
  let nowS = NOW_S;
  const watcher = lives(() => nowS);
  watcher.epochOf(A, "a", { servedTotal: 9 });
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 1 }), NOW_S);
  nowS -= 1_000;
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 0 }), NOW_S + 1);
});

test("whoever comes to an address that another left within the hour is another life", () => {
  let nowS = NOW_S;
  const watcher = lives(() => nowS);
  watcher.epochOf(A, "pod-1", { servedTotal: 9 });
  watcher.retain(new Set(["10.0.0.2:8000"]));
  nowS += 1_800;
  watcher.retain(new Set(["10.0.0.2:8000"]));
  nowS += 1_800;
  watcher.retain(new Set([A]));
  assert.equal(watcher.epochOf(A, "pod-2", { servedTotal: 50 }), nowS);
});

test("an endpoint that comes back within the hour is the same life while its counters go on", () => {
  const watcher = lives();
  watcher.epochOf(A, "a", { servedTotal: 9 });
  watcher.retain(new Set());
  watcher.retain(new Set([A]));
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 10 }), EPOCH_WATCHED);
});

test("what has not been watched for an hour is forgotten", () => {
  let nowS = NOW_S;
  const watcher = lives(() => nowS);
  watcher.epochOf(A, "a", { servedTotal: 9 });
  watcher.retain(new Set(["10.0.0.2:8000"]));
  nowS += 3_601;
  watcher.retain(new Set([A]));
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 1 }), EPOCH_WATCHED);
});

test("a start that lies more than a day ahead is none, and no epoch leaves its 32 bits", () => {
  const watcher = lives();
  assert.equal(watcher.epochOf(A, "a", { startedAtS: 0xffff_ffff, servedTotal: 9 }), EPOCH_WATCHED);
  assert.equal(watcher.epochOf(A, "a", { servedTotal: 1 }), NOW_S);
  assert.equal(watcher.epochOf(A, "b", { startedAtS: NOW_S + 86_400 }), NOW_S + 86_400);
  const late = lives(() => 0xffff_ffff);
  assert.equal(late.epochOf(A, "a", { startedAtS: 0xffff_ffff }), 0xffff_ffff);
  assert.equal(late.epochOf(A, "b", { servedTotal: 1 }), 0xffff_ffff);
  assert.equal(lives().epochOf(A, "a", { startedAtS: -5 }), EPOCH_WATCHED);
});
