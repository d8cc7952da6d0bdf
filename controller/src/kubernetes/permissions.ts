/**
 * What the controller may ask of the API server: the one list from which the chart's roles are checked, and by
 * which `inference-picker doctor` asks whether they are granted. A verb that the controller does not use is not in it.
 */

/** Settings that need more than the watching of pools. */
export interface PermissionSettings {
  /** Absent: every namespace is watched. */
  readonly namespace?: string | undefined;
  /** Statuses and Events are written, by whoever holds the Lease. */
  readonly writesStatus: boolean;
  /** Services are read to find the clusters that Istio makes of them. */
  readonly readsServices: boolean;
  /** The Lease's namespace. */
  readonly leaseNamespace: string;
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch";

export interface Permission {
  /** Empty: the core group. */
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly Verb[];
  readonly needed: "always" | "status" | "services" | "secrets";
  /** In every namespace that is watched, or in the Lease's alone. */
  readonly scope: "watched" | "lease";
  /** What does not work without it, as the end of a sentence; of `watch`: see {@link WITHOUT_WATCH}. */
  readonly without: string;
}

const POOLS_GROUP = "inference.networking.k8s.io";
const EXPERIMENTAL_GROUP = "inference.networking.x-k8s.io";
const LLMD_GROUP = "llm-d.ai";
const READ = ["list", "watch"] as const;
/** What is read is shown by its list already; where the watch is refused, the next list comes after 5 s at most. */
const WITHOUT_WATCH = "changes are seen only when all is listed again, every few seconds";

export const PERMISSIONS: readonly Permission[] = [
  {
    group: POOLS_GROUP,
    resource: "inferencepools",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "no pool is served: every inventory waits for it",
  },
  {
    group: EXPERIMENTAL_GROUP,
    resource: "inferenceobjectives",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "objectives of this group give no priority",
  },
  {
    group: EXPERIMENTAL_GROUP,
    resource: "inferencemodelrewrites",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "rewrites of this group are not made",
  },
  {
    group: EXPERIMENTAL_GROUP,
    resource: "inferencemodels",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "InferenceModels are not seen",
  },
  {
    group: LLMD_GROUP,
    resource: "inferenceobjectives",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "objectives of this group give no priority",
  },
  {
    group: LLMD_GROUP,
    resource: "inferencemodelrewrites",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "rewrites of this group are not made",
  },
  {
    group: "",
    resource: "pods",
    verbs: READ,
    needed: "always",
    scope: "watched",
    without: "no pool is served: every inventory waits for it",
  },
  {
    group: "",
    resource: "services",
    verbs: READ,
    needed: "services",
    scope: "watched",
    without: "Istio's clusters are not mapped to pools",
  },
  {
    // Asked for one by one, by name: a role may list the names.
    group: "",
    resource: "secrets",
    verbs: READ,
    needed: "secrets",
    scope: "watched",
    without: "pools that name a Secret keep the configuration they had, and new ones are not served",
  },
  {
    group: POOLS_GROUP,
    resource: "inferencepools",
    verbs: ["get"],
    needed: "status",
    scope: "watched",
    without: "a status that somebody else changed meanwhile is not written",
  },
  {
    group: POOLS_GROUP,
    resource: "inferencepools",
    subresource: "status",
    verbs: ["patch"],
    needed: "status",
    scope: "watched",
    without: "pools show no condition of this controller",
  },
  {
    group: "events.k8s.io",
    resource: "events",
    verbs: ["create", "patch"],
    needed: "status",
    scope: "watched",
    without: "no Event says what is wrong with an object",
  },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["get", "create", "update"],
    needed: "status",
    scope: "lease",
    without: "no controller becomes the one that writes, so that nothing is written",
  },
];

/** One question to the API server: a verb on a resource, in one namespace or (absent) in all. */
export interface AccessQuestion {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: Verb;
  readonly namespace?: string;
  /** Only the object of this name; absent: any. */
  readonly name?: string;
  readonly without: string;
}

/**
 * Every verb that a controller of these settings uses.
 *
 * @param secrets the Secrets that pools refer to: each is asked for by its name
 */
export function accessQuestions(
  settings: PermissionSettings,
  secrets: readonly { readonly namespace: string; readonly name: string }[] = [],
): readonly AccessQuestion[] {
  return PERMISSIONS.flatMap((permission): readonly AccessQuestion[] => {
    const { needed, scope } = permission;
    if (needed === "secrets") return secrets.flatMap((secret) => questionsOf(permission, secret));
    if (needed === "status" && !settings.writesStatus) return [];
    if (needed === "services" && !settings.readsServices) return [];
    const namespace = scope === "lease" ? settings.leaseNamespace : settings.namespace;
    return questionsOf(permission, namespace === undefined ? {} : { namespace });
  });
}

function questionsOf(
  { group, resource, subresource, verbs, without }: Permission,
  where: { readonly namespace?: string; readonly name?: string },
): readonly AccessQuestion[] {
  const about = { group, resource, ...(subresource === undefined ? {} : { subresource }), ...where };
  return verbs.map((verb) => ({ ...about, verb, without: verb === "watch" ? WITHOUT_WATCH : without }));
}
