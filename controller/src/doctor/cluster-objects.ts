import { type KubernetesClient, KubernetesError } from "../kubernetes/client.ts";
import {
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  type Kind,
  LLMD_MODEL_REWRITE,
  LLMD_OBJECTIVE,
  POD,
  pathOf,
  SECRET,
  SERVICE,
} from "../kubernetes/kinds.ts";
import type { KubernetesObjects, SecretObject } from "../kubernetes/objects.ts";
import { at, listOf, textOf } from "./json-fields.ts";
import type { NamespacedName } from "../settings.ts";

/** Objects of one answer; a Pod has some 10 KB. */
const PAGE_OBJECTS = 500;

export interface ObjectListing {
  /** Without Secrets. */
  readonly objects: KubernetesObjects;
  /** By kind, why its objects could not be listed. */
  readonly failures: readonly { readonly kind: Kind<unknown>; readonly error: unknown }[];
}

/** All that a controller of these settings reads, listed once; a kind that is not installed has no objects. */
export async function listObjects(
  client: KubernetesClient,
  {
    namespace,
    istio,
    timeoutMs,
  }: { readonly namespace: string | undefined; readonly istio: boolean; readonly timeoutMs: number },
): Promise<ObjectListing> {
  const failures: { kind: Kind<unknown>; error: unknown }[] = [];
  const list = async <T>(kind: Kind<T>): Promise<readonly T[]> => {
    try {
      return await listKind(client, kind, namespace, timeoutMs);
    } catch (error) {
      if (!(error instanceof KubernetesError) || error.status !== 404) failures.push({ kind, error });
      return [];
    }
  };
  const [pools, objectives, llmdObjectives, rewrites, llmdRewrites, models, pods, services] =
    await Promise.all([
      list(INFERENCE_POOL),
      list(INFERENCE_OBJECTIVE),
      list(LLMD_OBJECTIVE),
      list(INFERENCE_MODEL_REWRITE),
      list(LLMD_MODEL_REWRITE),
      list(INFERENCE_MODEL),
      list(POD),
      istio ? list(SERVICE) : [],
    ]);
  const objects = {
    pools,
    objectives: [...objectives, ...llmdObjectives],
    rewrites: [...rewrites, ...llmdRewrites],
    models,
    pods,
    services,
    secrets: [],
  };
  return { objects, failures };
}

async function listKind<T>(
  client: KubernetesClient,
  kind: Kind<T>,
  namespace: string | undefined,
  timeoutMs: number,
): Promise<readonly T[]> {
  const objects: T[] = [];
  let token = "";
  do {
    const page = await client.request<unknown>({
      method: "GET",
      path: pathOf(kind, namespace),
      query: { limit: String(PAGE_OBJECTS), ...(token === "" ? {} : { continue: token }) },
      timeoutMs,
    });
    for (const raw of listOf(at(page, "items"))) {
      const object = kind.trim(raw);
      if (object !== undefined) objects.push(object);
    }
    token = textOf(at(page, "metadata", "continue")) ?? "";
  } while (token !== "");
  return objects;
}

/** The Secrets of these names that exist and may be read, as the controller asks for them: a list of one name. */
export async function readSecrets(
  client: KubernetesClient,
  names: readonly NamespacedName[],
  timeoutMs: number,
): Promise<readonly SecretObject[]> {
  const found = await Promise.all(
    names.map(async ({ namespace, name }) => {
      try {
        const page = await client.request<unknown>({
          method: "GET",
          path: pathOf(SECRET, namespace),
          query: { fieldSelector: `metadata.name=${name}` },
          timeoutMs,
        });
        return SECRET.trim(listOf(at(page, "items"))[0]);
      } catch {
        // Whether it may be read is the permissions' check, that it is missing a finding of its pool.
        return undefined;
      }
    }),
  );
  return found.filter((secret) => secret !== undefined);
}
