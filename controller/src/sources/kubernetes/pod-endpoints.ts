import { isDeepStrictEqual } from "node:util";
import type { PodObject } from "../../kubernetes/objects.ts";
import type { EndpointSpec, Engine, PickingSpec } from "../../model.ts";
import { show } from "../checked.ts";
import { canonicalIp, formatAddress } from "../resolve.ts";
import type { Finding, FindingReason } from "./findings.ts";
import type { Selection } from "./pool-object.ts";
import type { PoolTemplate } from "./pool-reading.ts";
import { byText, podReference } from "./references.ts";

/** Which of the pool's ports of a Pod take requests; absent: all. The former is the newer name. */
const ACTIVE_PORTS = ["llm-d.ai/active-ports", "inference.networking.k8s.io/active-ports"];
const ENGINE_LABEL = "llm-d.ai/engine-type";
const ROLE_LABEL = "llm-d.ai/role";

/** The label's words, and those of the pools file. */
const ENGINE_OF: Readonly<Record<string, Engine>> = {
  vllm: "vllm",
  sglang: "sglang",
  trtllm: "trtllm",
  "trtllm-serve": "trtllm",
  triton: "triton",
  "triton-tensorrt-llm": "triton",
};

/** Pods that take requests from other model servers, not from clients. */
const INNER_ROLES: ReadonlySet<string> = new Set(["prefill", "encode", "encode-prefill"]);

/** Of an endpoint's name, in bytes; what is unlike between Pods of one owner stands at the end of their names. */
const MAX_NAME = 253;

/** Whether requests may go to it: it runs, is ready and stays. */
export function isServing(pod: PodObject): boolean {
  return pod.phase === "Running" && pod.ready && !pod.terminating && pod.ip !== undefined;
}

/** Whether a pool's endpoints are the same with the one as with the other. */
export function isAlike(left: PodObject, right: PodObject): boolean {
  if (isServing(left) !== isServing(right) || left.meta.uid !== right.meta.uid) return false;
  if (!isServing(left)) return true;
  const { labels, annotations } = left.meta;
  return (
    left.ip === right.ip &&
    isDeepStrictEqual(labels, right.meta.labels) &&
    ACTIVE_PORTS.every((key) => annotations[key] === right.meta.annotations[key])
  );
}

export function selects({ labels }: Selection, pod: PodObject): boolean {
  return labels.every(
    ([key, value]) => Object.hasOwn(pod.meta.labels, key) && pod.meta.labels[key] === value,
  );
}

export interface PodEndpoints {
  readonly endpoints: readonly EndpointSpec[];
  readonly findings: readonly Finding[];
}

/**
 * The endpoints that a pool's Pods are: one for each active port of a serving Pod, in the order of their names.
 *
 * @param pods selected by the pool, in any order, serving or not
 */
export function podEndpoints(template: PoolTemplate, pods: Iterable<PodObject>): PodEndpoints {
  const endpoints: EndpointSpec[] = [];
  const findings: Finding[] = [];
  const ownerOf = new Map<string, string>();
  const sorted = [...pods].filter(isServing).sort((a, b) => byText(a.meta.name, b.meta.name));
  const { ports } = template.selection;
  for (const pod of sorted) {
    if (INNER_ROLES.has(pod.meta.labels[ROLE_LABEL] ?? "")) continue;
    const tell = (reason: FindingReason, message: string): void => {
      findings.push({ object: podReference(pod), reason, message, severity: "Warning" });
    };
    const host = canonicalIp(pod.ip ?? "");
    if (host === undefined) {
      tell("InvalidSpec", `status.podIP: ${show(pod.ip)} is not an IP address`);
      continue;
    }
    const engine = engineOf(pod, template.engine, tell);
    const labels = labelsOf(pod, template.settings.spec.picking);
    for (const port of activePorts(pod, ports, tell)) {
      const address = formatAddress(host, port);
      const owner = ownerOf.get(address);
      if (owner !== undefined) {
        tell("DuplicateAddress", `${address} is also an endpoint of Pod ${owner}`);
        continue;
      }
      ownerOf.set(address, pod.meta.name);
      endpoints.push({
        name: nameOf(pod.meta.name, ports.length > 1 ? `-${port}` : ""),
        host,
        port,
        engine,
        ...(template.scrape === undefined ? {} : { scrape: template.scrape }),
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
      });
    }
  }
  return { endpoints, findings };
}

/** Names bear the port where the pool has several, whichever of them are active: they stay when that changes. */
function nameOf(pod: string, suffix: string): string {
  return `${pod.slice(Math.max(0, pod.length + suffix.length - MAX_NAME))}${suffix}`;
}

/** Those that the pool tells endpoints apart by. */
function labelsOf(
  { meta }: PodObject,
  { classes, contextLengthLabel }: PickingSpec,
): Readonly<Record<string, string>> {
  const keys = new Set([
    ...(classes?.values ?? []).flatMap(({ labels }) => Object.keys(labels)),
    ...(contextLengthLabel === undefined ? [] : [contextLengthLabel]),
  ]);
  return Object.fromEntries(Object.entries(meta.labels).filter(([key]) => keys.has(key)));
}

type Tell = (reason: FindingReason, message: string) => void;

/** An unknown engine is the pool's: a guess, but metrics that are not there are not taken for zero. */
function engineOf(pod: PodObject, fallback: Engine, tell: Tell): Engine {
  const label = pod.meta.labels[ENGINE_LABEL];
  if (label === undefined) return fallback;
  if (Object.hasOwn(ENGINE_OF, label)) return ENGINE_OF[label]!;
  const known = Object.keys(ENGINE_OF).join(", ");
  tell(
    "InvalidAnnotation",
    `label ${ENGINE_LABEL}: ${show(label)} is not one of ${known}; taken for ${fallback}`,
  );
  return fallback;
}

/**
 * What the annotation lists of the pool's ports; what else stands in it is left out, as the reference picker does. An
 * annotation without any of them leaves the Pod without an endpoint.
 */
function activePorts(pod: PodObject, ports: readonly number[], tell: Tell): readonly number[] {
  const key = ACTIVE_PORTS.find((name) => Object.hasOwn(pod.meta.annotations, name));
  if (key === undefined) return ports;
  const listed = pod.meta.annotations[key]!.split(",").map((part) => part.trim());
  const wrong = listed.filter((part) => part !== "" && !ports.includes(portOf(part)));
  if (wrong.length > 0)
    tell(
      "InvalidAnnotation",
      `${key}: ${show(wrong.join(", "))} is none of the pool's ports ${ports.join(", ")}`,
    );
  const active = new Set(listed.map(portOf));
  return ports.filter((port) => active.has(port));
}

function portOf(written: string): number {
  return /^\d{1,5}$/.test(written) ? Number(written) : Number.NaN;
}
