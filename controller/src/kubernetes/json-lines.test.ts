import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineDecoder } from "./json-lines.ts";

const TEXT = '{"name":"größe 🦙"}\n\r\n{"name":"二"}\r\n{"cut":';

describe("lines of a watch", () => {
  it("are the same wherever the bytes are cut, within characters too", () => {
    const bytes = Buffer.from(TEXT);
    for (let size = 1; size <= bytes.length; size++) {
      const decoder = new LineDecoder(100);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size)
        lines.push(...decoder.push(bytes.subarray(at, at + size)));
      assert.deepEqual(lines, ['{"name":"größe 🦙"}', '{"name":"二"}'], `chunks of ${size} bytes`);
    }
  });

  it("are refused when they are longer than the bound, by name of both", () => {
    const decoder = new LineDecoder(8);
    assert.deepEqual(decoder.push(Buffer.from("12345678\n1234")), ["12345678"]);
    assert.throws(() => decoder.push(Buffer.from("56789")), /over 9 bytes, at most 8/);
  });
});
