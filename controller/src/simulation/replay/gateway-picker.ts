/**
 * Several Envoys of several workers as one replay's picker. Requests come to the workers in turn. At each tick
 * the workers of an Envoy tell each other what they have in flight, what they learned and where they sent which
 * prompts; at each push the controller tells each Envoy what the others had in flight at the push before, and
 * their prompts.
 */
import * as L from "../../../../assembly/wire/layout.ts";
import type { PickingCore } from "../../core/picking-core.ts";
import { RemoteLoads } from "../../push/remote-load.ts";
import type { Report } from "../../table/report.ts";
import type { ServerModel } from "../server-model.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { CoreExchange } from "./core-exchange.ts";
import { CorePicker, type CorePickerOptions } from "./core-picker.ts";
import type { Explanation } from "./explanation.ts";
import type { Objectives } from "./objectives.ts";
import type { ReplayPicker, Usage } from "./replay-picker.ts";

export interface GatewayOptions extends Omit<CorePickerOptions, "core"> {
  /** Fresh ones: by Envoy, by worker; at least one. */
  readonly cores: readonly (readonly PickingCore[])[];
  readonly objectives: Objectives;
  /** > 0. Default 25. */
  readonly tickMs?: number;
  /** A multiple of the tick. Default 100. */
  readonly pushMs?: number;
}

interface Worker {
  readonly picker: CorePicker;
  readonly exchange: CoreExchange;
}

interface Envoy {
  readonly node: string;
  readonly workers: readonly Worker[];
  /** Prompts for the other Envoys, since the last push. */
  prefixes: Uint8Array[];
}

export class GatewayPicker implements ReplayPicker {
  readonly wantsProgress = true;
  readonly #envoys: readonly Envoy[];
  readonly #workers: readonly Worker[];
  readonly #tickMs: number;
  readonly #ticksPerPush: number;
  readonly #loads = new RemoteLoads();
  #ticks = 0;
  #next = 0;

  constructor(servers: readonly ServerModel[], options: GatewayOptions) {
    const { cores, tickMs = 25, pushMs = 100 } = options;
    this.#envoys = cores.map((workers, index) => ({
      node: `envoy-${index}`,
      workers: workers.map((core) => ({
        picker: new CorePicker(servers, { ...options, core }),
        exchange: new CoreExchange(core),
      })),
      prefixes: [],
    }));
    this.#workers = this.#envoys.flatMap(({ workers }) => workers);
    this.#tickMs = tickMs;
    this.#ticksPerPush = Math.max(1, Math.round(pushMs / tickMs));
  }

  scrape(nowMs: number): void {
    this.#runUntil(nowMs);
    for (const { picker } of this.#workers) picker.scrape(nowMs);
  }

  pick(asked: TraceRequest, nowMs: number): number {
    this.#runUntil(nowMs);
    this.#next = (this.#next + 1) % this.#workers.length;
    return this.#workers[this.#next]!.picker.pick(asked, nowMs);
  }

  open(asked: TraceRequest, server: number): number {
    return this.#workers[this.#next]!.picker.open(asked, server) * this.#workers.length + this.#next;
  }

  firstToken(flight: number, nowMs: number): void {
    this.#runUntil(nowMs);
    this.#of(flight).firstToken(this.#flight(flight), nowMs);
  }

  progress(flight: number, tokens: number, nowMs: number): void {
    this.#runUntil(nowMs);
    this.#of(flight).progress(this.#flight(flight), tokens, nowMs);
  }

  finish(flight: number, usage: Usage, nowMs: number): void {
    this.#runUntil(nowMs);
    this.#of(flight).finish(this.#flight(flight), usage, nowMs);
  }

  explain(asked: TraceRequest, nowMs: number): Explanation {
    return this.#workers[this.#next]!.picker.explain(asked, nowMs);
  }

  #of(flight: number): CorePicker {
    return this.#workers[flight % this.#workers.length]!.picker;
  }

  #flight(flight: number): number {
    return Math.floor(flight / this.#workers.length);
  }

  #runUntil(nowMs: number): void {
    while ((this.#ticks + 1) * this.#tickMs <= nowMs) {
      this.#ticks++;
      for (const envoy of this.#envoys) tick(envoy);
      if (this.#ticks % this.#ticksPerPush === 0) this.#push();
    }
  }

  #push(): void {
    const envoys = this.#envoys;
    if (envoys.length === 1) return;
    for (const envoy of envoys) {
      const others = envoys.filter((other) => other !== envoy);
      const prefixes = others.flatMap((other) => other.prefixes);
      const load = this.#loads.othersOf(envoy.node);
      for (const { picker, exchange } of envoy.workers) {
        picker.setRemote(load);
        for (const records of prefixes) exchange.applyPrefixes(records);
      }
    }
    for (const envoy of envoys) {
      envoy.prefixes = [];
      this.#loads.set(envoy.node, reportOf(envoy.node, envoy.workers[0]!.exchange.totals()), envoy);
    }
  }
}

/** Each worker of the Envoy tells the others. */
function tick(envoy: Envoy): void {
  const { workers } = envoy;
  const told = workers.map(({ exchange }) => ({
    tallies: exchange.tallies(),
    rows: exchange.takeRows(),
    prefixes: exchange.takePrefixes(),
  }));
  workers.forEach(({ exchange }, self) => {
    const others = told.filter((_, index) => index !== self);
    exchange.merge(others.map(({ tallies }) => tallies));
    for (const { rows, prefixes } of others) {
      exchange.applyRows(rows);
      exchange.applyPrefixes(prefixes);
    }
  });
  envoy.prefixes.push(...told.map(({ prefixes }) => prefixes));
}

/** As an Envoy's holder of the feed reports it. */
function reportOf(node: string, rows: Uint8Array): Report {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const endpoints = Array.from({ length: rows.length / L.TALLY_STRIDE }, (_, row) => {
    const at = row * L.TALLY_STRIDE;
    return {
      id: view.getBigUint64(at + L.TALLY_ID, true),
      requests: view.getUint32(at + L.TALLY_REQUESTS, true),
      uncachedTokens: view.getUint32(at + L.TALLY_UNCACHED_TOKENS, true),
      residentTokens: view.getBigUint64(at + L.TALLY_RESIDENT_TOKENS, true),
      picks: view.getBigUint64(at + L.TALLY_PICKS, true),
    };
  });
  return {
    epoch: 1n,
    sequence: 1n,
    node,
    generation: 1n,
    holder: 1n,
    tablesRefused: 0,
    lastRefusal: 0,
    liveSlots: 1,
    endpoints,
    missingTerms: new Map(),
  };
}
