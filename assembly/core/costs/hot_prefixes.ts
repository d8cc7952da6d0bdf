import { u64At } from "../../wire/bytes";
import { PickContext } from "../pick_context";
import { prefixKey } from "../prefix/prefix_seed";

/** Prefixes counted at a time, a power of two. One whose place another has takes it over, its count from 0. */
const PLACES: i32 = 1024;
/** Requests after which counts are halved: what was asked for long ago is not hot. */
const HALVE_AFTER: u32 = 4096;
/** Requests in a row that go to the holders of a hot prefix, for each of them, before one goes elsewhere. */
const STREAK_FOR_HOLDER: u32 = 2;

/**
 * Prefixes that more is asked for than their holders are of all endpoints (LMETRIC's guard against hot spots). A prefix is its first
 * block. What it excludes is for one request: the endpoint that this goes to will be a holder too.
 */
export class HotPrefixes {
  private readonly keys: StaticArray<u64> = new StaticArray<u64>(PLACES);
  private readonly counts: StaticArray<u32> = new StaticArray<u32>(PLACES);
  private readonly streaks: StaticArray<u32> = new StaticArray<u32>(PLACES);
  private total: u32 = 0;

  /** Counts a request; whether the `holders` among its candidates are out of the question. `prefersHolders`: the best of all is one. */
  excludes(context: PickContext, holders: i32, prefersHolders: bool): bool {
    this.grow();
    const request = context.request;
    if (request.blocks == 0) return false;
    const key = prefixKey(u64At(request.hashes), request.seed);
    const place = (<i32>(key >> 32)) & (PLACES - 1);
    if (unchecked(this.keys[place]) != key) {
      unchecked((this.keys[place] = key));
      unchecked((this.counts[place] = 0));
      unchecked((this.streaks[place] = 0));
    }
    const count = unchecked(this.counts[place]) + 1;
    unchecked((this.counts[place] = count));
    const others = context.count - holders;
    if (holders == 0 || others == 0 || !prefersHolders) {
      unchecked((this.streaks[place] = 0));
      return false;
    }
    const streak = unchecked(this.streaks[place]) + 1;
    const isHot = <u64>count * <u64>others > <u64>(this.total - count) * <u64>holders;
    const excludes = isHot && streak > STREAK_FOR_HOLDER * <u32>holders;
    unchecked((this.streaks[place] = excludes ? 0 : streak));
    return excludes;
  }

  private grow(): void {
    if (++this.total < HALVE_AFTER) return;
    this.total = 0;
    for (let place = 0; place < PLACES; place++) {
      unchecked((this.counts[place] >>= 1));
      this.total += unchecked(this.counts[place]);
    }
    this.total = max<u32>(this.total, HALVE_AFTER / 2);
  }
}
