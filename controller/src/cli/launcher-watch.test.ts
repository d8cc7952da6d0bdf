import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LauncherWatch } from "./launcher-watch.ts";

const HANDLES = "State:\tS (sleeping)\nSigCgt:\t0000000000014003\n";
const DOES_NOT = "State:\tS (sleeping)\nSigCgt:\t0000000000014001\n";

function watched(...statuses: readonly (string | undefined)[]): readonly boolean[] {
  let i = 0;
  const watch = new LauncherWatch(() => statuses[i++]);
  return statuses.slice(1).map(() => watch.ends());
}

describe("the watch on make", () => {
  it("sees that make has ended", () => {
    assert.deepEqual(watched(HANDLES, HANDLES, undefined), [false, true]);
    assert.deepEqual(watched(HANDLES, "State:\tZ (zombie)\n"), [true]);
  });

  it("sees that make was interrupted: it has given up its handler", () => {
    assert.deepEqual(watched(HANDLES, HANDLES, DOES_NOT), [false, true]);
  });

  it("takes a make that never handled interrupts, as in the background of a script, for a running one", () => {
    assert.deepEqual(watched(DOES_NOT, DOES_NOT, DOES_NOT), [false, false]);
  });
});
