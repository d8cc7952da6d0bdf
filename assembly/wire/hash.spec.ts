import { fnv1a64 } from "./hash";

function hashOf(text: string): u64 {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  return fnv1a64(bytes.dataStart, bytes.length);
}

describe("fnv1a64", () => {
  test("agrees with the published vectors", () => {
    expect(hashOf("")).toBe(0xcbf29ce484222325);
    expect(hashOf("a")).toBe(0xaf63dc4c8601ec8c);
    expect(hashOf("foobar")).toBe(0x85944171f73967e8);
  });
});
