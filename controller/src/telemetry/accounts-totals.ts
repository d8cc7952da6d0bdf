import { HISTOGRAM_BOUNDS, OTHER_NAME } from "../../../assembly/wire/accounts.ts";
import * as L from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import { type AccountsMessage, type AccountRow, countKey } from "../table/accounts.ts";

/** A VM that is silent for this long is gone: it reports every five seconds, whether anything changed or not. */
const FORGET_AFTER_MS = 600_000;
/**
 * What runs in a VM that is silent for this long counts no more. It reports every five seconds, but the holder of the
 * feed passes on one VM a tick and 1 MB a second: a round of 65 VMs with 512 rows of a hundred counts takes some 40 s.
 */
const RUNNING_FOR_MS = 60_000;
const SWEEP_EVERY_MS = 15_000;
/** VMs known at once, those too that fell silent less than ten minutes ago: 63 Envoys of 64 workers and a main thread. */
const MAX_VMS = 4096;
/** What is remembered over all VMs, in counts: 40 MB, 4,096 VMs of four rows with 48 counts each. */
const MAX_COUNTS = 1_000_000;
const COUNT_BYTES = 40;
/** A row without its counts and names. */
const ROW_BYTES = 400;
/** Of a character of a row's names, which are kept by themselves and in the row's key. */
const CHARACTER_BYTES = 2;
/** Rows of the page; what comes beyond is counted in the one for what has no row of its own. */
const MAX_ROWS = 2048;

/** The counts that this build knows; others are of a newer filter. */
const KNOWN: ReadonlySet<number> = new Set([
  ...keys(L.GROUP_COUNTERS, L.COUNTERS),
  ...keys(L.GROUP_ERRORS, L.ERRORS),
  ...keys(L.GROUP_SUMS, HISTOGRAM_BOUNDS.length),
  ...HISTOGRAM_BOUNDS.flatMap((bounds, histogram) => keys(L.GROUP_BUCKETS + histogram, bounds.length + 1)),
]);
const NOTHING: ReadonlyMap<number, number> = new Map();

interface Vm {
  readonly sequence: bigint;
  readonly seenMs: number;
  readonly rows: ReadonlyMap<string, AccountRow>;
  readonly counts: number;
}

/** Sums over all Envoys for one pool, model and target. */
export interface AccountTotals {
  readonly pool: string;
  readonly model: string;
  readonly target: string;
  readonly running: number;
  /** By `countKey`; only those that this build knows. */
  readonly counts: ReadonlyMap<number, number>;
}

interface MutableTotals {
  readonly pool: string;
  readonly model: string;
  readonly target: string;
  readonly counts: Map<number, number>;
}

/**
 * Requests and answers over all Envoys, from what each of their VMs has counted since its start. Each message
 * is complete, and only what it has beyond the VM's last one is added: so each answer counts once, whichever
 * VM passed the message on, over how many streams, and how often.
 *
 * As a counter of Prometheus does, totals begin with this process: of a VM that was there before, the first
 * message is where counting begins. One that started since counts from its start.
 */
export class AccountsTotals {
  private readonly nowMs: () => number;
  private readonly startedMs: number;
  private readonly vms = new Map<bigint, Vm>();
  private readonly totals = new Map<string, MutableTotals>();
  private remembered = 0;
  private sweptMs: number;

  /** `nowMs`: monotonic. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
    this.startedMs = nowMs();
    this.sweptMs = this.startedMs;
  }

  /** VMs that are remembered. */
  get size(): number {
    return this.vms.size;
  }

  /**
   * Adds what the message has beyond the last one of its VM; an older one, or the same again, adds nothing.
   * @throws PickerError TABLE_BOUND where there is no room to remember another VM or its counts.
   */
  add(message: AccountsMessage): void {
    const nowMs = this.nowMs();
    this.sweep(nowMs);
    const before = this.vms.get(message.vm);
    if (before !== undefined && message.sequence <= before.sequence) return;
    if (before === undefined && this.vms.size >= MAX_VMS) throw full("VMs", this.vms.size + 1, MAX_VMS);
    const counts = message.rows.reduce((sum, row) => sum + countsOf(row), 0);
    const remembered = this.remembered - (before?.counts ?? 0) + counts;
    if (remembered > MAX_COUNTS) throw full("counts", remembered, MAX_COUNTS);
    this.remembered = remembered;
    const rows = new Map<string, AccountRow>();
    const begins = before === undefined && this.isOld(message, nowMs);
    for (const row of message.rows) {
      const name = nameOf(row);
      rows.set(name, row);
      if (!begins) this.gain(name, row, before?.rows.get(name)?.counts ?? NOTHING);
    }
    this.vms.set(message.vm, { sequence: message.sequence, seenMs: nowMs, rows, counts });
  }

  /** The rows that have counted anything, or have something under way. */
  list(): readonly AccountTotals[] {
    const nowMs = this.nowMs();
    this.sweep(nowMs);
    const running = this.running(nowMs);
    return [...this.totals.values()].map((totals) => ({ ...totals, running: running.get(totals) ?? 0 }));
  }

  /**
   * Did it count before this process did? One that is forgotten was silent for so long that it is older than
   * that time: it is never counted anew.
   */
  private isOld(message: AccountsMessage, nowMs: number): boolean {
    return message.ageMs >= Math.min(nowMs - this.startedMs, FORGET_AFTER_MS);
  }

  private gain(name: string, row: AccountRow, before: ReadonlyMap<number, number>): void {
    let totals: Map<number, number> | undefined;
    for (const [key, value] of row.counts) {
      const more = value - (before.get(key) ?? 0);
      if (more <= 0 || !KNOWN.has(key)) continue;
      totals ??= this.row(name, row).counts;
      totals.set(key, Math.min((totals.get(key) ?? 0) + more, Number.MAX_SAFE_INTEGER));
    }
  }

  private row(name: string, row: Pick<AccountRow, "pool" | "model" | "target">): MutableTotals {
    const known = this.totals.get(name);
    if (known !== undefined) return known;
    if (this.totals.size >= MAX_ROWS && name !== CATCH_ALL) return this.row(CATCH_ALL, REST);
    const { pool, model, target } = row;
    const made = { pool, model, target, counts: new Map<number, number>() };
    this.totals.set(name, made);
    return made;
  }

  private running(nowMs: number): ReadonlyMap<MutableTotals, number> {
    const sums = new Map<MutableTotals, number>();
    for (const vm of this.vms.values()) {
      if (nowMs - vm.seenMs > RUNNING_FOR_MS) continue;
      for (const [name, row] of vm.rows) {
        if (row.running === 0) continue;
        const totals = this.row(name, row);
        sums.set(totals, (sums.get(totals) ?? 0) + row.running);
      }
    }
    return sums;
  }

  private sweep(nowMs: number): void {
    if (nowMs - this.sweptMs < SWEEP_EVERY_MS) return;
    this.sweptMs = nowMs;
    for (const [id, vm] of this.vms) {
      if (nowMs - vm.seenMs < FORGET_AFTER_MS) continue;
      this.vms.delete(id);
      this.remembered -= vm.counts;
    }
  }
}

const REST = { pool: "", model: OTHER_NAME, target: OTHER_NAME };
const CATCH_ALL = nameOf(REST);

function nameOf({ pool, model, target }: Pick<AccountRow, "pool" | "model" | "target">): string {
  return JSON.stringify([pool, model, target]);
}

/** What remembering a row takes, in counts. */
function countsOf({ pool, model, target, counts }: AccountRow): number {
  const characters = pool.length + model.length + target.length;
  return counts.size + Math.ceil((ROW_BYTES + characters * CHARACTER_BYTES) / COUNT_BYTES);
}

function keys(group: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => countKey(group, index));
}

function full(what: string, value: number, bound: number): PickerError {
  return new PickerError("TABLE_BOUND", `${value} ${what} are more than ${bound}`, {
    path: "accounts",
    value,
    bound,
  });
}
