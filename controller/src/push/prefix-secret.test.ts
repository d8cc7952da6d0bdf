import assert from "node:assert/strict";
import { test } from "node:test";
import { PrefixSecret } from "./prefix-secret.ts";

function controller(epoch: bigint, drawn = 0n) {
  let atMs = 500;
  const secret = new PrefixSecret({
    nowMs: () => atMs,
    wallMs: () => 1_000 + atMs,
    draw: () => drawn,
    epoch,
  });
  return { secret, advance: (ms: number) => (atMs += ms) };
}

/** An Envoy that knows no secret. */
const NONE = { epoch: 0n, secret: 0n };

test("the first controller draws a secret, once no Envoy has told one for 2 s after the first report", () => {
  const { secret, advance } = controller(10n, 77n);
  advance(60_000);
  assert.equal(secret.value, undefined, "no Envoy could tell yet");
  assert.equal(secret.heard(NONE), false);
  advance(1_999);
  assert.equal(secret.heard(NONE), false);
  assert.equal(secret.value, undefined);
  advance(1);
  assert.equal(secret.value, 77n);
  assert.equal(secret.heard(NONE), false);
  assert.equal(secret.value, 77n);
});

test("what was drawn is never 0, which means none", () => {
  const { secret, advance } = controller(10n, 0n);
  secret.heard(NONE);
  advance(2_000);
  assert.equal(secret.value, 1n);
});

test("Envoys that reach a controller long after its start bring their secret all the same", () => {
  const { secret, advance } = controller(20n, 77n);
  advance(30_000);
  assert.equal(secret.value, undefined);
  secret.heard(NONE);
  assert.equal(secret.heard({ epoch: 10n, secret: 5n }), true);
  assert.equal(secret.value, 5n);
});

test("a controller that starts again takes the secret of the Envoys that ran on", () => {
  const { secret, advance } = controller(20n, 77n);
  assert.equal(secret.heard({ epoch: 10n, secret: 5n }), true);
  assert.equal(secret.value, 5n);
  advance(60_000);
  assert.equal(secret.value, 5n);
});

test("of two that drew one each, the secret of the later start is everybody's", () => {
  const early = controller(10n, 11n);
  const late = controller(20n, 22n);
  for (const { secret, advance } of [early, late]) {
    secret.heard(NONE);
    advance(2_000);
    assert.notEqual(secret.value, undefined);
  }
  // Envoys apply the later one's table.
  const report = { epoch: 20n, secret: 22n };
  assert.equal(early.secret.heard(report), true);
  assert.equal(late.secret.heard(report), false);
  assert.deepEqual([early.secret.value, late.secret.value], [22n, 22n]);
});

test("an Envoy that has not taken the newest table yet does not bring an old secret back", () => {
  const { secret, advance } = controller(20n, 22n);
  secret.heard(NONE);
  advance(2_000);
  assert.equal(secret.value, 22n);
  assert.equal(secret.heard({ epoch: 10n, secret: 5n }), false);
  assert.equal(secret.heard({ epoch: 20n, secret: 5n }), false);
  assert.equal(secret.value, 22n);
});

test("an epoch that lies ahead of the clock is nobody's start", () => {
  const { secret } = controller(20n);
  assert.equal(secret.heard({ epoch: 61_501n, secret: 5n }), false);
  assert.equal(secret.value, undefined);
  assert.equal(secret.heard({ epoch: 61_500n, secret: 5n }), true);
});

test("a secret is given up for a later one no more often than every 10 s", () => {
  const { secret, advance } = controller(20n);
  assert.equal(secret.heard({ epoch: 10n, secret: 5n }), true);
  assert.equal(secret.heard({ epoch: 30n, secret: 6n }), true);
  advance(9_999);
  assert.equal(secret.heard({ epoch: 31n, secret: 7n }), false);
  advance(1);
  assert.equal(secret.heard({ epoch: 31n, secret: 7n }), true);
  assert.equal(secret.value, 7n);
});
