import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSimulateSettings } from "../replay/settings.ts";
import { Progress } from "./progress.ts";
import { specsOf } from "./plan.ts";

function watched(runs?: number, columns?: number) {
  let text = "";
  let nowMs = 0;
  const specs = specsOf(parseSimulateSettings("--requests 200 --policies random,epp".split(" ")));
  const progress = new Progress({
    out: { write: (more) => (text += more), columns },
    nowMs: () => nowMs,
    labelOf: ({ policy }) => policy,
    runs,
  });
  const taken = (): string => {
    const all = text;
    text = "";
    return all;
  };
  return { progress, specs, taken, wait: (ms: number) => (nowMs += ms) };
}

describe("progress", () => {
  it("draws a bar for each run that is under way, over what it drew before", () => {
    const { progress, specs, taken, wait } = watched(2);
    const [random, epp] = [specs[0]!, specs[1]!];
    progress.begin(random);
    progress.begin(epp);
    progress.progress(random, 50);
    assert.equal(
      taken(),
      "\r\x1b[J█████░░░░░░░░░░░░░░░ random: 50 of 200 requests, 25 %\n░░░░░░░░░░░░░░░░░░░░ epp: 0 of 200 requests, 0 %\n0 of 2 runs done",
    );
    wait(200);
    progress.end(random);
    progress.progress(epp, 200);
    assert.equal(
      taken(),
      "\r\x1b[2A\x1b[J████████████████████ epp: 200 of 200 requests, 100 %\n1 of 2 runs done",
    );
    progress.clear();
    assert.equal(taken(), "\r\x1b[1A\x1b[J");
    progress.clear();
    assert.equal(taken(), "");
  });

  it("keeps to the width of the terminal, so that no line is two", () => {
    const { progress, specs, taken } = watched(1, 40);
    progress.begin(specs[0]!);
    progress.progress(specs[0]!, 50);
    assert.equal(taken(), "\r\x1b[J█████░░░░░░░░░░░░░░░ random: 50 of 200…");
  });

  it("draws at most five times a second", () => {
    const { progress, specs, taken, wait } = watched();
    progress.begin(specs[0]!);
    progress.progress(specs[0]!, 1);
    assert.notEqual(taken(), "");
    wait(199);
    progress.progress(specs[0]!, 2);
    assert.equal(taken(), "");
    wait(1);
    progress.progress(specs[0]!, 3);
    assert.match(taken(), /random: 3 of 200/);
  });
});
