/**
 * What writes statuses and Events, without what makes them of pools: every pool is accepted, but for those whose label
 * `verdict` is `refused`. As a program it takes `JudgeSettings` as JSON and runs until it is ended.
 */
import { pathToFileURL } from "node:url";
import { loadClient } from "../../controller/src/kubernetes/client.ts";
import { apiVersionOf, INFERENCE_POOL } from "../../controller/src/kubernetes/kinds.ts";
import type { PoolObject } from "../../controller/src/kubernetes/objects.ts";
import { Reflector } from "../../controller/src/kubernetes/reflector.ts";
import type { SourceOutcome } from "../../controller/src/sources/kubernetes/findings.ts";
import { type StatusWriter, startStatusWriter } from "../../controller/src/status/writer.ts";
import { createLogger } from "../../controller/src/telemetry/logger.ts";
import { processTimer } from "../../controller/src/timer.ts";

export interface JudgeSettings {
  readonly kubeconfig: string;
  readonly identity: string;
  /** Of the Lease and of the Gateway, in the namespace `default`. */
  readonly name: string;
  readonly leaseDurationMs: number;
  /** Only this namespace's pools. */
  readonly namespace: string;
}

export interface Judge {
  readonly writer: StatusWriter;
  close(): Promise<void>;
}

export function startJudge(settings: JudgeSettings): Judge {
  const { kubeconfig, identity, name, leaseDurationMs, namespace } = settings;
  const client = loadClient({ kubeconfig }, {});
  const common = {
    logger: createLogger("warn"),
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    random: () => Math.random(),
    setTimer: processTimer,
  };
  const pools = new Reflector<PoolObject>({
    ...common,
    client,
    kind: INFERENCE_POOL,
    namespace,
    onChange: (objects) => writer.update(verdicts([...objects.values()])),
  });
  const writer = startStatusWriter({
    ...common,
    client,
    identity,
    lease: { namespace: "default", name },
    parent: { namespace: "default", name },
    pools: () => pools.objects(),
    leaseDurationMs,
    renewMs: leaseDurationMs / 3,
  });
  // Where there is no pool nothing changes, but that is an outcome too.
  void pools.synced().then(() => writer.update(verdicts([...pools.objects().values()])));
  pools.start();
  return {
    writer,
    async close() {
      await pools.stop();
      await writer.close();
      await client.close();
    },
  };
}

function verdicts(pools: readonly PoolObject[]): SourceOutcome {
  const outcomes = pools.map((pool) => {
    const { namespace, name, uid, generation, labels } = pool.meta;
    const { name: kind } = INFERENCE_POOL;
    const object = { kind, apiVersion: apiVersionOf(INFERENCE_POOL), namespace, name, uid };
    const isRefused = labels.verdict === "refused";
    const accepted = isRefused
      ? ({ status: "False", reason: "NotSupportedByParent", message: "labelled so" } as const)
      : ({ status: "True", reason: "Accepted", message: "" } as const);
    const resolvedRefs = { status: "True", reason: "ResolvedRefs", message: "" } as const;
    const exported = { status: "False", reason: "NotRequested", message: "" } as const;
    return { object, generation, accepted, resolvedRefs, exported };
  });
  return {
    pools: outcomes,
    findings: outcomes
      .filter(({ accepted }) => accepted.status === "False")
      .map(({ object }) => ({
        object,
        reason: "NotSupportedByParent",
        message: `the label verdict of ${object.name} is refused`,
        severity: "Warning",
      })),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  startJudge(JSON.parse(process.argv[2]!) as JudgeSettings);
  // The writer's timers keep no process alive.
  setInterval(() => undefined, 60_000);
}
