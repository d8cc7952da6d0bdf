import { addressOf } from "../../wire/bytes";
import { OutputLengths } from "./output_lengths";
import { StateBytes } from "./state_bytes";

describe("OutputLengths", () => {
  test("begins with a mean of 256 tokens that an answer's length so far does not change", () => {
    const lengths = new OutputLengths();
    expect(Math.abs(lengths.mean - 256)).toBeLessThan(0.001);
    expect(Math.abs(lengths.remaining(1000) - 256)).toBeLessThan(0.001);
  });

  test("learns that answers of which all have 100 tokens soon end", () => {
    const lengths = new OutputLengths();
    for (let answer = 0; answer < 600; answer++) lengths.add(100);
    expect(Math.abs(lengths.mean - 105)).toBeLessThan(1, "600 of 100, 20 of 256");
    expect(lengths.remaining(80)).toBeLessThan(32);
    expect(Math.abs(lengths.remaining(2000) - 256)).toBeLessThan(0.001, "nothing is known of such answers");
  });

  test("knows of two kinds of answers that one that has gone on for long is of the long kind", () => {
    const lengths = new OutputLengths();
    for (let answer = 0; answer < 600; answer++) lengths.add(answer % 2 == 0 ? 10 : 1000);
    expect(lengths.mean).toBeLessThan(520);
    expect(lengths.remaining(100)).toBeGreaterThan(800);
  });

  test("forgets all but the last 600", () => {
    const lengths = new OutputLengths();
    for (let answer = 0; answer < 600; answer++) lengths.add(5000);
    // What is expected is worked out anew after every 20.
    for (let answer = 0; answer < 620; answer++) lengths.add(20);
    expect(lengths.mean).toBeLessThan(30);
  });

  test("does not believe in an answer of two thousand million tokens, and writes nothing that it would not read", () => {
    const lengths = new OutputLengths();
    lengths.add(2e9);
    lengths.add(0.5);
    const state = new StaticArray<u8>(4096);
    const bytes = new StateBytes();
    bytes.open(addressOf<u8>(state), 4096);
    lengths.write(bytes);
    const other = new OutputLengths();
    bytes.open(addressOf<u8>(state), 4096);
    other.read(bytes);
    expect(bytes.failed).toBe(false);
    expect(other.mean).toBeGreaterThan(40000);
    expect(other.mean).toBeLessThan(50000, "a million among 22 with the prior");
  });

  test("is positive and finite for any length", () => {
    const lengths = new OutputLengths();
    for (let answer = 0; answer < 50; answer++) lengths.add(<f64>answer + 1);
    for (let tokens: f64 = 0; tokens < 1e9; tokens = tokens * 1.7 + 1) {
      expect(lengths.remaining(tokens) > 0 && lengths.remaining(tokens) < 1e9).toBe(true);
    }
  });
});
