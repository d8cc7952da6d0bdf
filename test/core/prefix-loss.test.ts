import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../emulator/random.ts";
import { PrefixCore } from "./prefix.ts";
import { conversations, ExactLru, measureLoss } from "./prefix-workload.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
const WORKLOAD = { requests: 6000, conversations: 400, systemPrompts: 20 };

for (const capacity of [500, 1500]) {
  test(`with ${capacity} blocks an endpoint the index finds nearly what exact LRUs would`, (t) => {
    const random = new SeededRandom(SEED);
    const loss = measureLoss(new PrefixCore(), conversations(WORKLOAD, random), 8, capacity, random);
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(loss)}`);
    assert.ok(loss.bestHeld > 0.2, "there is something to find");
    assert.ok(loss.bestHeld - loss.chosenHeld < 0.05, `${loss.chosenHeld} of ${loss.bestHeld}`);
  });
}

test("the exact LRU frees the tail of the longest unused prompt first", () => {
  const cache = new ExactLru(6);
  cache.use([1, 2, 3]);
  cache.use([4, 5, 6]);
  cache.use([1, 7]);
  assert.deepEqual([cache.prefix([1, 2, 3]), cache.prefix([4, 5, 6]), cache.prefix([1, 7])], [2, 3, 2]);
  cache.use([8]);
  assert.deepEqual([cache.prefix([1, 2, 3]), cache.prefix([4, 5, 6])], [1, 3]);
});
