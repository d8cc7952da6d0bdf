import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { buildConnector } from "undici";

/** A page of 59 KB with its head in one read, where both are there. */
const READ_BYTES = 64 * 1024;
/**
 * The longest head of an answer. The client keeps views of a head that ends in a later read, so what may be such a
 * part is copied.
 */
export const MAX_HEAD_BYTES = 16 * 1024;

const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** What is left over in the shared buffer would become another connection's bytes. */
class ReadNotTaken extends Error {
  constructor(bytes: number) {
    super(`${bytes} bytes of the last read were not taken at once`);
  }
}

/**
 * Dials without TLS, and reads all connections into one buffer. Node otherwise allocates 64 KB for each read; that
 * is outside of the heap, where 40 MB a second let the collector mark everything four times a second.
 *
 * Only for a client that takes what it is handed at once and keeps nothing of it: the HTTP client parses on the tick after a
 * read, before the next one, as long as nobody pauses an answer. Should bytes ever be left over then, their connection
 * is cut.
 * @param timeoutMs to connect within
 */
export function connectWithSharedReads(timeoutMs: number): buildConnector.connector {
  return (options, callback) => {
    let socket: Socket | undefined;
    const connect = buildConnector({
      timeout: timeoutMs,
      onread: {
        buffer: readBuffer,
        // The first read follows the connection.
        callback: (bytes) => socket !== undefined && handOver(socket, readBuffer.subarray(0, bytes)),
      },
    });
    connect(options, (...[error, connected]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      socket = connected;
      callback(null, connected);
    });
  };
}

/** Whether to go on reading. */
function handOver(socket: Socket, bytes: Buffer): boolean {
  const isTaken = socket.listenerCount("readable") > 0;
  if (bytes.length <= MAX_HEAD_BYTES || !isTaken) return socket.push(Buffer.from(bytes));
  const goOn = socket.push(bytes);
  // Behind the tick that tells the client of the bytes.
  process.nextTick(() => {
    if (socket.readableLength > 0 && !socket.destroyed)
      socket.destroy(new ReadNotTaken(socket.readableLength));
  });
  return goOn;
}
