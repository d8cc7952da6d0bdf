import { addressOf } from "../../wire/bytes";
import { StateBytes } from "./state_bytes";
import { TokenRatios } from "./token_ratios";

describe("TokenRatios", () => {
  test("begin at four bytes a token, and are learned for each model", () => {
    const ratios = new TokenRatios();
    expect(ratios.of(1)).toBe(0.25);
    for (let at = 0; at < 300; at++) {
      ratios.add(1, 4000, 2000);
      ratios.add(2, 4000, 800);
    }
    expect(Math.abs(ratios.of(1) - 0.5)).toBeLessThan(0.01);
    expect(Math.abs(ratios.of(2) - 0.2)).toBeLessThan(0.01);
  });

  test("take a model that nothing is known of for the mean of the others", () => {
    const ratios = new TokenRatios();
    for (let at = 0; at < 300; at++) ratios.add(1, 4000, 2000);
    expect(Math.abs(ratios.of(99) - 0.5)).toBeLessThan(0.01);
  });

  test("do not believe a server whose tokens no tokenizer makes", () => {
    const ratios = new TokenRatios();
    for (let at = 0; at < 300; at++) {
      ratios.add(1, 4000, 1e12);
      ratios.add(1, 4000, 1);
      ratios.add(1, 0, 5);
    }
    expect(ratios.of(1)).toBe(0.25);
  });

  test("survive more models than are remembered", () => {
    const ratios = new TokenRatios();
    for (let model: u64 = 1; model < 5000; model++) ratios.add(model, 4000, 2000);
    expect(ratios.of(4999)).toBeGreaterThan(0.25);
  });

  test("are not moved far by one prompt of 16 MB that its server cut off", () => {
    const ratios = new TokenRatios();
    for (let at = 0; at < 300; at++) ratios.add(1, 4000, 1000);
    ratios.add(1, 16e6, 16e6 / 60);
    expect(ratios.of(1) * 4000).toBeGreaterThan(900);
    expect(ratios.of(99) * 4000).toBeGreaterThan(900, "nor are those of other models");
  });

  test("weigh prompts of very different sizes, as long as they are usual ones", () => {
    const ratios = new TokenRatios();
    // A template of 400 tokens around each.
    for (let at = 0; at < 600; at++) {
      if (at % 2 == 0) ratios.add(1, 1000, 650);
      else ratios.add(1, 20000, 5400);
    }
    expect(Math.abs(ratios.of(1) - 0.288)).toBeLessThan(0.02);
  });

  test("hand on the mean of all models, were there more of them than are handed on", () => {
    const ratios = new TokenRatios();
    for (let model: u64 = 1; model <= 200; model++)
      for (let at = 0; at < 5; at++) ratios.add(model, 4000, 2000);
    const state = new StaticArray<u8>(4096);
    const bytes = new StateBytes();
    bytes.open(addressOf<u8>(state), 4096);
    ratios.write(bytes);
    expect(bytes.failed).toBe(false);
    const other = new TokenRatios();
    bytes.open(addressOf<u8>(state), 4096);
    other.read(bytes);
    expect(bytes.failed).toBe(false);
    expect(other.of(5)).toBe(ratios.of(99999), "one that was not handed on is taken for the mean");
    expect(other.of(200)).toBe(ratios.of(200));
    expect(other.of(5)).toBeGreaterThan(0.48);
  });

  test("keep the mean of all models when there are too many to remember", () => {
    const ratios = new TokenRatios();
    for (let model: u64 = 1; model <= 3000; model++) ratios.add(model, 4000, 2000);
    expect(ratios.of(99999)).toBeGreaterThan(0.48);
  });
});
