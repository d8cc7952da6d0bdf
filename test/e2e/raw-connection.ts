import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/**
 * One HTTP/1.1 client connection over a raw socket, which can stop at any byte. One request at a time;
 * answers must have a length or end with the connection. Lost connections reject what is waited for.
 */
export class RawConnection {
  readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private waiting: Waiting | undefined;
  private headWaiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  private lost: Error | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
      this.take();
    });
    socket.on("error", (error) => this.lose(error));
    socket.on("close", () => this.lose(new Error("connection closed")));
  }

  /** `localAddress`, in 127.0.0.0/8, keeps many short connections from using up the ports of one. */
  static open(port: number, localAddress = "127.0.0.1"): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  get isOpen(): boolean {
    return this.lost === undefined;
  }

  send(bytes: string): void {
    this.socket.write(bytes, "latin1");
  }

  /** Sends a whole request, resolves with its whole answer. */
  request(bytes: string): Promise<Answer> {
    const answer = this.answer();
    this.send(bytes);
    return answer;
  }

  /** The next whole answer. */
  answer(): Promise<Answer> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.take();
    });
  }

  /** Resolves when the head of the next answer is here. */
  head(): Promise<void> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    return new Promise((resolve, reject) => {
      this.headWaiting = { resolve, reject };
      this.take();
    });
  }

  /** By FIN, or by RST. */
  close(reset = false): void {
    if (reset) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  private take(): void {
    const end = this.received.indexOf(HEAD_END);
    if (end < 0) return;
    this.headWaiting?.resolve();
    this.headWaiting = undefined;
    if (this.waiting === undefined) return;
    const head = this.received.toString("latin1", 0, end + 4);
    const bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const whole = end + 4 + bodyBytes;
    if (this.received.length < whole) return;
    const { resolve } = this.waiting;
    this.waiting = undefined;
    const body = this.received.toString("latin1", end + 4, whole);
    this.received = this.received.subarray(whole);
    resolve({ status: Number(head.slice(9, 12)), head, body });
  }

  private lose(error: Error): void {
    this.lost ??= error;
    this.waiting?.reject(this.lost);
    this.headWaiting?.reject(this.lost);
    this.waiting = undefined;
    this.headWaiting = undefined;
  }
}

/** A request with a JSON body, as raw bytes. `headers` are whole lines. */
export function post(path: string, body: string, headers: readonly string[] = []): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "host: gateway",
    "content-type: application/json",
    `content-length: ${body.length}`,
    ...headers,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
