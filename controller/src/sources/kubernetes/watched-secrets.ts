import { SECRET } from "../../kubernetes/kinds.ts";
import type { SecretObject } from "../../kubernetes/objects.ts";
import { Reflector, type ReflectorOptions } from "../../kubernetes/reflector.ts";
import type { SecretPlace } from "./inventory-builder.ts";

/**
 * A Secret that cannot be read counts as missing after this time: nothing else waits for it longer. One answer that a busy
 * server did not give must not take a pool from gateways that serve it.
 */
const WAIT_MS = 10_000;
/** One that may not be read counts as missing at once, and is asked for this often: anybody's pool may name any. */
const FORBIDDEN_RETRY_MS = 60_000;
/** Each is watched over a connection of its own. */
export const MAX_SECRETS = 1024;
/** Whoever owns one namespace leaves others some. */
export const MAX_NAMESPACE_SECRETS = 64;

export interface WatchedSecretsOptions
  extends Omit<
    ReflectorOptions<SecretObject>,
    "kind" | "namespace" | "fieldSelector" | "onChange" | "onState" | "onForbidden"
  > {
  /** A Secret has come, changed or gone (undefined). */
  readonly onSecret: (place: SecretPlace, secret: SecretObject | undefined) => void;
  /** It is known whether the Secret is there, or that this cannot be known. */
  readonly onSettled: (place: SecretPlace) => void;
}

interface Watched {
  readonly place: SecretPlace;
  readonly reflector: Reflector<SecretObject>;
  readonly cancelWait: () => void;
  isSettled: boolean;
}

/** Watches Secrets one by one, by their names: nobody has to be allowed to read others. */
export class WatchedSecrets {
  readonly #options: WatchedSecretsOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #stopping = new Set<Promise<void>>();
  /** For which there is no room. */
  #refused: ReadonlySet<string> = new Set();

  constructor(options: WatchedSecretsOptions) {
    this.#options = options;
  }

  /** Whether it is to be watched and has neither come nor turned out to be missing. */
  isPending(namespace: string, name: string): boolean {
    const key = `${namespace}/${name}`;
    return !this.#refused.has(key) && this.#watched.get(key)?.isSettled !== true;
  }

  get pending(): number {
    return [...this.#watched.values()].filter(({ isSettled }) => !isSettled).length;
  }

  /** Watches these and no others, as many as there is room for: those that are watched already stay. */
  watch(places: readonly SecretPlace[]): void {
    const wanted = new Map(places.map((place) => [`${place.namespace}/${place.name}`, place]));
    for (const [key, { place }] of this.#watched) {
      if (wanted.has(key)) continue;
      this.#stop(key);
      this.#options.onSecret(place, undefined);
    }
    const counts = new Map<string, number>();
    const count = ({ namespace }: SecretPlace): number => counts.get(namespace) ?? 0;
    for (const { place } of this.#watched.values()) counts.set(place.namespace, count(place) + 1);
    const before = this.#refused;
    const refused = new Map<string, SecretPlace>();
    for (const [key, place] of wanted) {
      if (this.#watched.has(key)) continue;
      if (this.#watched.size >= MAX_SECRETS || count(place) >= MAX_NAMESPACE_SECRETS) {
        refused.set(key, place);
        continue;
      }
      counts.set(place.namespace, count(place) + 1);
      this.#start(key, place);
    }
    this.#refused = new Set(refused.keys());
    for (const [key, place] of refused) if (!before.has(key)) this.#tellRefused(place);
  }

  async close(): Promise<void> {
    for (const key of [...this.#watched.keys()]) this.#stop(key);
    await Promise.all(this.#stopping);
  }

  #start(key: string, place: SecretPlace): void {
    const { onSecret, onSettled, ...common } = this.#options;
    const settle = (): void => {
      const watched = this.#watched.get(key);
      if (watched?.place !== place || watched.isSettled) return;
      watched.isSettled = true;
      watched.cancelWait();
      onSettled(place);
    };
    const reflector = new Reflector<SecretObject>({
      ...common,
      kind: SECRET,
      namespace: place.namespace,
      fieldSelector: `metadata.name=${place.name}`,
      onChange: (objects) => onSecret(place, objects.get(key)),
      onForbidden: settle,
      limits: { forbiddenRetryMs: FORBIDDEN_RETRY_MS, ...common.limits },
    });
    const cancelWait = common.setTimer(settle, WAIT_MS);
    this.#watched.set(key, { place, reflector, cancelWait, isSettled: false });
    void reflector.synced().then(settle);
    reflector.start();
  }

  #tellRefused(place: SecretPlace): void {
    const bounds = { ofNamespace: MAX_NAMESPACE_SECRETS, all: MAX_SECRETS };
    this.#options.logger.warn({ ...place, bounds }, "no more Secrets are read: too many are named");
    this.#options.onSettled(place);
  }

  #stop(key: string): void {
    const watched = this.#watched.get(key);
    if (watched === undefined) return;
    this.#watched.delete(key);
    watched.cancelWait();
    const stopping = watched.reflector.stop().finally(() => this.#stopping.delete(stopping));
    this.#stopping.add(stopping);
  }
}
