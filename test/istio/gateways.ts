import type { SetUpKind } from "../../controller/src/istio/set-up.ts";
import type { ObjectReference } from "../kubernetes/api-client.ts";
import { DEMO, EDGE } from "./mesh.ts";
import { GATEWAY_PORT } from "./router.ts";

const GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name";

/** Labels of the gateway's Pod, one gateway a set-up. */
export function labelsOf(kind: SetUpKind): Readonly<Record<string, string>> {
  return kind === "inferencepool" ? { [GATEWAY_NAME]: kind } : { edge: kind };
}

/**
 * What is there before the picker comes: a gateway of Istio's own kind that leads to the Service, or one of the
 * Gateway API that leads to the InferencePool. `ip` is the gateway's.
 */
export function gatewayObjects(kind: SetUpKind, ip: string): readonly ObjectReference[] {
  return kind === "inferencepool" ? gatewayApi(kind, ip) : istioGateway(kind);
}

function istioGateway(name: string): readonly ObjectReference[] {
  const destination = { host: `vllm.${DEMO}.svc.cluster.local`, port: { number: 8000 } };
  return [
    object("networking.istio.io/v1", "Gateway", EDGE, name, {
      selector: { edge: name },
      servers: [{ port: { number: GATEWAY_PORT, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
    }),
    object("networking.istio.io/v1", "VirtualService", EDGE, name, {
      hosts: ["*"],
      gateways: [`${EDGE}/${name}`],
      http: [{ name: "inference", route: [{ destination }] }],
    }),
  ];
}

function gatewayApi(name: string, ip: string): readonly ObjectReference[] {
  const port = GATEWAY_PORT;
  const pool = { group: "inference.networking.k8s.io", kind: "InferencePool", name: "llama" };
  return [
    // By the selector istiod finds out that the gateway, of whose Pod there is no object, belongs to it.
    object("v1", "Service", EDGE, name, {
      selector: { [GATEWAY_NAME]: name },
      ports: [{ name: "http", port }],
    }),
    {
      ...object("discovery.k8s.io/v1", "EndpointSlice", EDGE, name),
      metadata: { name, namespace: EDGE, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "http", port }],
      endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    } as ObjectReference,
    object("gateway.networking.k8s.io/v1", "Gateway", EDGE, name, {
      gatewayClassName: "istio",
      addresses: [{ type: "Hostname", value: `${name}.${EDGE}.svc.cluster.local` }],
      listeners: [{ name: "http", port, protocol: "HTTP", allowedRoutes: { namespaces: { from: "All" } } }],
    }),
    object("gateway.networking.k8s.io/v1", "HTTPRoute", DEMO, name, {
      parentRefs: [{ name, namespace: EDGE }],
      rules: [{ backendRefs: [pool] }],
    }),
  ];
}

function object(
  apiVersion: string,
  kind: string,
  namespace: string,
  name: string,
  spec?: Readonly<Record<string, unknown>>,
): ObjectReference {
  const reference = { apiVersion, kind, metadata: { name, namespace } };
  return spec === undefined ? reference : ({ ...reference, spec } as ObjectReference);
}
