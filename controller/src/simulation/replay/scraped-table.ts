/** The table as a controller would feed it that scrapes the simulated servers at an interval. */
import * as L from "../../../../assembly/wire/layout.ts";
import type { PickingCore } from "../../core/picking-core.ts";
import { DEFAULT_PICKING } from "../../table/encode-picking.ts";
import { type EncodedTable, encodeTable, withRemote } from "../../table/encode.ts";
import { fnv1a64 } from "../../table/hash.ts";
import type { PoolRow, RemoteLoad } from "../../table/rows.ts";
import { WireError } from "../../table/wire-error.ts";
import type { ServerModel } from "../server-model.ts";
import type { Objectives } from "./objectives.ts";

const POOL = "simulated/pool";

export type PoolProfile = Pick<PoolRow, "profile" | "scorers">;

/** Distinct for every index below 16,777,216. */
function addressOf(index: number): string {
  return `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}:8000`;
}

function poolRow(
  servers: readonly ServerModel[],
  profile: PoolProfile,
  objectives: Objectives,
  staleAfterMs: number,
): PoolRow {
  return {
    name: POOL,
    ...profile,
    failureMode: "FailClose",
    readBody: true,
    requireModel: false,
    knownModelsOnly: false,
    restoreModel: false,
    addUsage: false,
    byModel: false,
    staleAfterMs,
    bodyWindowBytes: 65_536,
    bodyLimitBytes: 16_777_216,
    queueLimit: 5,
    kvLimit: 0.8,
    clusters: [],
    models: [],
    objectives: [],
    rewrites: [],
    apis: [],
    picking: {
      ...DEFAULT_PICKING,
      ttftBaseMs: objectives.ttft.baseMs,
      ttftPer1kTokensMs: objectives.ttft.perThousandMs,
      tpotMs: objectives.tpotMs,
    },
    endpoints: servers.map(({ hw }, index) => ({
      id: fnv1a64(addressOf(index)),
      address: addressOf(index),
      name: `server-${index}`,
      ready: true,
      draining: false,
      unmeasured: false,
      ageMs: 0,
      queuedRequests: 0,
      runningRequests: 0,
      kvUsedRatio: 0,
      kvBlocks: hw.kvBlocks,
      kvBlockTokens: hw.blockTokens,
    })),
  };
}

/** Row i of the pool is server i. */
export class ScrapedTable {
  /** Index of the pool in the core's table. */
  readonly pool: number;
  /** First of the pool's rows. */
  readonly firstRow: number;
  /** By server. */
  readonly queued: Uint32Array;
  readonly running: Uint32Array;
  readonly kvUsed: Float32Array;
  /** Time of the last scrape. */
  atMs = 0;
  readonly #core: PickingCore;
  readonly #servers: readonly ServerModel[];
  readonly #encoded: EncodedTable;
  readonly #view: DataView;
  #sequence = 1n;
  #isFed = true;
  /** Undefined: there is no other Envoy. */
  #remote: ((id: bigint) => RemoteLoad) | undefined;

  /** @throws PickerError for more servers than a table holds, or for scorers that it cannot hold */
  constructor(
    core: PickingCore,
    servers: readonly ServerModel[],
    profile: PoolProfile,
    objectives: Objectives,
    scrapeIntervalMs: number,
  ) {
    this.#core = core;
    this.#servers = servers;
    const staleAfterMs = Math.max(1000, Math.ceil(3 * scrapeIntervalMs));
    const pools = [poolRow(servers, profile, objectives, staleAfterMs)];
    this.#encoded = encodeTable({ epoch: 1n, sequence: 1n, pools, routes: [] });
    const { bytes } = this.#encoded;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.queued = new Uint32Array(servers.length);
    this.running = new Uint32Array(servers.length);
    this.kvUsed = new Float32Array(servers.length);
    this.#decode();
    this.pool = core.poolOfName(POOL);
    this.firstRow = core.exports.poolStart(this.pool);
  }

  /** Reads what each server shows at this moment; the core is fed with it before the next pick. */
  scrape(nowMs: number): void {
    this.#servers.forEach((server, index) => {
      this.queued[index] = server.publishedWaiting;
      this.running[index] = server.publishedRunning;
      this.kvUsed[index] = server.publishedKvUsedRatio;
    });
    this.atMs = nowMs;
    this.#isFed = false;
  }

  setRemote(remote: ((id: bigint) => RemoteLoad) | undefined): void {
    this.#remote = remote;
    this.#isFed = false;
  }

  /** Feeds the core with the last scrape, once: tables that no pick would meet are never built. */
  feed(): void {
    if (this.#isFed) return;
    this.#isFed = true;
    const { endpointOffset, endpointStride } = this.#encoded;
    const view = this.#view;
    for (let index = 0; index < this.#servers.length; index++) {
      const at = endpointOffset + index * endpointStride;
      view.setUint32(at + L.ENDPOINT_QUEUED, this.queued[index]!, true);
      view.setUint32(at + L.ENDPOINT_RUNNING, this.running[index]!, true);
      view.setFloat32(at + L.ENDPOINT_KV_USED, this.kvUsed[index]!, true);
    }
    view.setBigUint64(L.HEADER_SEQUENCE, ++this.#sequence, true);
    this.#decode();
  }

  #decode(): void {
    const bytes = this.#remote === undefined ? this.#encoded.bytes : withRemote(this.#encoded, this.#remote);
    const refusal = this.#core.decode(bytes, this.atMs);
    if (refusal !== 0) throw new WireError(refusal, POOL, refusal, 0);
  }
}
