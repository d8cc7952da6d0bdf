/** Who has to take a step before the next one: a stream of an Envoy. */
export interface Peer {
  /** Another stream of the same Envoy is another peer. */
  readonly id: string;
  /** Envoy's node id. */
  readonly node: string;
  readonly settled: boolean;
  /** It takes this step from another controller, and never tells this one: a step waits its whole time for it. */
  readonly elsewhere?: boolean;
}

export interface PeerViews {
  /** Who takes hosts and routes, and has it answered what was served last? */
  readonly servedPeers: () => readonly Peer[];
  /** Has the table of a ticket, or a later one, been sent out? */
  readonly tableSent: (ticket: bigint) => boolean;
  /** Who takes tables, and has it applied that of the ticket, or a later one? */
  readonly tablePeers: (ticket: bigint) => readonly Peer[];
}

/** How long one step may wait for an Envoy: longer than the second in which an idle filter reports once. */
export const STEP_MS = 1500;
export const POLL_MS = 10;

/** Which Envoys a step still waits for. One that let a step's time pass is not waited for until it has answered. */
export class HandoverPeers {
  private readonly views: PeerViews;
  /** Ids of peers that let a step's time pass and have not answered since. */
  private readonly late = new Set<string>();

  constructor(views: PeerViews) {
    this.views = views;
  }

  /** Who has not answered the hosts or routes that were served last. */
  withoutServed(): readonly Peer[] {
    const served = this.views.servedPeers();
    this.pardon(served);
    return served.filter((peer) => !peer.settled && !this.late.has(peer.id));
  }

  /** Who has not applied the table of the ticket. */
  withoutTable(ticket: bigint): readonly Peer[] {
    const { servedPeers, tablePeers, tableSent } = this.views;
    const served = servedPeers();
    this.pardon(served);
    const peers = tablePeers(ticket);
    this.pardon(peers);
    // It is this controller that is missing; nobody else can be told from it.
    if (!tableSent(ticket)) return [{ id: "", node: "", settled: false, elsewhere: true }];
    return peers.filter((peer) => !peer.settled && !this.late.has(peer.id) && !this.hangs(peer.node, served));
  }

  /** The step's time is over, and these have not taken it. */
  passOver(missing: readonly Peer[]): void {
    for (const { id, elsewhere } of missing) if (elsewhere !== true) this.late.add(id);
  }

  forgetGone(): void {
    const { servedPeers, tablePeers } = this.views;
    const present = new Set([...servedPeers(), ...tablePeers(0n)].map(({ id }) => id));
    for (const id of this.late) if (!present.has(id)) this.late.delete(id);
  }

  /** An Envoy that answers no stream of discovery would cost a second wait for its table. */
  private hangs(node: string, served: readonly Peer[]): boolean {
    const own = served.filter((peer) => peer.node === node);
    return own.length > 0 && own.every(({ id }) => this.late.has(id));
  }

  private pardon(peers: readonly Peer[]): void {
    for (const { id, settled } of peers) if (settled) this.late.delete(id);
  }
}
