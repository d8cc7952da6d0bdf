import { type KubernetesClient, KubernetesError } from "../kubernetes/client.ts";
import {
  apiVersionOf,
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  type Kind,
  LLMD_MODEL_REWRITE,
  LLMD_OBJECTIVE,
} from "../kubernetes/kinds.ts";
import { type AccessQuestion, accessQuestions } from "../kubernetes/permissions.ts";
import type { Checks } from "./check.ts";
import { at, fieldsOf, listOf, textOf } from "./json-fields.ts";
import type { NamespacedName } from "../settings.ts";
import type { DoctorSettings } from "./settings.ts";

/** The first minor version that starts sidecars before the containers beside them without a feature gate. */
const SIDECARS_SINCE = 29;

/** Kinds that are read where they are installed. Pools must be. */
const OPTIONAL_KINDS: readonly Kind<unknown>[] = [
  INFERENCE_OBJECTIVE,
  LLMD_OBJECTIVE,
  INFERENCE_MODEL_REWRITE,
  LLMD_MODEL_REWRITE,
  INFERENCE_MODEL,
];

/** Leases are as old as their holder's renewals; a holder's clock may differ from this one by some seconds. */
const LEASE_SLACK_MS = 30_000;

/** Whether the API server answers, is new enough, and serves the kinds. False: there is no use in asking on. */
export async function checkApiServer(
  checks: Checks,
  client: KubernetesClient,
  timeoutMs: number,
): Promise<boolean> {
  try {
    const version = await client.request<unknown>({ method: "GET", path: "/version", timeoutMs });
    const gitVersion = textOf(at(version, "gitVersion")) ?? "unknown";
    const minor = Number(/^v1\.(\d+)/.exec(gitVersion)?.[1] ?? Number.NaN);
    if (minor < SIDECARS_SINCE) {
      checks.warning(
        "API server",
        `${gitVersion} at ${client.server}: sidecars do not start before the gateway`,
        `upgrade to 1.${SIDECARS_SINCE}, or run the controller as its own Deployment`,
      );
    } else checks.ok("API server", `${gitVersion} at ${client.server}`);
  } catch (error) {
    checks.failure(
      "API server",
      `${client.server}: ${messageOf(error)}`,
      "check --kubeconfig, --context and the network; kubectl version with the same ones must answer",
    );
    return false;
  }
  await checkKinds(checks, client, timeoutMs);
  return true;
}

async function checkKinds(checks: Checks, client: KubernetesClient, timeoutMs: number): Promise<void> {
  const kinds = [INFERENCE_POOL, ...OPTIONAL_KINDS];
  const served = await Promise.all(kinds.map((kind) => servedAs(client, kind, timeoutMs)));
  const outdated = kinds.flatMap((kind, index) => {
    const state = served[index]!;
    return typeof state === "string" ? [{ kind, state }] : [];
  });
  const present = kinds.filter((_, index) => served[index] === true).map(kindName);
  const absent = kinds.filter((_, index) => served[index] === false);
  for (const { kind, state } of outdated) {
    const seen = `${kindName(kind)}: ${state}`;
    if (kind === INFERENCE_POOL) checks.failure("kinds", seen, "install InferencePool in version v1");
    else checks.warning("kinds", seen, `install the kind in version ${kind.version}`);
  }
  if (absent.includes(INFERENCE_POOL)) {
    checks.failure(
      "kinds",
      `${kindName(INFERENCE_POOL)} is not installed`,
      "install the CRDs of the Gateway API Inference Extension; the controller takes them up within seconds",
    );
  }
  const others = absent.filter((kind) => kind !== INFERENCE_POOL).map(kindName);
  if (present.length > 0) {
    const without = others.length === 0 ? "" : `; not installed, and not needed by all: ${others.join(", ")}`;
    checks.ok("kinds", `${present.join(", ")}${without}`);
  }
}

/** Whether the kind is served in the version that is read; in words, what is instead. */
async function servedAs(
  client: KubernetesClient,
  kind: Kind<unknown>,
  timeoutMs: number,
): Promise<boolean | string> {
  try {
    const path = `/apis/${apiVersionOf(kind)}`;
    const found = await client.request<unknown>({ method: "GET", path, timeoutMs });
    return listOf(at(found, "resources")).some((resource) => at(resource, "name") === kind.plural);
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.status !== 404) return messageOf(error);
  }
  try {
    const path = `/apis/${kind.group}`;
    const group = await client.request<unknown>({ method: "GET", path, timeoutMs });
    const versions = listOf(at(group, "versions")).flatMap((version) => textOf(at(version, "version")) ?? []);
    return versions.length === 0 ? false : `only ${versions.join(", ")} of ${kind.group} is served`;
  } catch (error) {
    return error instanceof KubernetesError && error.status === 404 ? false : messageOf(error);
  }
}

function kindName(kind: Kind<unknown>): string {
  return `${kind.name} (${kind.group}/${kind.version})`;
}

/** Whether the controller's account, or who asks, may do all that a controller of these settings does. */
export async function checkPermissions(
  checks: Checks,
  client: KubernetesClient,
  settings: DoctorSettings,
  secrets: readonly NamespacedName[],
): Promise<void> {
  const questions = accessQuestions(
    {
      namespace: settings.namespace,
      writesStatus: settings.parent !== undefined,
      readsServices: settings.istio,
      leaseNamespace: leaseOf(settings, client).namespace,
    },
    secrets,
  );
  const account = settings.serviceAccount;
  const who =
    account === undefined ? "who asks here" : `service account ${account.namespace}/${account.name}`;
  try {
    const allowed = await Promise.all(
      questions.map((question) => mayDo(client, question, account, settings.timeoutMs)),
    );
    const refused = questions.filter((_, index) => !allowed[index]);
    if (refused.length === 0) checks.ok("permissions", `all ${questions.length} for ${who}`);
    for (const question of refused) {
      checks.failure(
        "permissions",
        `${who} may not ${formatQuestion(question)}: ${question.without}`,
        "grant it, as the chart's roles do; with --namespace a Role in that namespace is enough",
      );
    }
  } catch (error) {
    checks.warning(
      "permissions",
      `cannot be asked for: ${messageOf(error)}`,
      account === undefined
        ? "grant who asks selfsubjectaccessreviews, as every user has by default"
        : "ask as somebody who may create subjectaccessreviews, or from within the controller's Pod",
    );
  }
}

async function mayDo(
  client: KubernetesClient,
  { group, resource, subresource, verb, namespace, name }: AccessQuestion,
  account: NamespacedName | undefined,
  timeoutMs: number,
): Promise<boolean> {
  const resourceAttributes = { group, resource, subresource, verb, namespace, name };
  const subject =
    account === undefined
      ? {}
      : {
          user: `system:serviceaccount:${account.namespace}:${account.name}`,
          groups: [
            "system:serviceaccounts",
            `system:serviceaccounts:${account.namespace}`,
            "system:authenticated",
          ],
        };
  const kind = account === undefined ? "SelfSubjectAccessReview" : "SubjectAccessReview";
  // A review is created to be answered; nothing of it is stored.
  const answer = await client.request<unknown>({
    method: "POST",
    path: `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`,
    body: { apiVersion: "authorization.k8s.io/v1", kind, spec: { resourceAttributes, ...subject } },
    timeoutMs,
  });
  return at(answer, "status", "allowed") === true;
}

function formatQuestion({ verb, resource, subresource, group, namespace, name }: AccessQuestion): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  const of = group === "" ? "" : ` of ${group}`;
  const which = name === undefined ? "" : ` ${name}`;
  return `${verb} ${what}${which}${of} in ${namespace === undefined ? "all namespaces" : `namespace ${namespace}`}`;
}

/** Who writes statuses. */
export async function checkLease(
  checks: Checks,
  client: KubernetesClient,
  settings: DoctorSettings,
  wallMs: number,
): Promise<void> {
  if (settings.parent === undefined) {
    checks.skipped("lease", "statuses are written for a --parent only");
    return;
  }
  const { namespace, name } = leaseOf(settings, client);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases/${encodeURIComponent(name)}`;
  const remedy = "check that a controller runs with --parent, and its permissions on Leases";
  try {
    const lease = await client.request<unknown>({ method: "GET", path, timeoutMs: settings.timeoutMs });
    const spec = fieldsOf(at(lease, "spec"));
    const holder = textOf(spec.holderIdentity) ?? "";
    const renewedMs = Date.parse(textOf(spec.renewTime) ?? "");
    const durationMs = Number(spec.leaseDurationSeconds ?? 0) * 1000;
    if (holder === "") checks.warning("lease", `nobody holds ${namespace}/${name}`, remedy);
    else if (!(wallMs - renewedMs <= durationMs + LEASE_SLACK_MS)) {
      checks.warning("lease", `${holder} has not renewed ${namespace}/${name} in time`, remedy);
    } else checks.ok("lease", `${holder} holds ${namespace}/${name} and writes statuses`);
  } catch (error) {
    checks.warning("lease", messageOf(error), remedy);
  }
}

/** By default in the namespace of the controller's account, else of who asks. */
function leaseOf(settings: DoctorSettings, client: KubernetesClient): NamespacedName {
  const namespace = settings.serviceAccount?.namespace ?? client.namespace;
  return settings.lease ?? { namespace, name: "inference-picker" };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
