import { Text } from "../abi/text";
import { VERSION } from "../wire/layout";
import { SHARED_VERSION } from "../wire/shared";

/**
 * Everything shared through the host carries this prefix: under Istio all modules share one vm_id.
 * The versions of the messages and of the shared values are part of it, so that modules which differ in
 * either use keys of their own. Anybody may still write under them: what is read is checked.
 */
export const SHARED_PREFIX: string =
  "inference-picker/" + VERSION.toString() + "." + SHARED_VERSION.toString() + "/";

export const HEADER_PICK = new Text("x-gateway-destination-endpoint");
/** Read and removed by Envoy's router: how often it may retry. */
export const HEADER_MAX_RETRIES = new Text("x-envoy-max-retries");
/** Filter state `wasm.pick`: becomes the pick header behind this filter. */
export const PROPERTY_PICK = new Text("pick");
/** Filter state `wasm.retries`: becomes the header of the retries behind this filter. */
export const PROPERTY_RETRIES = new Text("retries");
export const HEADER_OBJECTIVE = new Text("x-gateway-inference-objective");
export const HEADER_CONTENT_ENCODING = new Text("content-encoding");
export const HEADER_CONTENT_TYPE = new Text("content-type");

export const PROPERTY_CLUSTER = new Text("xds\0cluster_name");
export const PROPERTY_ROUTE_POOL = new Text("xds\0route_metadata\0filter_metadata\0inference-picker\0pool");
export const PROPERTY_ROUTE_FAILURE_MODE = new Text(
  "xds\0route_metadata\0filter_metadata\0inference-picker\0failureMode",
);
export const PROPERTY_CLUSTER_POOL = new Text(
  "xds\0cluster_metadata\0filter_metadata\0inference-picker\0pool",
);
export const PROPERTY_CLUSTER_FAILURE_MODE = new Text(
  "xds\0cluster_metadata\0filter_metadata\0inference-picker\0failureMode",
);
export const PROPERTY_NODE_ID = new Text("xds\0node\0id");

export const FEED_SERVICE = new Text("inference_picker.feed.v1.Feed");
export const FEED_METHOD = new Text("Stream");
