import { Random, shuffled } from "./random";

describe("Random", () => {
  test("agrees with the published outputs of SplitMix64 for seed 1234567", () => {
    const random = new Random(1234567);
    expect(random.next()).toBe(6457827717110365317);
    expect(random.next()).toBe(3203168211198807973);
    expect(random.next()).toBe(9817491932198370423);
    expect(random.next()).toBe(4593380528125082431);
    expect(random.next()).toBe(16408922859458223821);
  });

  test("fills a range evenly and stays below its bound", () => {
    const random = new Random(1);
    const counts = new StaticArray<i32>(10);
    for (let round = 0; round < 100000; round++) counts[random.below(10)]++;
    // Six standard deviations of a binomial with n = 100,000 and p = 0.1 are 570.
    for (let value = 0; value < 10; value++) expect(abs(counts[value] - 10000)).toBeLessThan(570);
    expect(random.below(1)).toBe(0);
  });
});

describe("shuffled", () => {
  test("gives distinct rows distinct values and puts each of three first equally often", () => {
    const firsts = new StaticArray<i32>(3);
    const random = new Random(2);
    for (let round = 0; round < 30000; round++) {
      const salt = random.next32();
      const a = shuffled(0, salt);
      const b = shuffled(1, salt);
      const c = shuffled(2, salt);
      assert(a != b && b != c && a != c);
      firsts[a < b && a < c ? 0 : b < c ? 1 : 2]++;
    }
    // Six standard deviations of a binomial with n = 30,000 and p = 1/3 are 490.
    for (let row = 0; row < 3; row++) expect(abs(firsts[row] - 10000)).toBeLessThan(490);
  });
});
