import type { Gateway } from "./harness.ts";

/** What the controller's `/table` said at a moment. */
export interface Sighting {
  /** `performance.now()` */
  readonly atMs: number;
  readonly generation: bigint;
  readonly sequence: bigint;
  readonly inFlight: number;
  readonly liveSlots: number;
}

const EVERY_MS = 25;

/** Reads `/table` on and on, and keeps what it says of the one Envoy. */
export class TableWatch {
  readonly sightings: Sighting[] = [];
  private readonly gateway: Gateway;
  private stopped = false;
  private readonly done: Promise<void>;

  /** Starts at once. */
  constructor(gateway: Gateway) {
    this.gateway = gateway;
    this.done = this.run();
  }

  get last(): Sighting | undefined {
    return this.sightings.at(-1);
  }

  /** Places where the generation went down. */
  get setBacks(): readonly string[] {
    return this.sightings.flatMap(({ generation }, index) => {
      const before = this.sightings[index - 1];
      return before === undefined || before.generation <= generation
        ? []
        : [`${before.generation} → ${generation}`];
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.done;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const envoy = (await this.gateway.table())?.envoys[0];
      if (envoy !== undefined)
        this.sightings.push({
          atMs: performance.now(),
          generation: BigInt(envoy.generation),
          sequence: BigInt(envoy.sequence),
          inFlight: envoy.inFlight,
          liveSlots: envoy.liveSlots,
        });
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}
