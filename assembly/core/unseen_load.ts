import { grown } from "./columns";

/** Of others' load to own: beyond it one root's own picks say nothing of what the others do. */
const MAX_SHARE: f64 = 64;

/**
 * What others have sent to each endpoint since they were last heard of: nobody knows, but as they meet the same traffic they do
 * as this root does. Own picks since then are taken once for each own request's share of theirs, so that a burst that comes to
 * several roots at one time is spread by each of them as if it were all of it.
 *
 * The other roots of the Envoy are heard of at each merge. What other Envoys have comes with a table, and was reported up to a
 * table before it: of these, picks count since the table before the last, and none once what the last one said has gone stale.
 */
export class UnseenLoad {
  /** Others' requests in flight for each own one, when last heard of: of the Envoy's other roots, and of other Envoys. */
  private rootShare: f64 = 0;
  private envoyShare: f64 = 0;
  private sinceMerge: StaticArray<f64> = new StaticArray<f64>(0);
  private sinceTable: StaticArray<f64> = new StaticArray<f64>(0);
  private beforeTable: StaticArray<f64> = new StaticArray<f64>(0);

  /** Room for accounts below `count`. */
  reserve(count: i32): void {
    this.sinceMerge = grown<f64>(this.sinceMerge, count * COLUMNS);
    this.sinceTable = grown<f64>(this.sinceTable, count * COLUMNS);
    this.beforeTable = grown<f64>(this.beforeTable, count * COLUMNS);
  }

  /** The account stands for another endpoint. */
  clear(account: i32): void {
    for (let at = account * COLUMNS, end = at + COLUMNS; at < end; at++) {
      unchecked((this.sinceMerge[at] = 0));
      unchecked((this.sinceTable[at] = 0));
      unchecked((this.beforeTable[at] = 0));
    }
  }

  /** This root sent a request there, of an account that has room. */
  sent(account: i32, uncached: u32, resident: u32): void {
    const at = account * COLUMNS;
    add(this.sinceMerge, at, uncached, resident);
    add(this.sinceTable, at, uncached, resident);
  }

  /** The other roots have `others` requests in flight in all, this one `own`. */
  heardRoots(own: f64, others: f64): void {
    this.rootShare = shareOf(own, others);
    this.sinceMerge.fill(0);
  }

  /** The other Envoys have `others` requests in flight in all, this root `own`. */
  heardEnvoys(own: f64, others: f64): void {
    this.envoyShare = shareOf(own, others);
    const before = this.beforeTable;
    this.beforeTable = this.sinceTable;
    this.sinceTable = before;
    before.fill(0);
  }

  /** Requests. Other Envoys are left out unless what they have is `known`. */
  @inline requests(account: i32, known: bool): f64 {
    return this.of(account * COLUMNS, known);
  }

  /** The same of prompt tokens that are not computed yet. */
  @inline uncached(account: i32, known: bool): f64 {
    return this.of(account * COLUMNS + UNCACHED, known);
  }

  /** The same of prompt tokens. */
  @inline resident(account: i32, known: bool): f64 {
    return this.of(account * COLUMNS + RESIDENT, known);
  }

  private of(at: i32, known: bool): f64 {
    const roots = this.rootShare * unchecked(this.sinceMerge[at]);
    if (!known) return roots;
    const sent = unchecked(this.sinceTable[at]) + unchecked(this.beforeTable[at]);
    return roots + this.envoyShare * sent;
  }
}

const UNCACHED: i32 = 1;
const RESIDENT: i32 = 2;
const COLUMNS: i32 = 3;

function add(columns: StaticArray<f64>, at: i32, uncached: u32, resident: u32): void {
  unchecked((columns[at] += 1));
  unchecked((columns[at + UNCACHED] += <f64>uncached));
  unchecked((columns[at + RESIDENT] += <f64>resident));
}

function shareOf(own: f64, others: f64): f64 {
  // A root that had nothing in flight does not know its share.
  return own > 0 ? min<f64>(MAX_SHARE, others / own) : 0;
}
