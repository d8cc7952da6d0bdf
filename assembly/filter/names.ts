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
/** Filter state for access logs: the model asked for, what it was rewritten to, how the pick came about. */
export const PROPERTY_MODEL = new Text("model");
export const PROPERTY_TARGET = new Text("target");
export const PROPERTY_REASON = new Text("reason");
/** … and of the answer, in decimal digits. */
export const PROPERTY_TTFT = new Text("ttft_ms");
export const PROPERTY_PROMPT_TOKENS = new Text("prompt_tokens");
export const PROPERTY_COMPLETION_TOKENS = new Text("completion_tokens");
export const PROPERTY_CACHED_TOKENS = new Text("cached_tokens");
export const HEADER_OBJECTIVE = new Text("x-gateway-inference-objective");
/** Header of body-based routing: the model, for whoever cannot read the body. */
export const HEADER_MODEL_NAME = new Text("x-gateway-model-name");
/** Forces the target of a rewrite. */
export const HEADER_MODEL_REWRITE = new Text("x-gateway-model-name-rewrite");
/** Chooses among the routes of the pools that share a URL; see `gatewayRoutes` of the controller. */
export const HEADER_POOL = new Text("x-inference-picker-pool");
/** Endpoints to pick from (endpoint picker protocol 1.0): `ip:port`, separated by commas. */
export const HEADER_SUBSET = new Text("x-gateway-destination-endpoint-subset");
/** … and the dynamic metadata that says the same. */
export const PROPERTY_SUBSET_HINT = new Text(
  "metadata\0filter_metadata\0envoy.lb.subset_hint\0x-gateway-destination-endpoint-subset",
);
/** Of answers, and of later requests of the session: stands for the endpoint that served it. */
export const HEADER_SESSION = new Text("x-session-token");
/** The request's own objectives, ms. */
export const HEADER_SLO_TTFT = new Text("x-slo-ttft-ms");
export const HEADER_SLO_TPOT = new Text("x-slo-tpot-ms");
export const HEADER_METHOD = new Text(":method");
export const HEADER_PATH = new Text(":path");
export const HEADER_CONTENT_LENGTH = new Text("content-length");
export const HEADER_ACCEPT_ENCODING = new Text("accept-encoding");
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
export const PROPERTY_ROUTE_NAME = new Text("xds\0route_name");
/** Of the endpoint that answered, `ip:port`: after a retry not the first one picked. */
export const PROPERTY_UPSTREAM_ADDRESS = new Text("upstream\0address");
export const PROPERTY_RESPONSE_CODE = new Text("response\0code");
export const PROPERTY_RESPONSE_FLAGS = new Text("response\0flags");
export const PROPERTY_NODE_ID = new Text("xds\0node\0id");

export const FEED_SERVICE = new Text("inference_picker.feed.v1.Feed");
export const FEED_METHOD = new Text("Stream");
