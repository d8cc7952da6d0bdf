import { accessQuestions } from "../../controller/src/kubernetes/permissions.ts";
import { grant } from "./objects.ts";

export interface ChartAccess {
  /** Empty: all. */
  readonly watchNamespace: string;
  readonly writesStatus: boolean;
  readonly readsServices: boolean;
  readonly releaseNamespace: string;
  readonly lease: string;
  readonly secrets: Readonly<Record<string, readonly string[]>>;
}

/**
 * What a controller of these values uses, by its own list, in the form of `grantsOf`: no role may hold more or less.
 * A Lease is asked for by its name, except that what is created has none yet.
 */
export function expectedGrants(access: ChartAccess): readonly string[] {
  const secrets = Object.entries(access.secrets).flatMap(([namespace, names]) =>
    names.map((name) => ({ namespace, name })),
  );
  return accessQuestions(
    {
      ...(access.watchNamespace === "" ? {} : { namespace: access.watchNamespace }),
      writesStatus: access.writesStatus,
      readsServices: access.readsServices,
      leaseNamespace: access.releaseNamespace,
    },
    secrets,
  )
    .map(({ group, resource, subresource, verb, namespace, name }) => {
      const isNamedLease = resource === "leases" && verb !== "create";
      return grant(namespace ?? "", {
        group,
        resource: subresource === undefined ? resource : `${resource}/${subresource}`,
        verb,
        name: name ?? (isNamedLease ? access.lease : ""),
      });
    })
    .sort();
}
