import { addressOf, u32At } from "../../wire/bytes";
import {
  ACCOUNTS_SECTION_ROWS,
  ACCOUNTS_SECTION_STRINGS,
  ACCOUNT_COUNT_COUNT,
  ACCOUNT_MODEL,
  ACCOUNT_POOL,
  ACCOUNT_RUNNING,
  ACCOUNT_TARGET,
  MAX_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
} from "../../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../../wire/reader";
import { IdMap } from "../id_map";
import { nameHash } from "../name_hash";

/** Entries of all VMs of an Envoy together; what comes beyond is not summed. */
const MOST_ENTRIES: i32 = 1024;

/**
 * Requests under way by pool, model and target, over the accounts of several VMs. An entry stays when nobody
 * has a request of it any more: its sum is then zero, which has to be said too.
 */
export class RunningSums {
  entries: i32 = 0;
  readonly sums: StaticArray<u32> = new StaticArray<u32>(MOST_ENTRIES);
  readonly poolBytes: StaticArray<i32> = new StaticArray<i32>(MOST_ENTRIES);
  readonly modelBytes: StaticArray<i32> = new StaticArray<i32>(MOST_ENTRIES);
  /** Pool, model and target, one behind the other. */
  private readonly names: StaticArray<StaticArray<u8>>;
  private readonly entryByNames: IdMap = new IdMap();

  constructor() {
    const none = new StaticArray<u8>(0);
    const names = new StaticArray<StaticArray<u8>>(MOST_ENTRIES);
    for (let entry = 0; entry < MOST_ENTRIES; entry++) names[entry] = none;
    this.names = names;
  }

  namesPtr(entry: i32): usize {
    return addressOf(unchecked(this.names[entry]));
  }

  targetBytes(entry: i32): i32 {
    return unchecked(this.names[entry]).length - this.poolBytes[entry] - this.modelBytes[entry];
  }

  /** Sums anew. */
  begin(): void {
    for (let entry = 0; entry < this.entries; entry++) this.sums[entry] = 0;
  }

  /**
   * Takes the rows of a message of accounts whose sections are checked (`checkMessage`); a row whose names lie
   * outside is left out. `counts` false: of a VM that is dead, whose rows are only remembered.
   */
  add(message: usize, counts: bool): void {
    const heap = sectionPtr(message, ACCOUNTS_SECTION_STRINGS);
    const heapBytes = sectionCount(message, ACCOUNTS_SECTION_STRINGS);
    const stride = sectionStride(message, ACCOUNTS_SECTION_ROWS);
    const rows = sectionCount(message, ACCOUNTS_SECTION_ROWS);
    let row = sectionPtr(message, ACCOUNTS_SECTION_ROWS);
    for (let index = 0; index < rows; index++, row += stride) {
      const running = u32At(row + ACCOUNT_RUNNING);
      // A row that has counted nothing yet has nothing to say.
      if (running == 0 && u32At(row + ACCOUNT_COUNT_COUNT) == 0) continue;
      if (
        !isInside(row + ACCOUNT_POOL, heapBytes, MAX_POOL_NAME_BYTES) ||
        !isInside(row + ACCOUNT_MODEL, heapBytes, MAX_NAME_BYTES) ||
        !isInside(row + ACCOUNT_TARGET, heapBytes, MAX_NAME_BYTES)
      )
        continue;
      const entry = this.entryOf(heap, row);
      if (entry >= 0 && counts) this.sums[entry] += running;
    }
  }

  private entryOf(heap: usize, row: usize): i32 {
    const pool = heap + u32At(row + ACCOUNT_POOL);
    const poolBytes = <i32>u32At(row + ACCOUNT_POOL + 4);
    const model = heap + u32At(row + ACCOUNT_MODEL);
    const modelBytes = <i32>u32At(row + ACCOUNT_MODEL + 4);
    const target = heap + u32At(row + ACCOUNT_TARGET);
    const targetBytes = <i32>u32At(row + ACCOUNT_TARGET + 4);
    const id =
      nameHash(pool, poolBytes) ^
      rotl<u64>(nameHash(model, modelBytes), 21) ^
      rotl<u64>(nameHash(target, targetBytes), 43);
    const known = this.entryByNames.get(id);
    if (known >= 0 || this.entries == MOST_ENTRIES) return known;
    const entry = this.entries++;
    const names = new StaticArray<u8>(poolBytes + modelBytes + targetBytes);
    const at = addressOf(names);
    memory.copy(at, pool, poolBytes);
    memory.copy(at + poolBytes, model, modelBytes);
    memory.copy(at + poolBytes + modelBytes, target, targetBytes);
    this.names[entry] = names;
    this.poolBytes[entry] = poolBytes;
    this.modelBytes[entry] = modelBytes;
    this.sums[entry] = 0;
    this.entryByNames.put(id, entry);
    return entry;
  }
}

function isInside(pair: usize, heapBytes: i32, mostBytes: u32): bool {
  const bytes = u32At(pair + 4);
  return bytes <= mostBytes && <u64>u32At(pair) + bytes <= <u64>heapBytes;
}
