import { TALLY_STRIDE } from "../wire/layout";
import { PICK_ROW_BYTES, pickRowCount, pickRowId, writePickRow } from "../wire/shared";
import { tallyId, tallyRequests, tallyResident, tallyUncached, writeTally } from "../wire/tally";
import { fresh, grown } from "./columns";
import { IdMap } from "./id_map";
import { Table } from "./table";
import { UnseenLoad } from "./unseen_load";

/**
 * What is in flight, by endpoint. An account is a small number that stands for an endpoint id as
 * long as anything is in flight to it or a table names it, whatever happens to the rows. Own columns
 * are this root's, merged columns the sum over the other roots of the same Envoy; what other Envoys
 * have in flight is in the table's `rowRemote…` columns.
 */
export class Ledger {
  /** One past the highest account in use. */
  accounts: i32 = 0;
  /** Counts up with every change of the own columns: what to publish has changed when it has. */
  changes: u32 = 0;
  /** What others are taken to have sent since they were heard of. */
  private readonly unseen: UnseenLoad = new UnseenLoad();

  id: StaticArray<u64> = new StaticArray<u64>(0);
  requests: StaticArray<u32> = new StaticArray<u32>(0);
  /** Prompt tokens sent and not yet computed. */
  uncachedTokens: StaticArray<u64> = new StaticArray<u64>(0);
  /** Prompt tokens of the requests in flight. */
  residentTokens: StaticArray<u64> = new StaticArray<u64>(0);
  /** Requests ever opened. */
  picks: StaticArray<u64> = new StaticArray<u64>(0);
  otherRequests: StaticArray<u32> = new StaticArray<u32>(0);
  otherUncached: StaticArray<u64> = new StaticArray<u64>(0);
  otherResident: StaticArray<u64> = new StaticArray<u64>(0);
  otherPicks: StaticArray<u64> = new StaticArray<u64>(0);

  private accountById: IdMap = new IdMap();
  private live: StaticArray<bool> = new StaticArray<bool>(0);
  private named: StaticArray<bool> = new StaticArray<bool>(0);
  private free: StaticArray<i32> = new StaticArray<i32>(0);
  private freeCount: i32 = 0;

  private mergeRequests: StaticArray<u32> = new StaticArray<u32>(0);
  private mergeUncached: StaticArray<u64> = new StaticArray<u64>(0);
  private mergeResident: StaticArray<u64> = new StaticArray<u64>(0);
  /** Account of the n-th row of the last merge: rows mostly come in the same order again. */
  private mergeOrder: StaticArray<i32> = new StaticArray<i32>(0);
  private mergePosition: i32 = 0;

  /** Account of the endpoint, opened if there is none. Allocates only when the columns have to grow. */
  accountOf(id: u64): i32 {
    const known = this.accountById.get(id);
    if (known >= 0) return known;
    let account: i32;
    if (this.freeCount > 0) {
      account = unchecked(this.free[--this.freeCount]);
    } else {
      account = this.accounts++;
      this.growTo(this.accounts);
    }
    this.id[account] = id;
    this.live[account] = true;
    this.requests[account] = 0;
    this.uncachedTokens[account] = 0;
    this.residentTokens[account] = 0;
    this.picks[account] = 0;
    this.otherRequests[account] = 0;
    this.otherUncached[account] = 0;
    this.otherResident[account] = 0;
    this.otherPicks[account] = 0;
    this.unseen.clear(account);
    this.mergeRequests[account] = 0;
    this.mergeUncached[account] = 0;
    this.mergeResident[account] = 0;
    this.accountById.put(id, account);
    return account;
  }

  /** Account of the endpoint; -1 if there is none. */
  find(id: u64): i32 {
    return this.accountById.get(id);
  }

  /** A request goes out: `uncached` prompt tokens to compute, `resident` prompt tokens in all. */
  open(account: i32, uncached: u32, resident: u32): void {
    if (!this.isLive(account)) return;
    unchecked(this.requests[account]++);
    unchecked((this.uncachedTokens[account] += uncached));
    unchecked((this.residentTokens[account] += resident));
    unchecked(this.picks[account]++);
    this.unseen.sent(account, uncached, resident);
    this.changes++;
  }

  /** The prompt has been computed (the first streamed chunk is here): its tokens wait no more. */
  prefilled(account: i32, uncached: u32): void {
    if (!this.isLive(account)) return;
    const held = unchecked(this.uncachedTokens[account]);
    unchecked((this.uncachedTokens[account] = held - min<u64>(held, uncached)));
    this.changes++;
  }

  /**
   * A request has ended; `uncached` is what `prefilled` has not returned yet. Takes back what `open`
   * counted, never below zero: an end reported twice must not lend the endpoint attraction.
   */
  close(account: i32, uncached: u32, resident: u32): void {
    if (!this.isLive(account)) return;
    const requests = unchecked(this.requests[account]);
    const uncachedHeld = unchecked(this.uncachedTokens[account]);
    const residentHeld = unchecked(this.residentTokens[account]);
    unchecked((this.requests[account] = requests - min<u32>(requests, 1)));
    unchecked((this.uncachedTokens[account] = uncachedHeld - min<u64>(uncachedHeld, uncached)));
    unchecked((this.residentTokens[account] = residentHeld - min<u64>(residentHeld, resident)));
    this.changes++;
  }

  /**
   * A retry took the request from one endpoint to another: it is in flight there, and stays a pick of the first.
   * False, and nothing moves, where the other has no account any more.
   */
  move(from: i32, to: i32, uncached: u32, resident: u32): bool {
    if (!this.isLive(to)) return false;
    this.close(from, uncached, resident);
    unchecked(this.requests[to]++);
    unchecked((this.uncachedTokens[to] += uncached));
    unchecked((this.residentTokens[to] += resident));
    this.changes++;
    return true;
  }

  /** Requests in flight to the endpoint from this Envoy: own and merged; 0 for no account. */
  @inline total(account: i32): u32 {
    if (account < 0) return 0;
    const requests = <u64>unchecked(this.requests[account]) + unchecked(this.otherRequests[account]);
    return <u32>min<u64>(requests, u32.MAX_VALUE);
  }

  /** Uncached prompt tokens in flight from this Envoy; 0 for no account. */
  totalUncached(account: i32): u64 {
    if (account < 0) return 0;
    return unchecked(this.uncachedTokens[account]) + unchecked(this.otherUncached[account]);
  }

  /** Prompt tokens in flight from this Envoy; 0 for no account. */
  totalResident(account: i32): u64 {
    if (account < 0) return 0;
    return unchecked(this.residentTokens[account]) + unchecked(this.otherResident[account]);
  }

  /** Requests that others are taken to have sent since; of other Envoys where what these have is `known` (VALID_REMOTE). */
  unseenRequests(account: i32, known: bool): f64 {
    return this.unseen.requests(account, known);
  }

  /** Uncached prompt tokens of those. */
  unseenUncached(account: i32, known: bool): f64 {
    return this.unseen.uncached(account, known);
  }

  /** Prompt tokens of those. */
  unseenResident(account: i32, known: bool): f64 {
    return this.unseen.resident(account, known);
  }

  /** Begins to collect what the other roots have in flight; the merged columns change at `endMerge`. */
  beginMerge(): void {
    for (let account = 0, count = this.accounts; account < count; account++) {
      unchecked((this.mergeRequests[account] = 0));
      unchecked((this.mergeUncached[account] = 0));
      unchecked((this.mergeResident[account] = 0));
    }
    this.mergePosition = 0;
  }

  /** Adds one row of another root; an id without an account is ignored. */
  mergeRow(id: u64, requests: u32, uncached: u32, resident: u64): void {
    const position = this.mergePosition++;
    let account = -1;
    if (position < this.mergeOrder.length) {
      account = unchecked(this.mergeOrder[position]);
    } else {
      const from = this.mergeOrder.length;
      this.mergeOrder = grown<i32>(this.mergeOrder, position + 1);
      for (let at = from, end = this.mergeOrder.length; at < end; at++) unchecked((this.mergeOrder[at] = -1));
    }
    if (
      account < 0 ||
      account >= this.accounts ||
      !unchecked(this.live[account]) ||
      unchecked(this.id[account]) != id
    ) {
      account = this.accountById.get(id);
      unchecked((this.mergeOrder[position] = account));
      if (account < 0) return;
    }
    unchecked((this.mergeRequests[account] += requests));
    unchecked((this.mergeUncached[account] += uncached));
    unchecked((this.mergeResident[account] += resident));
  }

  /** Adds `count` TALLY rows of another root; their picks are not looked at (`mergePicks`). */
  mergeTallies(rows: usize, count: u32): void {
    for (let i: u32 = 0; i < count; i++) {
      const row = rows + i * TALLY_STRIDE;
      this.mergeRow(tallyId(row), tallyRequests(row), tallyUncached(row), tallyResident(row));
    }
  }

  /** Replaces the merged columns by what was collected since `beginMerge`. */
  endMerge(): void {
    const requests = this.otherRequests;
    const uncached = this.otherUncached;
    const resident = this.otherResident;
    this.otherRequests = this.mergeRequests;
    this.otherUncached = this.mergeUncached;
    this.otherResident = this.mergeResident;
    this.mergeRequests = requests;
    this.mergeUncached = uncached;
    this.mergeResident = resident;
    this.heardRoots();
  }

  /** The other roots have in flight what the merged columns say: `endMerge`, or what was collected is no other. */
  heardRoots(): void {
    this.unseen.heardRoots(this.sumOf(this.requests), this.sumOf(this.otherRequests));
  }

  /** A table came that says what other Envoys have in flight: `others` requests in all, 0 where there is no other. */
  heardEnvoys(others: f64): void {
    this.unseen.heardEnvoys(this.sumOf(this.requests), others);
  }

  private sumOf(requests: StaticArray<u32>): f64 {
    let sum: f64 = 0;
    for (let account = 0, count = this.accounts; account < count; account++) {
      sum += <f64>unchecked(requests[account]);
    }
    return sum;
  }

  /** Forgets the other roots' picks: `mergePicks` counts them anew. */
  clearOtherPicks(): void {
    for (let account = 0, count = this.accounts; account < count; account++) {
      unchecked((this.otherPicks[account] = 0));
    }
  }

  /** Adds `count` pick rows of another root; an id without an account is ignored. */
  mergePicks(rows: usize, count: u32): void {
    for (let i: u32 = 0; i < count; i++) {
      const row = rows + i * PICK_ROW_BYTES;
      const account = this.accountById.get(pickRowId(row));
      if (account >= 0) unchecked((this.otherPicks[account] += pickRowCount(row)));
    }
  }

  /** Writes pick rows of the endpoints ever picked by this root at `ptr`, at most `capacityRows`; returns how many. */
  writePicks(ptr: usize, capacityRows: i32): i32 {
    let rows = 0;
    for (let account = 0, count = this.accounts; account < count && rows < capacityRows; account++) {
      if (!unchecked(this.live[account]) || unchecked(this.picks[account]) == 0) continue;
      writePickRow(
        ptr + <usize>rows * PICK_ROW_BYTES,
        unchecked(this.id[account]),
        unchecked(this.picks[account]),
      );
      rows++;
    }
    return rows;
  }

  /**
   * Frees every account that `table` (bound to this ledger) does not name and that has nothing of
   * its own in flight. Account numbers of freed endpoints are given out again.
   */
  release(table: Table): void {
    const count = this.accounts;
    this.named = fresh<bool>(this.named, count);
    for (let account = 0; account < count; account++) unchecked((this.named[account] = false));
    for (let row = 0, rows = table.endpointCount; row < rows; row++) {
      const account = unchecked(table.rowAccount[row]);
      if (account >= 0 && account < count) unchecked((this.named[account] = true));
    }
    let freed = 0;
    for (let account = 0; account < count; account++) {
      if (!unchecked(this.live[account]) || unchecked(this.named[account])) continue;
      if (this.isBusy(account)) continue;
      unchecked((this.live[account] = false));
      this.free = grown<i32>(this.free, this.freeCount + 1);
      unchecked((this.free[this.freeCount++] = account));
      freed++;
    }
    if (freed == 0) return;
    this.accountById.clear(count - this.freeCount);
    for (let account = 0; account < count; account++) {
      if (unchecked(this.live[account])) this.accountById.put(unchecked(this.id[account]), account);
    }
  }

  /**
   * Writes the own columns as TALLY rows at `ptr`, at most `capacityRows` of them: the endpoints with
   * something in flight, or all of them with `includeIdle`. Returns the number of rows written.
   */
  writeTallies(ptr: usize, capacityRows: i32, includeIdle: bool): i32 {
    let rows = 0;
    for (let account = 0, count = this.accounts; account < count && rows < capacityRows; account++) {
      if (!unchecked(this.live[account]) || !(includeIdle || this.isBusy(account))) continue;
      writeTally(
        ptr + <usize>rows * TALLY_STRIDE,
        unchecked(this.id[account]),
        unchecked(this.requests[account]),
        unchecked(this.uncachedTokens[account]),
        unchecked(this.residentTokens[account]),
        unchecked(this.picks[account]),
      );
      rows++;
    }
    return rows;
  }

  /** Like `writeTallies` with every endpoint, but own and merged columns together: the whole Envoy's. */
  writeTotals(ptr: usize, capacityRows: i32): i32 {
    let rows = 0;
    for (let account = 0, count = this.accounts; account < count && rows < capacityRows; account++) {
      if (!unchecked(this.live[account])) continue;
      writeTally(
        ptr + <usize>rows * TALLY_STRIDE,
        unchecked(this.id[account]),
        this.total(account),
        this.totalUncached(account),
        this.totalResident(account),
        unchecked(this.picks[account]) + unchecked(this.otherPicks[account]),
      );
      rows++;
    }
    return rows;
  }

  /** The account stands for an endpoint. */
  isLive(account: i32): bool {
    return account >= 0 && account < this.accounts && unchecked(this.live[account]);
  }

  private isBusy(account: i32): bool {
    return (
      unchecked(this.requests[account]) != 0 ||
      unchecked(this.uncachedTokens[account]) != 0 ||
      unchecked(this.residentTokens[account]) != 0
    );
  }

  private growTo(count: i32): void {
    this.id = grown<u64>(this.id, count);
    this.live = grown<bool>(this.live, count);
    this.requests = grown<u32>(this.requests, count);
    this.uncachedTokens = grown<u64>(this.uncachedTokens, count);
    this.residentTokens = grown<u64>(this.residentTokens, count);
    this.picks = grown<u64>(this.picks, count);
    this.otherRequests = grown<u32>(this.otherRequests, count);
    this.otherUncached = grown<u64>(this.otherUncached, count);
    this.otherResident = grown<u64>(this.otherResident, count);
    this.otherPicks = grown<u64>(this.otherPicks, count);
    this.mergeRequests = grown<u32>(this.mergeRequests, count);
    this.mergeUncached = grown<u64>(this.mergeUncached, count);
    this.mergeResident = grown<u64>(this.mergeResident, count);
    this.unseen.reserve(count);
  }
}
