/** Names that the controller's resources, the bootstrap and the filter agree on. */

/** The picked list on its way from the filter to `override_host`; the cluster removes it before any endpoint sees it. */
export const PICK_HEADER = "x-gateway-destination-endpoint";
/** The pool (`namespace/name`) that the filter chose by the request's model; a route to that pool matches it and removes it. */
export const POOL_HEADER = "x-inference-picker-pool";
/** Namespace of route and cluster metadata that names the pool. */
export const METADATA_NAMESPACE = "inference-picker";
/** Name of the HTTP filter, of its ECDS resource and of its VM (which scopes its shared data). */
export const FILTER_NAME = "inference-picker";
/** The route table that the static listener asks for. */
export const ROUTE_CONFIGURATION_NAME = "gateway";
/** The static cluster over which the filter opens its feed. */
export const FEED_CLUSTER = "inference-picker-feed";

export const TYPE_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
export const TYPE_ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
export const TYPE_EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
export const TYPE_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
