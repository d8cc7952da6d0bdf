import { SECRET } from "../../kubernetes/kinds.ts";
import type { SecretObject } from "../../kubernetes/objects.ts";
import { Reflector, type ReflectorOptions } from "../../kubernetes/reflector.ts";
import type { SecretPlace } from "./inventory-builder.ts";

/** A Secret that cannot be read counts as missing after this time: nothing else waits for it longer. */
const WAIT_MS = 2000;

export interface WatchedSecretsOptions
  extends Omit<
    ReflectorOptions<SecretObject>,
    "kind" | "namespace" | "labelSelector" | "fieldSelector" | "onChange" | "onState"
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

  constructor(options: WatchedSecretsOptions) {
    this.#options = options;
  }

  /** Whether it is to be watched and has neither come nor turned out to be missing. */
  isPending(namespace: string, name: string): boolean {
    return this.#watched.get(`${namespace}/${name}`)?.isSettled !== true;
  }

  get pending(): number {
    return [...this.#watched.values()].filter(({ isSettled }) => !isSettled).length;
  }

  /** Watches these and no others. */
  watch(places: readonly SecretPlace[]): void {
    const wanted = new Map(places.map((place) => [`${place.namespace}/${place.name}`, place]));
    for (const [key, { place }] of this.#watched) {
      if (wanted.has(key)) continue;
      this.#stop(key);
      this.#options.onSecret(place, undefined);
    }
    for (const [key, place] of wanted) if (!this.#watched.has(key)) this.#start(key, place);
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
      onState: (state) => {
        if (state === "backing-off") settle();
      },
    });
    const cancelWait = common.setTimer(settle, WAIT_MS);
    this.#watched.set(key, { place, reflector, cancelWait, isSettled: false });
    void reflector.synced().then(settle);
    reflector.start();
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
