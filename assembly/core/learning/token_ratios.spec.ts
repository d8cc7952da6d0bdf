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
});
