import { equalBytes } from "../wire/bytes";
import { MODEL_FLAG_ADAPTER } from "../wire/layout";
import { fresh } from "./columns";
import { Table } from "./table";

const EMPTY: i32 = -1;
/** Taken slots that one listing may pass, per slot: beyond it names chosen to collide may come twice. */
const MAX_PASSED_PER_SLOT: i32 = 8;

/**
 * Goes through the names that clients may ask for on a route: of each pool in turn its models, then the exact
 * names that it rewrites, no name twice. One listing at a time, and none across a decode of the table.
 */
export class ModelListing {
  /** The name that `next` found, valid until the next accepted table, and the pool whose it is. */
  namePtr: usize = 0;
  nameBytes: i32 = 0;
  pool: i32 = -1;
  isAdapter: bool = false;

  private table: Table | null = null;
  private route: i32 = 0;
  private poolPlace: i32 = 0;
  /** Rows of the pool behind it: models, then rules. */
  private row: i32 = 0;

  /** Names so far, in open addressing, at most half full. */
  private slotPtrs: StaticArray<usize> = new StaticArray<usize>(0);
  private slotBytes: StaticArray<i32> = new StaticArray<i32>(0);
  private slots: i32 = 0;
  private passesLeft: i32 = 0;

  /** Makes room for `names` names, so that no listing allocates. */
  reserve(names: i32): void {
    let slots = 16;
    while (slots < names * 2) slots <<= 1;
    this.slots = slots;
    this.slotPtrs = fresh<usize>(this.slotPtrs, slots);
    this.slotBytes = fresh<i32>(this.slotBytes, slots);
  }

  /** Begins with the route's first pool. */
  begin(table: Table, route: i32): void {
    this.table = table;
    this.route = route;
    this.poolPlace = 0;
    this.row = 0;
    this.passesLeft = this.slots * MAX_PASSED_PER_SLOT;
    for (let slot = 0; slot < this.slots; slot++) unchecked((this.slotBytes[slot] = EMPTY));
  }

  /** Finds the next name; false if there is no more. */
  next(): bool {
    const table = this.table;
    if (table == null) return false;
    const routes = table.routes;
    for (; this.poolPlace < routes.poolsOf(this.route); this.poolPlace++) {
      const pool = routes.poolAt(this.route, this.poolPlace);
      this.pool = pool;
      while (this.row < table.poolModelCount[pool]) {
        const model = table.poolModelStart[pool] + this.row++;
        this.isAdapter = (table.modelFlags[model] & MODEL_FLAG_ADAPTER) != 0;
        if (this.isNew(table.modelNamePtr(model), table.modelNameBytes(model), table.modelHash(model))) {
          return true;
        }
      }
      const rewrites = table.rewrites;
      this.isAdapter = false;
      while (this.row < table.poolModelCount[pool] + rewrites.rulesOf(pool)) {
        const rule = rewrites.firstRule(pool) + this.row++ - table.poolModelCount[pool];
        if (rewrites.ruleBytes(rule) == 0) continue;
        if (this.isNew(rewrites.rulePtr(rule), rewrites.ruleBytes(rule), rewrites.ruleHash(rule)))
          return true;
      }
      this.row = 0;
    }
    return false;
  }

  /** Takes the name as the one found, unless it has been found before. */
  private isNew(ptr: usize, bytes: i32, hash: u64): bool {
    const mask = this.slots - 1;
    let slot = (<i32>hash) & mask;
    while (this.passesLeft > 0 && unchecked(this.slotBytes[slot]) != EMPTY) {
      if (
        unchecked(this.slotBytes[slot]) == bytes &&
        equalBytes(unchecked(this.slotPtrs[slot]), ptr, bytes)
      ) {
        return false;
      }
      slot = (slot + 1) & mask;
      this.passesLeft--;
    }
    unchecked((this.slotPtrs[slot] = ptr));
    unchecked((this.slotBytes[slot] = bytes));
    this.namePtr = ptr;
    this.nameBytes = bytes;
    return true;
  }
}
