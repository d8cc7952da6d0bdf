import assert from "node:assert/strict";
import { test } from "node:test";
import { BATCH, Campaign } from "./campaign.ts";
import type { Dice } from "./dice.ts";
import { shrinkBytes } from "./shrink.ts";
import { agree, type Target, type Verdict } from "./target.ts";

/** A target with two faults: it disagrees on every `b`, and a `c` behind an `a` is a trap. */
class Faulty implements Target<Uint8Array> {
  readonly name = "faulty";
  prepared = 0;

  async prepare(): Promise<void> {
    this.prepared++;
  }

  generate(dice: Dice): Uint8Array {
    return Uint8Array.from({ length: 20 }, () => 0x64 + dice.below(20));
  }

  check(input: Uint8Array): Verdict {
    const text = Buffer.from(input).toString();
    if (/a.*c/.test(text)) throw new RangeError("out of bounds");
    agree("letter", false, text.includes("b"));
    return text.length % 2 === 0 ? "accepted" : "refused";
  }

  shrink(input: Uint8Array, fails: (input: Uint8Array) => boolean): Uint8Array {
    return shrinkBytes(input, fails);
  }

  encode(input: Uint8Array): Uint8Array {
    return input;
  }

  decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

test("a disagreement and a trap are told apart, each with the least input that shows it", () => {
  const campaign = new Campaign(new Faulty(), 1, 0);
  campaign.run("first", Buffer.from("xxxxbyyyy"), 1);
  campaign.run("second", Buffer.from("xxaxxcxxbxx"), 1);
  campaign.run("third", Buffer.from("even"), 1);
  assert.deepEqual(
    campaign.failures.map(({ where, kind, message, reproducer }) => [
      where,
      kind,
      message,
      Buffer.from(reproducer).toString(),
    ]),
    [
      ["first", "disagreement", "letter: expected false, found true", "b"],
      ["second", "trap", "out of bounds", "ac"],
    ],
  );
  assert.deepEqual(campaign.tally, { accepted: 1, refused: 0 });
});

test("a target that fails again and again is given up", () => {
  const campaign = new Campaign(new Faulty(), 1, 0);
  for (let run = 0; !campaign.givenUp; run++) campaign.run(`${run}`, Buffer.from("b"), run);
  assert.equal(campaign.failures.length, 3);
});

test("the same seed and numbers give the same inputs, in whatever order the batches come", async () => {
  const inputsOf = async (seed: number, batches: readonly number[]): Promise<ReadonlySet<string>> => {
    const target = new Faulty();
    const inputs = new Set<string>();
    target.check = (input) => {
      inputs.add(Buffer.from(input).toString());
      return "accepted";
    };
    const campaign = new Campaign(target, seed, 3);
    for (const batch of batches) await campaign.batch(batch, BATCH);
    assert.equal(target.prepared, batches.length);
    return inputs;
  };
  const forwards = await inputsOf(1, [0, 1]);
  assert.deepEqual(await inputsOf(1, [1, 0]), forwards);
  assert.equal(forwards.size, 2 * BATCH);
  const others = await inputsOf(2, [0]);
  assert.equal([...others].filter((input) => forwards.has(input)).length, 0);
});
