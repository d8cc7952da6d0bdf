import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseTpotObjective, parseTtftObjective, ttftBoundMs } from "./objectives.ts";

describe("an objective of the time to first token", () => {
  it("is a duration, or one that grows with the prompt", () => {
    const parsed = (written: string) => parseTtftObjective(written, "--ttft-objective");
    assert.deepEqual(parsed("1s+62.5ms/1k"), { baseMs: 1000, perThousandMs: 62.5 });
    assert.deepEqual(parsed("200ms + 0.1s/1k"), { baseMs: 200, perThousandMs: 100 });
    assert.deepEqual(parsed("1.5s"), { baseMs: 1500, perThousandMs: 0 });
    assert.deepEqual(parsed("0ms+1ms/1k"), { baseMs: 0, perThousandMs: 1 });
  });

  it("allows a prompt so much and so much more for each 1,000 tokens", () => {
    assert.equal(ttftBoundMs({ baseMs: 1000, perThousandMs: 62.5 }, 16_000), 2000);
    assert.equal(ttftBoundMs({ baseMs: 1000, perThousandMs: 62.5 }, 1), 1000.0625);
  });

  it("is refused with the flag, the value and the form", () => {
    for (const written of ["", "1", "1s+2ms", "1s+2ms/1m", "-1s", "1s+62.5ms/1k+1s", "one second"]) {
      assert.throws(() => parseTtftObjective(written, "--ttft-objective"), {
        code: "CONFIG_FORMAT",
        path: "--ttft-objective",
        value: written,
        message: /such as 1s\+62\.5ms\/1k/,
      });
    }
  });
});

describe("an objective of the time per output token", () => {
  it("is a duration above 0", () => {
    assert.equal(parseTpotObjective("40ms", "--tpot-objective"), 40);
    assert.equal(parseTpotObjective("0.02s", "--tpot-objective"), 20);
    for (const written of ["0ms", "40", "40ms+1ms/1k", ""]) {
      const expected = { code: "CONFIG_FORMAT", path: "--tpot-objective", value: written };
      assert.throws(() => parseTpotObjective(written, "--tpot-objective"), expected);
    }
  });
});
