import { createHash } from "node:crypto";
import type { Finding } from "../sources/kubernetes/findings.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import { type Api, CONFLICT, FIELD_MANAGER, MERGE_PATCH, microTime, NOT_FOUND, statusOf } from "./api.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WorkQueue } from "./work-queue.ts";

export interface EventsOptions {
  readonly api: Api;
  /** `reportingInstance` of the Events. */
  readonly identity: string;
  readonly isLeading: () => boolean;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

/** What is known of one Event: one object, reason and message. */
interface Recorded {
  readonly finding: Finding;
  readonly note: string;
  readonly name: string;
  /** The finding is among the last ones. */
  stands: boolean;
  /** A request about it is under way. */
  isUnderWay: boolean;
  /** Occurrences that the API server does not know of. */
  unwritten: number;
  /** The Event's count at the API server; undefined: it has none that we know of. */
  count: number | undefined;
  writtenMs: number;
  goneMs: number;
}

/** What is remembered of one object. */
interface OfObject {
  readonly bucket: TokenBucket;
  /** Of its records; among those that do not stand, first are those that went first. */
  readonly keys: Set<string>;
}

/** events.k8s.io/v1 refuses longer ones. */
const MAX_NOTE_BYTES = 1024;
const MAX_INSTANCE_BYTES = 128;
const MAX_NAME_CHARACTERS = 253;
/** The API server drops an Event an hour (its default) after the last write: one that still holds is written again before. */
const REFRESH_MS = 30 * 60_000;
/** A finding that comes and goes is written at most this often, with the occurrences between in its count. */
const MIN_REPEAT_MS = 60_000;
/** A finding that is gone is counted on if it comes again within this time. */
const REMEMBERED_MS = 60 * 60_000;
const MAX_REMEMBERED = 4096;
/** Of one object, so that its owner takes no room from others; all of them are refreshed well within an hour. */
const MAX_OF_OBJECT = 32;
/** Of one object: at once, and then one every half minute; its messages may hold values that change all the time. */
const OBJECT_BURST = 10;
const OBJECT_REFILL_MS = 30_000;
/** Of all objects. */
const BURST = 25;
const REFILL_MS = 200;

/**
 * Writes what the owners of objects must know as Events of events.k8s.io/v1: `kubectl describe` and
 * `kubectl get events` list them, with the number of occurrences. Findings are a state, not news: one that stands
 * is one occurrence, and one that is back after it was gone is the next.
 */
export class Events {
  readonly #options: EventsOptions;
  readonly #queue: WorkQueue;
  readonly #records = new Map<string, Recorded>();
  /** Keys of the records that do not stand; first are those that went first. */
  readonly #gone = new Set<string>();
  /** By uid. */
  readonly #objects = new Map<string, OfObject>();
  #written = 0;
  #dropped = 0;
  #failures = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    const { isLeading, logger, nowMs, random, setTimer } = options;
    this.#queue = new WorkQueue({
      run: (key) => this.#run(key),
      waitMs: (key) => this.#objectOf(key)?.bucket.waitMs() ?? 0,
      isOpen: isLeading,
      bucket: new TokenBucket(BURST, REFILL_MS, nowMs),
      what: "event",
      logger,
      nowMs,
      random,
      setTimer,
    });
  }

  /** Since the start: Events created or counted on, findings that were gone before they could be written, failures. */
  get counts(): { readonly written: number; readonly dropped: number; readonly failures: number } {
    return { written: this.#written, dropped: this.#dropped, failures: this.#failures };
  }

  /** Findings that are remembered, gone ones too. */
  get size(): number {
    return this.#records.size;
  }

  /** All findings that hold now. */
  update(findings: readonly Finding[]): void {
    const now = this.#options.nowMs();
    const keys = new Set<string>();
    for (const finding of findings) {
      const note = shortened(finding.message, MAX_NOTE_BYTES);
      const key = [finding.object.uid, finding.reason, note].join("\n");
      if (keys.has(key)) continue;
      keys.add(key);
      this.#stands(key, finding, note);
    }
    for (const [key, record] of this.#records) {
      if (keys.has(key)) continue;
      if (record.stands) {
        record.stands = false;
        record.goneMs = now;
        this.#gone.add(key);
        const ofObject = this.#objectOf(key)?.keys;
        ofObject?.delete(key);
        ofObject?.add(key);
      }
      if (record.count === undefined && !record.isUnderWay) this.#drop(key);
      else if (now - record.goneMs >= REMEMBERED_MS) this.#forget(key);
    }
    this.#queue.kick();
  }

  /** Call it when the lease has come. */
  kick(): void {
    this.#queue.kick();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  #stands(key: string, finding: Finding, note: string): void {
    const known = this.#records.get(key);
    if (known?.stands) return;
    const { uid } = finding.object;
    if (known === undefined && !this.#makeRoom(uid)) {
      this.#dropped += 1;
      return;
    }
    const record = known ?? {
      finding,
      note,
      name: eventName(finding.object.name, key),
      stands: true,
      isUnderWay: false,
      unwritten: 0,
      count: undefined,
      writtenMs: Number.NEGATIVE_INFINITY,
      goneMs: 0,
    };
    record.stands = true;
    record.unwritten += 1;
    this.#records.set(key, record);
    this.#gone.delete(key);
    this.#keep(uid, key);
    // A refresh that waits is nearer than that only by chance, and the repeat replaces it.
    this.#queue.delete(key);
    this.#queue.add(key, Math.max(0, record.writtenMs + MIN_REPEAT_MS - this.#options.nowMs()));
  }

  /** Forgets one that is gone where there are too many; false if all of those still hold. */
  #makeRoom(uid: string): boolean {
    const ofObject = this.#objects.get(uid)?.keys ?? new Set();
    const isFullOfObject = ofObject.size >= MAX_OF_OBJECT;
    if (!isFullOfObject && this.#records.size < MAX_REMEMBERED) return true;
    for (const key of isFullOfObject ? ofObject : this.#gone) {
      if (!this.#gone.has(key)) continue;
      this.#forget(key);
      return true;
    }
    return false;
  }

  #keep(uid: string, key: string): void {
    const known = this.#objects.get(uid);
    if (known === undefined) {
      const bucket = new TokenBucket(OBJECT_BURST, OBJECT_REFILL_MS, this.#options.nowMs);
      this.#objects.set(uid, { bucket, keys: new Set([key]) });
    } else known.keys.add(key);
  }

  #objectOf(key: string): OfObject | undefined {
    const record = this.#records.get(key);
    return record === undefined ? undefined : this.#objects.get(record.finding.object.uid);
  }

  #drop(key: string): void {
    if (this.#options.isLeading()) this.#dropped += 1;
    this.#forget(key);
  }

  #forget(key: string): void {
    const uid = this.#records.get(key)?.finding.object.uid;
    this.#records.delete(key);
    this.#gone.delete(key);
    this.#queue.delete(key);
    if (uid === undefined) return;
    const keys = this.#objects.get(uid)?.keys;
    keys?.delete(key);
    if (keys?.size === 0) this.#objects.delete(uid);
  }

  async #run(key: string): Promise<boolean> {
    const record = this.#records.get(key);
    if (record === undefined || (record.unwritten === 0 && !record.stands)) return false;
    this.#objectOf(key)?.bucket.take();
    // Nothing new: it still holds, and is written again so that it is not dropped.
    if (record.unwritten === 0) record.unwritten = 1;
    record.isUnderWay = true;
    try {
      await this.#write(record);
    } catch (error) {
      if (this.#options.isLeading()) this.#failures += 1;
      if (record.stands || record.count !== undefined) throw error;
      this.#drop(key);
      return false;
    } finally {
      record.isUnderWay = false;
    }
    if (record.stands) this.#queue.add(key, REFRESH_MS * (1 - this.#options.random() / 4));
    return true;
  }

  async #write(record: Recorded): Promise<void> {
    // Occurrences that come while this is under way are the next write's.
    const occurrences = record.unwritten;
    if (record.count !== undefined) {
      record.count = await this.#countOn(record, record.count + occurrences);
    }
    if (record.count === undefined) record.count = await this.#create(record, occurrences);
    record.unwritten -= occurrences;
    record.writtenMs = this.#options.nowMs();
    this.#written += 1;
  }

  /** Undefined if the API server has dropped the Event. */
  async #countOn(record: Recorded, count: number): Promise<number | undefined> {
    try {
      const lastObservedTime = microTime(this.#options.wallMs());
      await this.#patch(record, { series: { count, lastObservedTime } });
      return count;
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** Where an earlier leader, or this one before a restart, has made the same Event, that one is counted on. */
  async #create(record: Recorded, occurrences: number): Promise<number> {
    const { api } = this.#options;
    const { namespace } = record.finding.object;
    try {
      await api.request<unknown>({
        method: "POST",
        path: eventsPath(namespace),
        query: { fieldManager: FIELD_MANAGER },
        body: this.#eventOf(record, occurrences),
      });
      return occurrences;
    } catch (error) {
      if (statusOf(error) !== CONFLICT) throw error;
    }
    // A patch that changes nothing answers with the whole Event, and needs no right to read Events.
    const count = countIn(await this.#patch(record, {})) + occurrences;
    await this.#patch(record, { series: { count, lastObservedTime: microTime(this.#options.wallMs()) } });
    return count;
  }

  #patch({ finding, name }: Recorded, body: unknown): Promise<unknown> {
    return this.#options.api.request<unknown>({
      method: "PATCH",
      path: `${eventsPath(finding.object.namespace)}/${encodeURIComponent(name)}`,
      query: { fieldManager: FIELD_MANAGER },
      body,
      contentType: MERGE_PATCH,
    });
  }

  #eventOf({ finding, note, name }: Recorded, occurrences: number): unknown {
    const { kind, apiVersion, namespace, name: regarding, uid } = finding.object;
    const now = microTime(this.#options.wallMs());
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name, namespace },
      eventTime: now,
      // A series of one is refused.
      ...(occurrences > 1 ? { series: { count: occurrences, lastObservedTime: now } } : {}),
      reportingController: FIELD_MANAGER,
      reportingInstance: shortened(this.#options.identity, MAX_INSTANCE_BYTES),
      action: "Reconcile",
      reason: finding.reason,
      regarding: { apiVersion, kind, namespace, name: regarding, uid },
      note,
      type: finding.severity,
    };
  }
}

function eventsPath(namespace: string): string {
  return `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
}

/** The same for the same object, reason and message, whoever writes it. */
function eventName(object: string, key: string): string {
  const digits = createHash("sha256").update(key).digest("hex").slice(0, 16);
  // What is cut off may leave a dot or hyphen, which may not stand before the next dot.
  const cut = object.slice(0, MAX_NAME_CHARACTERS - digits.length - 1).replace(/[^a-z0-9]+$/, "");
  return `${cut}.${digits}`;
}

/** At most so many bytes of UTF-8, cut between characters. */
function shortened(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text).subarray(0, maxBytes - Buffer.byteLength("…"));
  // A character that was cut in two decodes to replacement characters at the end.
  return `${bytes.toString().replace(/\uFFFD+$/, "")}…`;
}

/** An Event without a series is one occurrence. */
function countIn(event: unknown): number {
  const { series } = (event ?? {}) as { series?: { count?: unknown } | null };
  return typeof series?.count === "number" ? series.count : 1;
}
