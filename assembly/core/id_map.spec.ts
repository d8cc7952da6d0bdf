import { IdMap, spread } from "./id_map";
import { Random } from "./random";

describe("IdMap", () => {
  test("agrees with a Map over random puts, growing as it needs", () => {
    const random = new Random(3);
    const map = new IdMap();
    const oracle = new Map<u64, i32>();
    for (let round = 0; round < 5000; round++) {
      // Ids that differ only in their high or low bits, and any others.
      const form = random.below(3);
      const id: u64 =
        form == 0 ? (<u64>random.below(2000)) << 48 : form == 1 ? random.below(2000) : random.next();
      const value = <i32>random.below(1000000);
      map.put(id, value);
      oracle.set(id, value);
    }
    const ids = oracle.keys();
    let agreeing = 0;
    for (let index = 0; index < ids.length; index++)
      if (map.get(ids[index]) == oracle.get(ids[index])) agreeing++;
    expect(agreeing).toBe(ids.length);
    expect(map.count).toBe(ids.length);
    expect(map.get(0xdeadbeefdeadbeef)).toBe(-1);
  });

  test("with a seed is as fast for ids that were chosen to belong in one place without it", () => {
    const random = new Random(5);
    const known = new IdMap();
    const secret = new IdMap();
    secret.reseed(random.next());
    const chosen: u64[] = [];
    while (chosen.length < 400) {
      const id = random.next();
      if ((spread(id, 0) & 1023) == 7) chosen.push(id);
    }
    for (let at = 0; at < chosen.length; at++) {
      known.put(chosen[at], at);
      secret.put(chosen[at], at);
    }
    expect(known.probes(chosen[399])).toBe(400, "the choice is a good one");
    let longest = 0;
    for (let at = 0; at < chosen.length; at++) longest = max<i32>(longest, secret.probes(chosen[at]));
    expect(longest).toBeLessThan(30);
  });

  test("knows nothing after clear, and any 64 bits are an id", () => {
    const map = new IdMap();
    map.put(0, 5);
    map.put(u64.MAX_VALUE, 6);
    expect(map.get(0)).toBe(5);
    expect(map.get(u64.MAX_VALUE)).toBe(6);
    map.clear(2);
    expect(map.get(0)).toBe(-1);
    expect(map.get(u64.MAX_VALUE)).toBe(-1);
  });
});
