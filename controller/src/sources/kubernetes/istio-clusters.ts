import type { ObjectMeta, ServiceObject, ServicePort } from "../../kubernetes/objects.ts";
import { show } from "../checked.ts";
import type { Selection } from "./pool-object.ts";
import type { Fault } from "./pool-reading.ts";
import { byText } from "./references.ts";

/** The Service whose clusters stand for the pool: `name` or `name:port`, in the pool's namespace. */
export const SERVICE_ANNOTATION = "inference-picker.io/service";
/** On the headless Service that Istio makes of an InferencePool; its value is the pool's name. */
const SHADOW_LABEL = "istio.io/inferencepool-name";

export interface IstioClusters {
  /** Names of clusters, as Istio gives them, without duplicates. */
  readonly clusters: readonly string[];
  readonly fault?: Fault | undefined;
}

/**
 * The clusters that Istio's gateways have for a pool: of the Service that the pool names, or else of the only one
 * that selects the same Pods at one of its ports; and of the Service that Istio itself makes of the pool.
 *
 * @param services of the pool's namespace, in any order
 */
export function istioClusters(
  pool: ObjectMeta,
  { labels, ports }: Selection,
  services: readonly ServiceObject[],
  clusterDomain: string,
): IstioClusters {
  const sorted = [...services].sort((a, b) => byText(a.meta.name, b.meta.name));
  const clustersOf = ({ meta }: ServiceObject, of: readonly ServicePort[]): readonly string[] =>
    of.map(({ port }) => `outbound|${port}||${meta.name}.${meta.namespace}.svc.${clusterDomain}`);
  const shadows = sorted.filter(({ meta }) => meta.labels[SHADOW_LABEL] === pool.name);
  const shadowed = shadows.flatMap((service) => clustersOf(service, service.ports));
  const named = pool.annotations[SERVICE_ANNOTATION];
  const chosen =
    named === undefined
      ? bySelector(
          sorted.filter(({ meta }) => meta.labels[SHADOW_LABEL] === undefined),
          { labels, ports },
          shadows.length > 0,
        )
      : byName(named, sorted, ports);
  if ("reason" in chosen) return { clusters: [...new Set(shadowed)], fault: chosen };
  const own = chosen.flatMap(({ service, of }) => clustersOf(service, of));
  return { clusters: [...new Set([...own, ...shadowed])] };
}

interface Chosen {
  readonly service: ServiceObject;
  readonly of: readonly ServicePort[];
}

function byName(
  named: string,
  services: readonly ServiceObject[],
  ports: readonly number[],
): readonly Chosen[] | Fault {
  const [, name, port] = /^([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)(?::(\d{1,5}))?$/.exec(named.trim()) ?? [];
  if (name === undefined) {
    const message = `${SERVICE_ANNOTATION}: ${show(named)} is not name or name:port`;
    return { reason: "InvalidAnnotation", message };
  }
  const service = services.find(({ meta }) => meta.name === name);
  const fault = (words: string): Fault => ({
    reason: "ServiceNotFound",
    message: `${SERVICE_ANNOTATION}: Service ${name} ${words}`,
  });
  if (service === undefined) return fault("is not there");
  if (port !== undefined) {
    const of = service.ports.filter((candidate) => candidate.port === Number(port));
    return of.length > 0 ? [{ service, of }] : fault(`has no port ${port}`);
  }
  const of = service.ports.length === 1 ? service.ports : leadingTo(service, ports);
  return of.length > 0 ? [{ service, of }] : fault(`has no port that leads to ${ports.join(", ")}; name one`);
}

function bySelector(
  services: readonly ServiceObject[],
  { labels, ports }: Selection,
  hasShadow: boolean,
): readonly Chosen[] | Fault {
  const found = services
    .filter(({ selector }) => hasSame(selector, labels))
    .map((service) => ({ service, of: leadingTo(service, ports) }))
    .filter(({ of }) => of.length > 0);
  if (found.length === 1) return found;
  if (found.length > 1) {
    const names = found.map(({ service }) => service.meta.name).join(", ");
    return {
      reason: "ServiceAmbiguous",
      message: `${found.length} Services select the pool's Pods at its ports (${names}); name one by ${SERVICE_ANNOTATION}`,
    };
  }
  if (hasShadow) return [];
  return {
    reason: "ServiceNotFound",
    message: `no Service has the pool's selector and a port that leads to ${ports.join(", ")}; name one by ${SERVICE_ANNOTATION}`,
  };
}

function hasSame(selector: ServiceObject["selector"], labels: Selection["labels"]): boolean {
  return (
    Object.keys(selector).length === labels.length && labels.every(([key, value]) => selector[key] === value)
  );
}

/** A port's target by name is known only to the Pods: such a port is taken where the pool names it. */
function leadingTo({ ports }: ServiceObject, targets: readonly number[]): readonly ServicePort[] {
  return ports.filter(({ port, targetPort = port }) => targets.some((target) => target === targetPort));
}
