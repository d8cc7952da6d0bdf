import { ENDPOINTS, poolCounts } from "../table-limits.ts";
import { TABLE_ROOM_BYTES, TableRoom } from "../table-room.ts";
import type { Finding } from "./findings.ts";
import type { Served } from "./own-clusters.ts";
import { poolReference } from "./references.ts";

export interface Fitted {
  readonly served: readonly Served[];
  /** Why a pool is left out, by its object's uid; one whose endpoints are cut short is none of these. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/**
 * As many pools as a table has room for, the oldest first: endpoints are cut short, a pool that lacks room for
 * anything else is left out.
 *
 * @param pools the oldest first
 */
export function fitted(pools: readonly Served[], findings: Finding[]): Fitted {
  const room = new TableRoom();
  const totals = new Map<string, number>();
  const leftOut = new Map<string, string>();
  const served = pools.flatMap(({ pool, spec }) => {
    const tell = (message: string): void => {
      findings.push({ object: poolReference(pool), reason: "TooMany", message, severity: "Warning" });
    };
    const leaveOut = (message: string): readonly Served[] => {
      tell(message);
      leftOut.set(pool.meta.uid, message);
      return [];
    };
    const leftOf = (what: string, bound: number): number => bound - (totals.get(what) ?? 0);
    const counts = poolCounts([spec]);
    const over = counts.find(({ what, count, bound }) => what !== ENDPOINTS && count > leftOf(what, bound));
    if (over !== undefined) {
      const { what, count, bound } = over;
      return leaveOut(`${count} ${what} is above the ${leftOf(what, bound)} that are left of ${bound}`);
    }
    const leftBytes = room.leftBytes;
    const bytes = room.addPool(spec);
    if (bytes > leftBytes)
      return leaveOut(`${bytes} bytes is above the ${leftBytes} that are left of ${TABLE_ROOM_BYTES}`);
    const bound = counts.find(({ what }) => what === ENDPOINTS)?.bound ?? 0;
    const leftEndpoints = leftOf(ENDPOINTS, bound);
    const { endpoints } = spec;
    let fitting = endpoints.slice(0, leftEndpoints);
    const firstOver = fitting.findIndex((endpoint) => !room.addEndpoint(endpoint));
    if (firstOver >= 0) {
      tell(
        `${endpoints.length} endpoints have more bytes than the ${leftBytes - bytes} that are left of ${TABLE_ROOM_BYTES}; the first ${firstOver} are served`,
      );
      fitting = fitting.slice(0, firstOver);
    } else if (endpoints.length > leftEndpoints) {
      tell(
        `${endpoints.length} endpoints is above the ${leftEndpoints} that are left of ${bound}; the first are served`,
      );
    }
    for (const { what, count } of counts)
      totals.set(what, (totals.get(what) ?? 0) + (what === ENDPOINTS ? fitting.length : count));
    return [{ pool, spec: fitting.length === endpoints.length ? spec : { ...spec, endpoints: fitting } }];
  });
  return { served, leftOut };
}
