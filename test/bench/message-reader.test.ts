import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageReader } from "./message-reader.ts";

const MESSAGES = [
  "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: 2\r\n\r\n3\r\n\r\n0\r\n1A;note=1\r\n0\r\n\r\n3456789012345678901\n\n\r\n0\r\n\r\n",
  "GET / HTTP/1.1\r\nx: 3\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: 4\r\n\r\n0\r\ntrailer: yes\r\n\r\n",
  "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nx: 5\r\n\r\n",
];

test("messages end where their length, their last chunk or their head says, however they are cut", () => {
  const bytes = Buffer.from(MESSAGES.join(""));
  for (const size of [1, 2, 3, 5, 7, 64, bytes.length]) {
    const reader = new MessageReader();
    const seen: (string | undefined)[] = [];
    const endings: number[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.feed(bytes.subarray(at, at + size), (head) => {
        seen.push(/\r\nx: (\d)/.exec(head.toString())?.[1]);
        endings.push(Math.min(at + size, bytes.length));
      });
    }
    assert.deepEqual(seen, ["1", "2", "3", "4", "5"], `pieces of ${size}`);
    let end = 0;
    const due = MESSAGES.map((message) => {
      end += message.length;
      return Math.min(Math.ceil(end / size) * size, bytes.length);
    });
    assert.deepEqual(endings, due, `pieces of ${size}`);
  }
});
