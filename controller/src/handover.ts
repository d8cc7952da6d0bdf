import { handoverSteps, type Step, type Target } from "./handover-steps.ts";
import type { Inventory } from "./model.ts";
import type { SetTimer } from "./timer.ts";

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

export interface HandoverOptions {
  /** Gives Envoy's clusters these hosts. */
  readonly serveHosts: (target: Target) => void;
  /** Gives Envoys these routes; until the first call they are served none. */
  readonly serveRoutes: (inventory: Inventory) => void;
  /** Who takes hosts and routes, and has it answered what was served last? */
  readonly servedPeers: () => readonly Peer[];
  /** Gives the filter's table these pools and endpoints. */
  readonly serveTable: (target: Target) => void;
  /** Has a table been sent out since the last `serveTable`? */
  readonly tableSent: () => boolean;
  /** Who takes tables, and has it applied one built since the last `serveTable`? */
  readonly tablePeers: () => readonly Peer[];
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
}

/** How long one step may wait for an Envoy: longer than the second in which an idle filter reports once. */
const STEP_MS = 1500;
const POLL_MS = 10;

/**
 * Takes Envoys from one target to the next step by step, each of which waits until every Envoy has taken
 * it, for a bounded time. A change once begun is finished before the newest of those that came
 * meanwhile, so that changes in a row cannot keep one another from their last steps. An Envoy that let a
 * step's time pass is not waited for again until it has answered.
 */
export class Handover {
  private readonly options: HandoverOptions;
  /** Reached, or on the way to. */
  private target: Target | undefined;
  private queued: Target | undefined;
  private moving = false;
  /** Ids of peers that let a step's time pass and have not answered since. */
  private readonly late = new Set<string>();
  private cancel: () => void = () => {};

  constructor(options: HandoverOptions) {
    this.options = options;
  }

  move(target: Target): void {
    this.queued = target;
    if (!this.moving) this.begin();
  }

  close(): void {
    this.cancel();
    this.moving = true;
  }

  private begin(): void {
    const next = this.queued;
    this.moving = next !== undefined;
    if (next === undefined) return;
    this.queued = undefined;
    const steps = handoverSteps(this.target, next);
    this.target = next;
    this.forgetGone();
    this.run(steps);
  }

  private run(steps: readonly Step[]): void {
    const [step, ...rest] = steps;
    if (step === undefined) {
      this.begin();
      return;
    }
    this.serve(step);
    // Whatever comes after the last step starts with one that takes nothing away.
    if (rest.length === 0) this.begin();
    else this.wait(step, () => this.run(rest));
  }

  private serve(step: Step): void {
    if (step.kind === "hosts") this.options.serveHosts(step.target);
    else if (step.kind === "table") this.options.serveTable(step.target);
    else this.options.serveRoutes(step.inventory);
  }

  /** Goes on at once where the step is taken already, else when it is or its time is over. */
  private wait(step: Step, next: () => void): void {
    const deadlineMs = this.options.nowMs() + STEP_MS;
    const look = () => {
      const missing = this.missing(step);
      if (missing.length > 0 && this.options.nowMs() < deadlineMs) {
        this.cancel = this.options.setTimer(look, POLL_MS);
        return;
      }
      for (const { id, elsewhere } of missing) if (elsewhere !== true) this.late.add(id);
      next();
    };
    look();
  }

  private missing(step: Step): readonly Peer[] {
    const { servedPeers, tablePeers, tableSent } = this.options;
    const served = servedPeers();
    this.pardon(served);
    if (step.kind !== "table") return served.filter((peer) => !peer.settled && !this.late.has(peer.id));
    const peers = tablePeers();
    this.pardon(peers);
    // It is this controller that is missing; nobody else can be told from it.
    if (!tableSent()) return [{ id: "", node: "", settled: false, elsewhere: true }];
    return peers.filter((peer) => !peer.settled && !this.late.has(peer.id) && !this.hangs(peer.node, served));
  }

  /** An Envoy that answers no stream of discovery would cost a second wait for its table. */
  private hangs(node: string, served: readonly Peer[]): boolean {
    const own = served.filter((peer) => peer.node === node);
    return own.length > 0 && own.every(({ id }) => this.late.has(id));
  }

  private pardon(peers: readonly Peer[]): void {
    for (const { id, settled } of peers) if (settled) this.late.delete(id);
  }

  private forgetGone(): void {
    const { servedPeers, tablePeers } = this.options;
    const present = new Set([...servedPeers(), ...tablePeers()].map(({ id }) => id));
    for (const id of this.late) if (!present.has(id)) this.late.delete(id);
  }
}
