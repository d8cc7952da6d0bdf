import { findQuoteOrBackslash, findQuoteOrBracket, skipWhitespace } from "./find";

const QUOTE: u8 = 0x22;
const LENGTH: i32 = 150;

describe("the searches over raw bytes", () => {
  test("find a hit at every place of every stretch, wherever it begins, and nothing outside of it", () => {
    const bytes = new StaticArray<u8>(LENGTH);
    const base = changetype<usize>(bytes);
    const hits: u8[] = [QUOTE, 0x5c, QUOTE, 0x7b, 0x7d, 0x5b, 0x5d];
    let wrong = 0;
    for (let hit = 0; hit < hits.length; hit++) {
      const ofString = hit < 2;
      for (let start = 0; start < 20; start++) {
        for (let end = start; end < LENGTH - 1; end += 7) {
          bytes.fill(0x61);
          // Hits on both sides of the stretch must not be seen.
          if (start > 0) bytes[start - 1] = hits[hit];
          bytes[end] = hits[hit];
          let found = ofString
            ? findQuoteOrBackslash(base + start, base + end)
            : findQuoteOrBracket(base + start, base + end);
          if (found != base + end) wrong++;
          for (let at = start; at < end; at += 5) {
            bytes[at] = hits[hit];
            found = ofString
              ? findQuoteOrBackslash(base + start, base + end)
              : findQuoteOrBracket(base + start, base + end);
            if (found != base + at) wrong++;
            bytes[at] = 0x61;
          }
        }
      }
    }
    expect(wrong).toBe(0);
  });

  test("take no other byte for a hit", () => {
    const bytes = new StaticArray<u8>(16);
    const base = changetype<usize>(bytes);
    let strings = 0;
    let brackets = 0;
    for (let byte = 0; byte < 256; byte++) {
      bytes.fill(<u8>byte);
      if (findQuoteOrBackslash(base, base + 16) == base) strings++;
      if (findQuoteOrBracket(base, base + 16) == base) brackets++;
      expect(findQuoteOrBracket(base, base + 16)).toBe(
        findQuoteOrBracket(base, base + 15) == base ? base : base + 16,
      );
    }
    expect(strings).toBe(2);
    expect(brackets).toBe(5);
  });

  test("white space is what JSON says it is", () => {
    const bytes = new StaticArray<u8>(1);
    const base = changetype<usize>(bytes);
    let skipped = 0;
    for (let byte = 0; byte < 256; byte++) {
      bytes[0] = <u8>byte;
      if (skipWhitespace(base, base + 1) == base + 1) skipped++;
    }
    expect(skipped).toBe(4);
  });
});
