import { credentials } from "@grpc/grpc-js";
import { FEED_SERVICE } from "../../controller/src/push/feed-server.ts";
import { TestPeer } from "../../controller/src/push/test-peer.ts";
import { decodeTable } from "../../controller/src/table/decode.ts";
import type { TableRows } from "../../controller/src/table/rows.ts";

/** Sees each table as it is sent to a filter. It reports nothing, so that no change waits for it. */
export class TableFeed {
  private readonly peer: TestPeer<Uint8Array, Uint8Array>;
  private decoded = 0;

  constructor(port: number, onTable: (table: TableRows, atMs: number) => void) {
    this.peer = new TestPeer(port, credentials.createInsecure(), FEED_SERVICE, "Stream");
    this.peer.call.on("data", (bytes: Uint8Array) => {
      const atMs = performance.now();
      // The peer keeps what it receives; these tests receive much.
      this.peer.received.length = 0;
      this.decoded += 1;
      onTable(decodeTable(bytes), atMs);
    });
  }

  /** Tables seen so far. */
  get count(): number {
    return this.decoded;
  }

  close(): void {
    this.peer.close();
  }
}
