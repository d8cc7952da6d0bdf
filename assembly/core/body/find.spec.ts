import { findLineBreak, skipWhitespace } from "./find";

const CARRIAGE_RETURN: u8 = 0x0d;
const LINE_FEED: u8 = 0x0a;
const LENGTH: i32 = 200;

describe("the searches over raw bytes", () => {
  test("a line break is found at every place of every stretch, and nothing outside of it", () => {
    const bytes = new StaticArray<u8>(LENGTH);
    const base = changetype<usize>(bytes);
    let wrong = 0;
    for (let start = 0; start < 20; start++) {
      for (let end = start; end < LENGTH - 2; end += 7) {
        bytes.fill(0x61);
        // A break on each side of the stretch, and single bytes of it inside, must not be taken for one.
        if (start > 1) bytes[start - 2] = CARRIAGE_RETURN;
        if (start > 0) bytes[start - 1] = LINE_FEED;
        bytes[end] = CARRIAGE_RETURN;
        bytes[end + 1] = LINE_FEED;
        if (end - start > 5) {
          bytes[start] = LINE_FEED;
          bytes[start + 3] = CARRIAGE_RETURN;
        }
        if (findLineBreak(base + start, base + end) != base + end) wrong++;
        for (let at = start + 5; at < end - 1; at += 5) {
          bytes[at] = CARRIAGE_RETURN;
          bytes[at + 1] = LINE_FEED;
          if (findLineBreak(base + start, base + end) != base + at) wrong++;
          bytes[at] = 0x61;
          bytes[at + 1] = 0x61;
        }
      }
    }
    expect(wrong).toBe(0);
  });

  test("a carriage return at the end may be the beginning of a line break", () => {
    const bytes = new StaticArray<u8>(100);
    const base = changetype<usize>(bytes);
    for (let end = 1; end < 100; end++) {
      bytes.fill(0x61);
      bytes[end - 1] = CARRIAGE_RETURN;
      bytes[end] = LINE_FEED;
      expect(findLineBreak(base, base + end)).toBe(base + end - 1);
    }
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
