import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ModuleState, type ModuleWatch, watchModule } from "./module-watch.ts";

let folder = "";
let file = "";
const watches: ModuleWatch[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "module-watch-"));
  file = join(folder, "filter.wasm");
});

afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
  rmSync(folder, { recursive: true });
});

function place(content: string, mtimeMs: number): void {
  writeFileSync(file, content);
  utimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
}

function start(reported: bigint[] = [], believedUpToMs = 1_800_000_000_000) {
  const timers: (() => void)[] = [];
  const changes: ModuleState[] = [];
  const watch = watchModule(file, {
    setTimer: (callback) => {
      timers.push(callback);
      return () => {};
    },
    reported: () => reported,
    believedUpToMs,
    onChange: (module) => changes.push(module),
    onError: (error) => assert.fail(error),
  });
  watches.push(watch);
  /** Runs what is due, each turn of which may set more. */
  const turn = (times = 4): void => {
    for (let count = 0; count < times; count++) for (const timer of timers.splice(0)) timer();
  };
  return { watch, changes, turn, reported };
}

describe("the generation of a module", () => {
  const BUILT_MS = 1_700_000_000_000;

  it("is the file's time: the same after a restart and for every replica", () => {
    place("one", BUILT_MS);
    assert.equal(start().watch.state().generation, BUILT_MS);
    assert.deepEqual(start().watch.state(), start().watch.state());
  });

  it("is that of the newer file after a change, and the same after the restart that follows", () => {
    place("one", BUILT_MS);
    const { watch, changes, turn } = start();
    place("two", BUILT_MS + 5000);
    turn();
    assert.deepEqual(changes, [watch.state()]);
    assert.equal(watch.state().generation, BUILT_MS + 5000);
    assert.deepEqual(start().watch.state(), watch.state());
  });

  it("grows with a changed content whose file is older or of the same time", () => {
    place("one", BUILT_MS);
    const { watch, changes, turn } = start();
    place("two", BUILT_MS - 5000);
    turn();
    place("six", BUILT_MS);
    turn();
    assert.equal(watch.state().generation, BUILT_MS + 2);
    assert.equal(changes.length, 2);
  });

  it("stays where the file is only touched", () => {
    place("one", BUILT_MS);
    const { watch, changes, turn } = start();
    place("one", BUILT_MS + 5000);
    turn();
    assert.deepEqual([watch.state().generation, changes.length], [BUILT_MS, 0]);
  });

  it("is raised to the highest one that an Envoy runs, once a minute at most, and never into the future", () => {
    place("one", BUILT_MS);
    const { watch, changes, turn, reported } = start([], BUILT_MS + 1000);
    reported.push(5n, BigInt(BUILT_MS + 7), BigInt(BUILT_MS + 1001), 2n ** 64n - 1n);
    turn();
    assert.equal(watch.state().generation, BUILT_MS + 7);
    reported.push(BigInt(BUILT_MS + 8));
    turn(50);
    assert.equal(changes.length, 1);
    turn(60);
    assert.equal(watch.state().generation, BUILT_MS + 8);
  });
});
