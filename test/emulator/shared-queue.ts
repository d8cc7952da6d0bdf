import { Status } from "./abi.ts";

/** Who is told about an item: the last one that registered the name. */
export interface QueueConsumer {
  readonly thread: string;
  readonly vmKey: string;
  readonly contextId: number;
}

interface Queue {
  readonly vmId: string;
  readonly name: string;
  consumer: QueueConsumer;
  readonly items: Uint8Array[];
}

/** Envoy's shared queues of one process: unbounded, never unregistered, one consumer a name. */
export class SharedQueues {
  readonly #tokens = new Map<string, number>();
  readonly #queues = new Map<number, Queue>();
  #nextToken = 1;

  register(vmId: string, name: string, consumer: QueueConsumer): number {
    const key = JSON.stringify([vmId, name]);
    let token = this.#tokens.get(key);
    if (token === undefined) {
      token = this.#nextToken++;
      this.#tokens.set(key, token);
      this.#queues.set(token, { vmId, name, consumer, items: [] });
    } else {
      this.#queues.get(token)!.consumer = consumer;
    }
    return token;
  }

  /** 0 if nobody ever registered the name. */
  resolve(vmId: string, name: string): number {
    return this.#tokens.get(JSON.stringify([vmId, name])) ?? 0;
  }

  enqueue(token: number, bytes: Uint8Array): QueueConsumer | undefined {
    const queue = this.#queues.get(token);
    if (queue === undefined) return undefined;
    queue.items.push(Uint8Array.from(bytes));
    return queue.consumer;
  }

  dequeue(token: number): { status: number; bytes?: Uint8Array } {
    const queue = this.#queues.get(token);
    if (queue === undefined) return { status: Status.NotFound };
    const bytes = queue.items.shift();
    return bytes === undefined ? { status: Status.Empty } : { status: Status.Ok, bytes };
  }

  names(vmId: string): string[] {
    return [...this.#queues.values()]
      .filter((queue) => queue.vmId === vmId)
      .map((queue) => queue.name)
      .sort();
  }

  depth(token: number): number {
    return this.#queues.get(token)?.items.length ?? 0;
  }

  /** Items waiting in all queues: grows without bound if someone enqueues to a dead consumer. */
  backlog(): number {
    let sum = 0;
    for (const queue of this.#queues.values()) sum += queue.items.length;
    return sum;
  }
}
