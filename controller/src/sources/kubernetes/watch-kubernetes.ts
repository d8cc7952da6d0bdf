import {
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  type Kind,
  LLMD_MODEL_REWRITE,
  LLMD_OBJECTIVE,
  POD,
  SERVICE,
} from "../../kubernetes/kinds.ts";
import type { PoolObject } from "../../kubernetes/objects.ts";
import { Reflector, type ReflectorLimits, type ReflectorOptions } from "../../kubernetes/reflector.ts";
import type { Inventory } from "../../model.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { SetTimer } from "../../timer.ts";
import type { ParsedRoute } from "../pools-schema.ts";
import type { SourceOutcome } from "./findings.ts";
import { type Built, InventoryBuilder } from "./inventory-builder.ts";
import type { ObjectKind, ObjectOf } from "./namespace-pools.ts";
import { missingPools } from "./routes.ts";
import type { KubernetesSourceSettings } from "./settings.ts";
import { WatchedSecrets } from "./watched-secrets.ts";

export interface WatchKubernetesOptions {
  readonly client: ReflectorOptions<PoolObject>["client"];
  readonly settings: KubernetesSourceSettings;
  /** Pools go where these say; absent: one route for every path. */
  readonly routes?: readonly ParsedRoute[] | undefined;
  /** First when all kinds have been read or are known to be absent or forbidden, then at each change. */
  readonly onInventory: (inventory: Inventory) => void;
  /** After each inventory: what the objects' owners must know. */
  readonly onOutcome: (outcome: SourceOutcome) => void;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  /** For tests. */
  readonly limits?: Partial<ReflectorLimits> | undefined;
}

export interface KubernetesSource {
  /** The pools as they were seen last, by `namespace/name`. */
  pools(): ReadonlyMap<string, PoolObject>;
  setRoutes(routes: readonly ParsedRoute[]): void;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

/** Changes that arrive within this time of each other are reported together: one rollout changes many Pods. */
const GATHER_MS = 20;
/** From one inventory to the next: tables go out no more often either, and each inventory costs as much as it has endpoints. */
const APART_MS = 100;
/** How often it is said what the first inventory still waits for. */
const WAITING_MS = 10_000;

/** Watches all kinds of objects that pools are made of, and reports what they come to. */
export function watchKubernetes(options: WatchKubernetesOptions): KubernetesSource {
  return new WatchedKubernetes(options);
}

/** A reflector of any kind, for what is the same for all of them. */
type AnyReflector = Pick<Reflector<PoolObject>, "start" | "stop" | "synced">;

class WatchedKubernetes implements KubernetesSource {
  readonly #options: WatchKubernetesOptions;
  readonly #builder: InventoryBuilder;
  readonly #secrets: WatchedSecrets;
  readonly #pools: Reflector<PoolObject>;
  readonly #reflectors: readonly AnyReflector[];
  /** Kinds that have been neither read nor found absent or forbidden. */
  readonly #awaited = new Set<string>();
  #reported: Built | undefined;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #missing = "";
  #cancelGather: (() => void) | undefined;
  #cancelWaiting: () => void = () => {};
  #isClosed = false;

  constructor(options: WatchKubernetesOptions) {
    const { client, settings, logger, nowMs, random, setTimer, limits } = options;
    const common = { client, logger, nowMs, random, setTimer, limits };
    this.#options = options;
    this.#builder = new InventoryBuilder({
      settings,
      isPending: (namespace, name) => this.#secrets.isPending(namespace, name),
    });
    this.#builder.setRoutes(options.routes);
    this.#secrets = new WatchedSecrets({
      ...common,
      onSecret: ({ namespace, name }, secret) => {
        this.#builder.set("secrets", namespace, name, secret);
        this.#gather();
      },
      onSettled: (place) => {
        this.#builder.settled(place);
        this.#gather();
      },
    });
    const reflect = <Of extends ObjectKind>(of: Of, kind: Kind<ObjectOf<Of>>): Reflector<ObjectOf<Of>> => {
      const what = kind.group === "" ? kind.name : `${kind.name}.${kind.group}`;
      const settle = (): void => {
        this.#awaited.delete(what);
        this.#gather();
      };
      const reflector = new Reflector<ObjectOf<Of>>({
        ...common,
        kind,
        namespace: settings.namespace,
        // Without pools and Pods there is nothing to serve; what else may not be read is as if it were not there.
        onForbidden: of === "pools" || of === "pods" ? undefined : settle,
        onChange: (objects, changed) => {
          for (const key of changed) {
            const [namespace, name] = key.split("/") as [string, string];
            this.#builder.set(of, namespace, idIn(of, kind.group, name), objects.get(key));
          }
          this.#gather();
        },
      });
      this.#awaited.add(what);
      void reflector.synced().then(settle);
      return reflector;
    };
    this.#pools = reflect("pools", INFERENCE_POOL);
    this.#reflectors = [
      this.#pools,
      reflect("pods", POD),
      reflect("objectives", INFERENCE_OBJECTIVE),
      reflect("objectives", LLMD_OBJECTIVE),
      reflect("rewrites", INFERENCE_MODEL_REWRITE),
      reflect("rewrites", LLMD_MODEL_REWRITE),
      reflect("models", INFERENCE_MODEL),
      ...(settings.istio ? [reflect("services", SERVICE)] : []),
    ];
    for (const reflector of this.#reflectors) reflector.start();
    this.#sayWaiting();
  }

  pools(): ReadonlyMap<string, PoolObject> {
    return this.#pools.objects();
  }

  setRoutes(routes: readonly ParsedRoute[]): void {
    this.#builder.setRoutes(routes);
    this.#gather();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelGather?.();
    this.#cancelWaiting();
    await Promise.all([...this.#reflectors.map((reflector) => reflector.stop()), this.#secrets.close()]);
  }

  #gather(): void {
    if (this.#isClosed || this.#awaited.size > 0) return;
    const waitMs = Math.max(GATHER_MS, this.#reportedMs + APART_MS - this.#options.nowMs());
    this.#cancelGather ??= this.#options.setTimer(() => {
      this.#cancelGather = undefined;
      this.#report();
    }, waitMs);
  }

  #report(): void {
    let built = this.#builder.build();
    this.#secrets.watch(this.#builder.secrets());
    // At the start pools whose Secrets are on their way would be missing; later they keep what they had.
    if (this.#reported === undefined && this.#secrets.pending > 0) return;
    built = this.#builder.build();
    if (built === this.#reported) return;
    if (this.#reported === undefined) this.#cancelWaiting();
    this.#reported = built;
    this.#reportedMs = this.#options.nowMs();
    this.#options.onInventory(built.inventory);
    this.#options.onOutcome(built);
    this.#sayMissing(built.inventory);
  }

  #sayMissing({ pools, routes }: Inventory): void {
    const given = this.#builder.routes;
    if (given === undefined) return;
    const missing = missingPools(given, pools).join(", ");
    if (missing === this.#missing) return;
    this.#missing = missing;
    if (missing !== "")
      this.#options.logger.warn({ missing, routes: routes.length }, "routes name pools that are not there");
  }

  #sayWaiting(): void {
    this.#cancelWaiting = this.#options.setTimer(() => {
      const kinds = [...this.#awaited, ...(this.#secrets.pending > 0 ? ["Secret"] : [])];
      this.#options.logger.warn({ kinds }, "no inventory yet: the API server has not shown all kinds");
      this.#sayWaiting();
    }, WAITING_MS);
  }
}

/** Kinds that stand in two groups may have one name twice. */
function idIn(kind: ObjectKind, group: string, name: string): string {
  return kind === "objectives" || kind === "rewrites" ? `${group}/${name}` : name;
}
