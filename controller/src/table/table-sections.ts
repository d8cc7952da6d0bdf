import * as L from "../../../assembly/wire/layout.ts";
import type { SectionRule } from "./reader.ts";

/** What a table's writer knew: 0, 1 with the sections of TABLE_SECTIONS_V1, 2 with TABLE_FLAG_PICKING too. */
export function tableGeneration(sections: number, flags: number): 0 | 1 | 2 {
  if (sections < L.TABLE_SECTIONS_V1) return 0;
  return sections >= L.TABLE_SECTIONS && (flags & L.TABLE_FLAG_PICKING) !== 0 ? 2 : 1;
}

/** In the order of the SECTION_* numbers. */
export const TABLE_RULES: readonly SectionRule[] = [
  {
    name: "pools",
    minStride: L.POOL_STRIDE,
    olderStrides: [L.POOL_STRIDE_V0, L.POOL_STRIDE_V1],
    maxRows: L.MAX_POOLS,
  },
  {
    name: "endpoints",
    minStride: L.ENDPOINT_STRIDE,
    olderStrides: [L.ENDPOINT_STRIDE_V1, L.ENDPOINT_STRIDE_V1],
    maxRows: L.MAX_ENDPOINTS,
  },
  { name: "clusters", minStride: L.CLUSTER_STRIDE, maxRows: L.MAX_ROWS },
  { name: "models", minStride: L.MODEL_STRIDE, maxRows: L.MAX_ROWS },
  { name: "adapters", minStride: L.ADAPTER_STRIDE, maxRows: L.MAX_ROWS },
  { name: "objectives", minStride: L.OBJECTIVE_STRIDE, maxRows: L.MAX_ROWS },
  { name: "scorers", minStride: L.SCORER_STRIDE, maxRows: L.MAX_ROWS },
  { name: "rewrites", minStride: L.REWRITE_STRIDE, maxRows: L.MAX_ROWS, since: 1 },
  { name: "strings", minStride: 1, maxRows: L.MAX_MESSAGE_BYTES, heap: true },
  { name: "targets", minStride: L.TARGET_STRIDE, maxRows: L.MAX_ROWS, since: 1 },
  { name: "apis", minStride: L.API_STRIDE, maxRows: L.MAX_APIS, since: 1 },
  { name: "routes", minStride: L.ROUTE_STRIDE, maxRows: L.MAX_ROUTES, since: 1 },
  { name: "routePools", minStride: L.ROUTE_POOL_STRIDE, maxRows: L.MAX_ROWS, since: 1 },
  { name: "classes", minStride: L.CLASS_STRIDE, maxRows: L.MAX_ROWS, since: 2 },
  { name: "exchange", minStride: L.EXCHANGE_STRIDE, maxRows: 1, since: 2 },
];
