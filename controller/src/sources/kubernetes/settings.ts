/** What of the controller's settings the API server's objects are read by. */
export interface KubernetesSourceSettings {
  /** The only namespace that is watched. Absent: all. */
  readonly namespace?: string | undefined;
  /** Whether pools that name an endpoint picker are left to it, or served as if they named none. */
  readonly pickerRef: "ignore" | "take-over";
  /** Under which the cluster's DNS has its Services. */
  readonly clusterDomain: string;
  /** Services are watched, and the clusters that Istio makes of them stand for the pools. */
  readonly istio: boolean;
}
