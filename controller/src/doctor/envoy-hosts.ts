import { at, listOf, textOf } from "./json-fields.ts";

/** By cluster, its hosts and the connections that are open to them. */
export type ClusterHosts = ReadonlyMap<string, { readonly hosts: number; readonly connections: number }>;

/** Envoy's `/clusters?format=json`: unlike stats, it is there whatever a mesh leaves out of these. */
export function parseClusterHosts(page: unknown): ClusterHosts {
  return new Map(
    listOf(at(page, "cluster_statuses")).map((status) => {
      const hosts = listOf(at(status, "host_statuses"));
      const open = hosts
        .flatMap((host) => listOf(at(host, "stats")))
        .filter((stat) => at(stat, "name") === "cx_active");
      // Zero is left out of the page.
      const connections = open.reduce<number>((sum, stat) => sum + Number(at(stat, "value") ?? 0), 0);
      return [textOf(at(status, "name")) ?? "", { hosts: hosts.length, connections }] as const;
    }),
  );
}
