import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StepQueue } from "./step-queue.ts";

test("the earliest event is next, whatever was set before; of equal times the lower server's", () => {
  const time = fc.oneof(fc.nat({ max: 20 }), fc.constant(Number.POSITIVE_INFINITY));
  const servers = 9;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: servers - 1 }), time)), (settings) => {
      const queue = new StepQueue(servers);
      const expected = new Array<number>(servers).fill(Number.POSITIVE_INFINITY);
      for (const [server, atMs] of settings) {
        queue.set(server, atMs);
        expected[server] = atMs;
        const earliest = Math.min(...expected);
        assert.equal(queue.nextMs, earliest);
        assert.equal(queue.nextServer, expected.indexOf(earliest));
      }
    }),
  );
});

test("a queue of servers without events has none", () => {
  assert.equal(new StepQueue(1).nextMs, Number.POSITIVE_INFINITY);
});
