import assert from "node:assert/strict";
import { it } from "node:test";
import { PollSchedule, type PollTarget } from "./poll-schedule.ts";

/** A schedule on a clock of its own: `outcomes` says for each poll whether it works, the last of them for ever. */
function rig(outcomes: readonly boolean[], retryMs: number | undefined) {
  const delays: number[] = [];
  const state = { nowMs: 0, fire: (): void => undefined, polls: 0 };
  const schedule = new PollSchedule<PollTarget>({
    poll: async () => outcomes[Math.min(state.polls++, outcomes.length - 1)]!,
    nowMs: () => state.nowMs,
    random: () => 0.5,
    setTimer: (callback, delayMs) => {
      delays.push(delayMs);
      state.fire = () => {
        state.nowMs += delayMs;
        callback();
      };
      return () => undefined;
    },
    concurrency: 4,
    spreadMs: 100,
    ...(retryMs === undefined ? {} : { retryMs }),
  });
  schedule.setTargets([{ key: "a", signature: "", intervalMs: 10_000 }]);
  return {
    delays,
    async pass(polls: number): Promise<void> {
      for (let poll = 0; poll < polls; poll++) {
        state.fire();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}

it("a target that fails is polled again soon, then less and less often, and as usual when it works", async () => {
  const { delays, pass } = rig([false, false, false, false, false, false, true], 1000);
  await pass(8);
  assert.deepEqual(delays, [50, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
});

it("a target that fails is polled at its interval where nothing else is said", async () => {
  const { delays, pass } = rig([false], undefined);
  await pass(2);
  assert.deepEqual(delays, [50, 10_000, 10_000]);
});
