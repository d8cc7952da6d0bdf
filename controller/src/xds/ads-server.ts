import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { SetTimer } from "../timer.ts";
import { AdsStream, type Nack } from "./ads-stream.ts";
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from "./generated/envoy/service/discovery/v3/discovery_pb.ts";
import type { Snapshot } from "./resources.ts";

type AdsCall = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;

/** Distinct rejections remembered, so that many Envoys' same words are reported once. */
const MAX_REMEMBERED_NACKS = 256;

export interface AdsServerDeps {
  /** Called once for a version's rejection with the same words, however many Envoys say them. */
  readonly onNack: (nack: Nack) => void;
  readonly setTimer: SetTimer;
}

export interface AdsStreamState {
  readonly node: string;
  /** Type URL → version accepted last. */
  readonly acked: ReadonlyMap<string, string>;
}

export interface AdsProgress {
  /** No other stream ever has it. */
  readonly id: string;
  readonly node: string;
  readonly settled: boolean;
}

/** Aggregated discovery, state of the world; the delta variant is answered UNIMPLEMENTED. */
export class AdsServer {
  private readonly deps: AdsServerDeps;
  private readonly streams = new Map<AdsStream, AdsCall>();
  private opened = 0;
  private readonly seenNacks = new Set<string>();
  private snapshot: Snapshot | undefined;
  /** Rejected responses since the start, repeated ones included. */
  nacks = 0;

  constructor(deps: AdsServerDeps) {
    this.deps = deps;
  }

  get service(): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
    return {
      definition: ADS_SERVICE,
      implementation: { StreamAggregatedResources: (call: AdsCall) => this.accept(call) },
    };
  }

  /** Until the first call, requests are held and answered then. */
  publish(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    for (const stream of this.streams.keys()) stream.publish(snapshot);
  }

  /** Which streams have answered all that was published last, as far as they asked for it? */
  progress(): readonly AdsProgress[] {
    return [...this.streams.keys()].map((stream) => ({
      id: stream.id,
      node: stream.node,
      settled: stream.settled(),
    }));
  }

  states(): readonly AdsStreamState[] {
    return [...this.streams.keys()].map((stream) => ({ node: stream.node, acked: stream.acked() }));
  }

  /** Ends every stream; Envoys keep what they have and dial again. */
  close(): void {
    for (const [stream, call] of this.streams) {
      stream.close();
      call.end();
    }
    this.streams.clear();
  }

  private accept(call: AdsCall): void {
    this.opened += 1;
    const stream = new AdsStream({
      id: `discovery-${this.opened}`,
      send: (response) => call.write(response),
      onNack: (nack) => this.rejected(nack),
      setTimer: this.deps.setTimer,
    });
    this.streams.set(stream, call);
    const drop = () => {
      stream.close();
      this.streams.delete(stream);
    };
    call.on("data", (request: DiscoveryRequest) => {
      const refusal = stream.receive(request);
      if (refusal === undefined) return;
      drop();
      call.emit("error", { code: status.INVALID_ARGUMENT, details: refusal });
    });
    call.on("end", () => {
      drop();
      call.end();
    });
    call.on("cancelled", drop);
    call.on("error", drop);
    call.on("close", drop);
    if (this.snapshot !== undefined) stream.publish(this.snapshot);
  }

  private rejected(nack: Nack): void {
    this.nacks += 1;
    const key = `${nack.typeUrl}\0${nack.version}\0${nack.message}`;
    if (this.seenNacks.has(key)) return;
    if (this.seenNacks.size >= MAX_REMEMBERED_NACKS) this.seenNacks.clear();
    this.seenNacks.add(key);
    this.deps.onNack(nack);
  }
}

export const ADS_SERVICE: ServiceDefinition = {
  StreamAggregatedResources: {
    path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: DiscoveryRequest) => Buffer.from(toBinary(DiscoveryRequestSchema, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(DiscoveryRequestSchema, bytes),
    responseSerialize: (message: DiscoveryResponse) =>
      Buffer.from(toBinary(DiscoveryResponseSchema, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(DiscoveryResponseSchema, bytes),
  },
};
