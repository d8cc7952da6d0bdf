import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { KIND_ACCOUNTS, KIND_PREFIXES } from "../../../assembly/wire/layout.ts";
import { type AccountsMessage, decodeAccounts, messageKind } from "../table/accounts.ts";
import { type EncodedTable, withRemote } from "../table/encode.ts";
import { decodePrefixes, encodePrefixes, secretTag } from "../table/prefixes.ts";
import { decodeReport, type Report } from "../table/report.ts";
import type { SetTimer } from "../timer.ts";
import { LearnedStates } from "./learned-states.ts";
import { PickTotals } from "./pick-totals.ts";
import { PrefixRelay } from "./prefix-relay.ts";
import type { PrefixSecret } from "./prefix-secret.ts";
import { RemoteLoads } from "./remote-load.ts";
import { ReportBudget } from "./report-budget.ts";

/** A vanished Envoy's requests count as in flight for this long: it may only be dialling again. */
const FORGET_AFTER_MS = 3000;
/** Prompts that come within this time go to the others together. */
const RELAY_EVERY_MS = 50;
/** Refused messages in a row after which the stream is ended; a few are borne, so that an Envoy with a newer filter still gets its tables. */
const MAX_REFUSED_IN_A_ROW = 8;

type FeedCall = ServerDuplexStream<Uint8Array, Uint8Array>;

export interface FeedServerDeps {
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
  /**
   * Takes what a VM of an Envoy has counted. What it throws says that there is no room for it: that is no fault of the
   * sender, whose stream brings tables too.
   */
  readonly onAccounts: (accounts: AccountsMessage) => void;
  /** At a stream's first refused message, at its first accounts without room, and when it is ended for what it sent. */
  readonly onTrouble: (trouble: FeedTrouble) => void;
  /** Absent: no Envoy is told of another's prompts. */
  readonly secret?: PrefixSecret;
}

export interface FeedTrouble {
  readonly peer: string;
  readonly node: string;
  readonly reason: string;
  readonly ended: boolean;
}

interface FeedStream {
  readonly call: FeedCall;
  readonly budget: ReportBudget;
  /** Envoy's node id once reported; a name of its own until then. */
  node: string;
  /** A table is handed to the transport and not yet written out. */
  writing: boolean;
  /** A newer table waits for the one being written. */
  behind: boolean;
  refusedInARow: number;
  /** Accounts of its had no room, and that was told. */
  wasWithoutRoom: boolean;
  /** Its Envoy takes messages of prefixes. */
  takesPrefixes: boolean;
  /** The place in the relay's log up to which it was sent what there is. */
  relayedTo: number;
  /** A message of prefixes is handed to the transport and not yet written out. */
  relaying: boolean;
  ended: boolean;
}

/**
 * The feed: tables down, reports and accounts up, all as raw bytes of `assembly/wire/layout.ts`. The filter opens
 * the stream and is sent the newest table at once, then each one published; a receiver that does not
 * keep up skips to the newest, it never queues more than one.
 */
export class FeedServer {
  private readonly deps: FeedServerDeps;
  private readonly streams = new Set<FeedStream>();
  private readonly loads = new RemoteLoads();
  private readonly picks = new PickTotals();
  private readonly relay = new PrefixRelay();
  /** What each node has learned, as it last said. */
  readonly learned = new LearnedStates();
  private readonly forgetting = new Set<() => void>();
  private table: EncodedTable | undefined;
  private opened = 0;
  private reportsAccepted = 0;
  private reportsRefused = 0;
  private accountsAccepted = 0;
  private accountsRefused = 0;
  private accountsWithoutRoom = 0;
  private tablesSent = 0;
  private tablesSkipped = 0;
  private prefixesRefused = 0;
  private prefixMessages = 0n;
  /** With which the keys are made that the relay keeps. */
  private relayedSecret: bigint | undefined;
  /** Undefined: no relay is due. */
  private cancelRelay: (() => void) | undefined;

  constructor(deps: FeedServerDeps) {
    this.deps = deps;
  }

  get service(): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
    return { definition: FEED_SERVICE, implementation: { Stream: (call: FeedCall) => this.accept(call) } };
  }

  /** Sends the table to every stream, each with the load that the other Envoys reported. */
  publish(table: EncodedTable): void {
    this.table = table;
    this.picks.retain(table.endpointIds);
    this.relay.retain(table.endpointIds);
    for (const stream of this.streams) this.send(stream);
  }

  /** The newest report of each node. */
  reports(): readonly Report[] {
    return this.loads.list();
  }

  /** Picks of an endpoint over all Envoys since this controller first knew it. */
  picksOf(id: bigint): bigint {
    return this.picks.get(id);
  }

  /** Moves when what Envoys must know of each other has changed; constant while there is one node. */
  get remoteRevision(): number {
    return this.loads.nodes > 1 ? this.loads.revision : 0;
  }

  counters() {
    return {
      streams: this.streams.size,
      streamsOpened: this.opened,
      reportsAccepted: this.reportsAccepted,
      reportsRefused: this.reportsRefused,
      accountsAccepted: this.accountsAccepted,
      accountsRefused: this.accountsRefused,
      accountsWithoutRoom: this.accountsWithoutRoom,
      tablesSent: this.tablesSent,
      tablesSkipped: this.tablesSkipped,
      prefixesAccepted: this.relay.accepted,
      prefixesRefused: this.prefixesRefused,
      prefixesSent: this.relay.sent,
      prefixesDropped: this.relay.dropped,
    };
  }

  /** Ends every stream; filters keep their table and dial again. */
  close(): void {
    for (const cancel of this.forgetting) cancel();
    this.forgetting.clear();
    this.cancelRelay?.();
    for (const stream of this.streams) {
      stream.ended = true;
      stream.call.end();
    }
    this.streams.clear();
  }

  private accept(call: FeedCall): void {
    this.opened += 1;
    const stream: FeedStream = {
      call,
      budget: new ReportBudget(this.deps.nowMs()),
      node: `stream-${this.opened}`,
      writing: false,
      behind: false,
      refusedInARow: 0,
      wasWithoutRoom: false,
      takesPrefixes: false,
      relayedTo: this.relay.end,
      relaying: false,
      ended: false,
    };
    this.streams.add(stream);
    const drop = () => this.drop(stream);
    call.on("data", (bytes: Uint8Array) => this.receive(stream, bytes));
    call.on("end", () => {
      drop();
      call.end();
    });
    call.on("cancelled", drop);
    call.on("error", drop);
    call.on("close", drop);
    this.send(stream);
  }

  private send(stream: FeedStream): void {
    const table = this.table;
    if (table === undefined || stream.ended) return;
    if (stream.writing) {
      if (stream.behind) this.tablesSkipped += 1;
      stream.behind = true;
      return;
    }
    stream.writing = true;
    const others = this.loads.othersOf(stream.node);
    stream.call.write(
      others === undefined ? table.bytes : withRemote(table, others),
      (error: Error | null | undefined) => {
        stream.writing = false;
        if (error !== undefined && error !== null) return;
        this.tablesSent += 1;
        if (!stream.behind) return;
        stream.behind = false;
        this.send(stream);
      },
    );
  }

  private receive(stream: FeedStream, bytes: Uint8Array): void {
    if (stream.ended) return;
    if (!stream.budget.spend(bytes.byteLength, this.deps.nowMs())) {
      this.end(stream, status.RESOURCE_EXHAUSTED, "too many messages");
      return;
    }
    const kind = messageKind(bytes);
    try {
      if (kind === KIND_ACCOUNTS) {
        if (!this.store(stream, decodeAccounts(bytes))) return;
        this.accountsAccepted += 1;
      } else if (kind === KIND_PREFIXES) {
        this.hearPrefixes(stream, bytes);
      } else {
        this.take(stream, decodeReport(bytes));
        this.reportsAccepted += 1;
      }
      stream.refusedInARow = 0;
    } catch (error) {
      if (kind === KIND_ACCOUNTS) this.accountsRefused += 1;
      else if (kind === KIND_PREFIXES) this.prefixesRefused += 1;
      else this.reportsRefused += 1;
      this.refuse(stream, reasonOf(error));
    }
  }

  /** Whether there was room. */
  private store(stream: FeedStream, accounts: AccountsMessage): boolean {
    try {
      this.deps.onAccounts(accounts);
      return true;
    } catch (error) {
      this.accountsWithoutRoom += 1;
      if (!stream.wasWithoutRoom) this.trouble(stream, reasonOf(error), false);
      stream.wasWithoutRoom = true;
      return false;
    }
  }

  /** Keys that are made with another secret mean nothing to the others: controllers may not have agreed yet. */
  private hearPrefixes(stream: FeedStream, bytes: Uint8Array): void {
    const message = decodePrefixes(bytes);
    const secret = this.deps.secret?.value;
    // What is kept was made with the secret before it.
    if (secret !== this.relayedSecret) this.relay.clear();
    this.relayedSecret = secret;
    if (secret === undefined || message.tag !== secretTag(secret)) {
      this.relay.dropped += message.records.length;
      return;
    }
    this.relay.add(stream.node, message);
    this.scheduleRelay();
  }

  private scheduleRelay(): void {
    this.cancelRelay ??= this.deps.setTimer(() => {
      this.cancelRelay = undefined;
      this.passPrefixesOn();
    }, RELAY_EVERY_MS);
  }

  /** Tells each Envoy what the others told; one that is slow gets the newest once it has taken what it was sent. */
  private passPrefixesOn(): void {
    const secret = this.deps.secret?.value;
    if (secret === undefined) return;
    if (secret !== this.relayedSecret) {
      this.relay.clear();
      return;
    }
    const tag = secretTag(secret);
    let isBehind = false;
    for (const stream of this.streams) {
      if (!stream.takesPrefixes) continue;
      if (stream.relaying) {
        isBehind = true;
        continue;
      }
      const records = this.relay.take(stream.node, stream.relayedTo);
      stream.relayedTo = this.relay.end;
      if (records.length === 0) continue;
      this.prefixMessages += 1n;
      stream.relaying = true;
      stream.call.write(encodePrefixes(tag, this.prefixMessages, records), () => {
        stream.relaying = false;
        // What came while it was written waits for no other prompt.
        if (!stream.ended && stream.relayedTo < this.relay.end) this.scheduleRelay();
      });
    }
    if (!isBehind) this.relay.clear();
  }

  private take(stream: FeedStream, report: Report): void {
    if (report.secret !== undefined) {
      if (!stream.takesPrefixes) stream.relayedTo = this.relay.end;
      stream.takesPrefixes = true;
      this.deps.secret?.heard({ epoch: report.epoch, secret: report.secret });
    }
    if (report.node !== "" && report.node !== stream.node) {
      this.learned.forget(stream.node, stream);
      this.loads.forget(stream.node, stream);
      this.picks.forget(stream.node, stream);
      stream.node = report.node;
    }
    this.loads.set(stream.node, report, stream);
    this.picks.add(stream.node, report, stream);
    if (report.learned !== undefined) this.learned.set(stream.node, report.learned, stream);
  }

  private refuse(stream: FeedStream, reason: string): void {
    stream.refusedInARow += 1;
    if (stream.refusedInARow > MAX_REFUSED_IN_A_ROW) this.end(stream, status.INVALID_ARGUMENT, reason);
    else if (stream.refusedInARow === 1) this.trouble(stream, reason, false);
  }

  private end(stream: FeedStream, code: status, details: string): void {
    this.trouble(stream, details, true);
    stream.call.emit("error", { code, details });
  }

  private trouble(stream: FeedStream, reason: string, ended: boolean): void {
    this.deps.onTrouble({ peer: stream.call.getPeer(), node: stream.node, reason, ended });
  }

  private drop(stream: FeedStream): void {
    if (!this.streams.delete(stream)) return;
    stream.ended = true;
    this.picks.forget(stream.node, stream);
    this.learned.forget(stream.node, stream);
    const cancel = this.deps.setTimer(() => {
      this.forgetting.delete(cancel);
      this.loads.forget(stream.node, stream);
    }, FORGET_AFTER_MS);
    this.forgetting.add(cancel);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const FEED_SERVICE: ServiceDefinition = {
  Stream: {
    path: "/inference_picker.feed.v1.Feed/Stream",
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: identity,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
};
