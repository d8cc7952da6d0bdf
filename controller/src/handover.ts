import { EndpointShift } from "./endpoint-shift.ts";
import { HandoverPeers, type Peer, POLL_MS, type PeerViews, STEP_MS } from "./handover-peers.ts";
import { handoverSteps, type Step, type Target } from "./handover-steps.ts";
import type { Inventory } from "./model.ts";
import type { SetTimer } from "./timer.ts";

export interface HandoverOptions extends PeerViews {
  /** Gives Envoy's clusters these hosts. */
  readonly serveHosts: (target: Target) => void;
  /** Gives Envoys these routes; until the first call they are served none. */
  readonly serveRoutes: (inventory: Inventory) => void;
  /** Gives the filter's table these pools and endpoints; returns the ticket of the table that has them. */
  readonly serveTable: (target: Target) => bigint;
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
}

/**
 * Takes Envoys from one target to the next step by step, each of which waits until every Envoy has taken
 * it, for a bounded time. A change once begun is finished before the newest of those that came
 * meanwhile, so that changes in a row cannot keep one another from their last steps. Where endpoints alone differ
 * there are no steps: see EndpointShift.
 */
export class Handover {
  private readonly options: HandoverOptions;
  private readonly peers: HandoverPeers;
  private readonly shift: EndpointShift;
  /** Reached, or on the way to. */
  private target: Target | undefined;
  private shape = "";
  private queued: Target | undefined;
  private moving = false;
  private ticket = 0n;
  private cancel: () => void = () => {};

  constructor(options: HandoverOptions) {
    const { serveHosts, serveTable, nowMs, setTimer } = options;
    this.options = options;
    this.peers = new HandoverPeers(options);
    this.shift = new EndpointShift({
      serveHosts,
      serveTable,
      peers: this.peers,
      nowMs,
      setTimer,
      onSettled: () => {
        if (!this.moving) this.begin();
      },
    });
  }

  move(target: Target): void {
    this.queued = target;
    if (!this.moving) this.begin();
  }

  close(): void {
    this.cancel();
    this.shift.close();
    this.moving = true;
  }

  private begin(): void {
    const next = this.queued;
    this.moving = false;
    if (next === undefined) return;
    const shape = shapeOf(next);
    const before = this.target;
    if (before !== undefined && shape === this.shape) {
      this.queued = undefined;
      this.target = next;
      this.peers.forgetGone();
      this.shift.shift(next);
      return;
    }
    // The steps know of one earlier side: what is still shifting gets there first.
    if (!this.shift.isSettled) return;
    this.queued = undefined;
    this.moving = true;
    this.target = next;
    this.shape = shape;
    this.peers.forgetGone();
    this.run(handoverSteps(before, next), next);
  }

  private run(steps: readonly Step[], target: Target): void {
    const [step, ...rest] = steps;
    if (step !== undefined) this.serve(step);
    // Whatever comes after the last step starts with one that takes nothing away.
    if (step !== undefined && rest.length > 0) {
      this.wait(step, () => this.run(rest, target));
      return;
    }
    this.shift.reset(target);
    this.begin();
  }

  private serve(step: Step): void {
    if (step.kind === "hosts") this.options.serveHosts(step.target);
    else if (step.kind === "table") this.ticket = this.options.serveTable(step.target);
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
      this.peers.passOver(missing);
      next();
    };
    look();
  }

  private missing(step: Step): readonly Peer[] {
    return step.kind === "table" ? this.peers.withoutTable(this.ticket) : this.peers.withoutServed();
  }
}

/** All of a target but its endpoints. */
function shapeOf({ inventory: { pools, routes }, withheld }: Target): string {
  const bare = pools.map(({ endpoints: _, ...rest }) => rest);
  return JSON.stringify([bare, routes, [...withheld].sort()]);
}
