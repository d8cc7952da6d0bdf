import { i32At } from "../wire/bytes";
import {
  ROUTE_POOL_COUNT,
  ROUTE_POOL_INDEX,
  ROUTE_POOL_START,
  SECTION_ROUTES,
  SECTION_ROUTE_POOLS,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { NameMap } from "./name_map";

/** The routes on which a request's model chooses the pool, by the names that they have in Envoy. */
export class Routes {
  private heap: usize = 0;
  private names: NameMap = new NameMap();
  private starts: StaticArray<i32> = new StaticArray<i32>(0);
  private counts: StaticArray<i32> = new StaticArray<i32>(0);
  private pools: StaticArray<i32> = new StaticArray<i32>(0);

  /** The route of this name; -1 if the model does not choose on it. */
  routeOf(ptr: usize, bytes: i32): i32 {
    return this.names.find(this.heap, ptr, <u32>bytes);
  }

  /** How many pools the route has, at least one. */
  poolsOf(route: i32): i32 {
    return unchecked(this.counts[route]);
  }

  /** The route's pool of this place, in the order in which the pools are asked. */
  poolAt(route: i32, index: i32): i32 {
    return unchecked(this.pools[unchecked(this.starts[route]) + index]);
  }

  /** Takes over the sections of a checked message and `names`, its routes; gives back the map used so far. */
  decode(message: usize, heap: usize, names: NameMap): NameMap {
    const spare = this.names;
    this.heap = heap;
    this.names = names;
    const count = sectionCount(message, SECTION_ROUTES);
    const stride = sectionStride(message, SECTION_ROUTES);
    const rows = sectionPtr(message, SECTION_ROUTES);
    this.starts = fresh<i32>(this.starts, count);
    this.counts = fresh<i32>(this.counts, count);
    for (let route = 0; route < count; route++) {
      this.starts[route] = i32At(rows + route * stride + ROUTE_POOL_START);
      this.counts[route] = i32At(rows + route * stride + ROUTE_POOL_COUNT);
    }
    const entries = sectionCount(message, SECTION_ROUTE_POOLS);
    const entryStride = sectionStride(message, SECTION_ROUTE_POOLS);
    const entryRows = sectionPtr(message, SECTION_ROUTE_POOLS);
    this.pools = fresh<i32>(this.pools, entries);
    for (let entry = 0; entry < entries; entry++) {
      this.pools[entry] = i32At(entryRows + entry * entryStride + ROUTE_POOL_INDEX);
    }
    return spare;
  }
}
