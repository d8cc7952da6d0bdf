import { grown } from "../columns";
import { IdMap } from "../id_map";
import { PickContext } from "../pick_context";
import { Profile } from "./profile";

/** Pools remembered at most; beyond, all start anew: only names that come and go get this far. */
const MAX_CURSORS: i32 = 4096;

/**
 * The ready endpoints in turn. The turn belongs to the pool's name, so it survives new tables, and
 * begins at a random place, so that the workers of an Envoy do not all begin with the same endpoint.
 */
export class RoundRobin extends Profile {
  private cursorOfPool: IdMap = new IdMap();
  private cursors: StaticArray<u32> = new StaticArray<u32>(0);
  private count: i32 = 0;

  get prefersFewerInFlight(): bool {
    return false;
  }

  rank(context: PickContext): void {
    const count = <u32>context.count;
    if (count == 0) return;
    const cursor = this.cursorOf(context);
    const turn = unchecked(this.cursors[cursor]) % count;
    unchecked((this.cursors[cursor] = turn + 1));
    const scores = context.scores;
    // 0 for the one whose turn it is, -1 for the next, and so on; exact for every possible count.
    for (let index: u32 = 0; index < count; index++) {
      const wait = index >= turn ? index - turn : index + count - turn;
      unchecked((scores[index] = -(<f32>wait)));
    }
  }

  /** Cursor of the pool; allocates only when a pool is met for the first time. */
  private cursorOf(context: PickContext): i32 {
    const id = unchecked(context.table.poolId[context.pool]);
    const known = this.cursorOfPool.get(id);
    if (known >= 0) return known;
    if (this.count == MAX_CURSORS) {
      this.cursorOfPool.clear(0);
      this.count = 0;
    }
    const cursor = this.count++;
    this.cursors = grown<u32>(this.cursors, this.count);
    this.cursors[cursor] = context.random.next32();
    this.cursorOfPool.put(id, cursor);
    return cursor;
  }
}
