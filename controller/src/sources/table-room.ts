import * as L from "../../../assembly/wire/layout.ts";
import type { EndpointSpec, PoolSpec } from "../model.ts";
import { formatAddress } from "./resolve.ts";

/** What is left of a message for models and adapters that model servers list, for routes, and for rounding. */
const RESERVED_BYTES = 1024 * 1024;

/** Bytes of one table that pools may fill together. */
export const TABLE_ROOM_BYTES = L.MAX_MESSAGE_BYTES - RESERVED_BYTES;

/** Counts the bytes that pools take in a table, in which each distinct string lies once. */
export class TableRoom {
  readonly #strings = new Set<string>();
  #leftBytes = TABLE_ROOM_BYTES;

  get leftBytes(): number {
    return this.#leftBytes;
  }

  /**
   * A pool without its endpoints, if there is room for it.
   *
   * @returns the bytes that it takes; above `leftBytes` they have not been taken
   */
  addPool(pool: Omit<PoolSpec, "endpoints">): number {
    const { clusters, models, objectives, rewrites, apis, scorers, picking } = pool;
    const hasClasses = picking.classes !== undefined || picking.contextLengthLabel !== undefined;
    const targets = rewrites.flatMap((rule) => rule.targets);
    return this.#add(
      L.POOL_STRIDE +
        clusters.length * L.CLUSTER_STRIDE +
        models.length * L.MODEL_STRIDE +
        objectives.length * L.OBJECTIVE_STRIDE +
        scorers.length * L.SCORER_STRIDE +
        rewrites.length * L.REWRITE_STRIDE +
        targets.length * L.TARGET_STRIDE +
        apis.length * L.API_STRIDE +
        (hasClasses ? L.MAX_POOL_CLASSES * L.CLASS_STRIDE : 0),
      [
        `${pool.namespace}/${pool.name}`,
        ...clusters,
        ...[...models, ...objectives].map(({ name }) => name),
        ...rewrites.map(({ model }) => model ?? ""),
        ...targets.map(({ model }) => model),
        ...apis.map(({ suffix }) => suffix),
        picking.classes?.header ?? "",
        ...(picking.classes?.values ?? []).map(({ value }) => value ?? ""),
      ],
    );
  }

  /** Whether there is room for it; where there is none, nothing is taken. */
  addEndpoint({ host, port, name }: EndpointSpec): boolean {
    const leftBytes = this.#leftBytes;
    return this.#add(L.ENDPOINT_STRIDE, [formatAddress(host, port), name]) <= leftBytes;
  }

  #add(rowBytes: number, strings: readonly string[]): number {
    const fresh = new Set(strings.filter((text) => !this.#strings.has(text)));
    let bytes = rowBytes;
    for (const text of fresh) bytes += Buffer.byteLength(text);
    if (bytes > this.#leftBytes) return bytes;
    this.#leftBytes -= bytes;
    for (const text of fresh) this.#strings.add(text);
    return bytes;
  }
}
