import { isIP } from "node:net";
import { PickerError } from "../errors.ts";
import type { TlsClient } from "../model.ts";

/** What `envoy/bootstrap.yaml` leaves open. Files are as Envoy sees them. */
export interface BootstrapSettings {
  readonly nodeId: string;
  readonly gateway: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** Where Envoy reaches ADS and feed. */
  readonly controller: { readonly host: string; readonly port: number };
  /** Present: Envoy speaks TLS to the controller. */
  readonly controllerTls?: TlsClient | undefined;
  readonly accessLog: string;
  readonly maxHeapBytes: number;
  readonly maxConnections: number;
}

/**
 * Fills in the template; every placeholder becomes a JSON value, which YAML reads as it is.
 * @throws PickerError CONFIG_REFERENCE for a placeholder that is not known.
 */
export function renderBootstrap(template: string, settings: BootstrapSettings): string {
  const values: Readonly<Record<string, unknown>> = {
    NODE_ID: settings.nodeId,
    GATEWAY_HOST: settings.gateway.host,
    GATEWAY_PORT: settings.gateway.port,
    ADMIN_HOST: settings.admin.host,
    ADMIN_PORT: settings.admin.port,
    CONTROLLER_HOST: settings.controller.host,
    CONTROLLER_PORT: settings.controller.port,
    CONTROLLER_CLUSTER_TYPE: isIP(settings.controller.host) === 0 ? "STRICT_DNS" : "STATIC",
    CONTROLLER_TRANSPORT_SOCKET: transportSocket(settings.controller.host, settings.controllerTls),
    ACCESS_LOG: settings.accessLog,
    MAX_HEAP_BYTES: settings.maxHeapBytes,
    MAX_CONNECTIONS: settings.maxConnections,
  };
  return template
    .split("\n")
    .map((line) => (line.startsWith("#") ? line : fill(line, values)))
    .join("\n");
}

function fill(line: string, values: Readonly<Record<string, unknown>>): string {
  return line.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => {
    if (!Object.hasOwn(values, name)) {
      throw new PickerError("CONFIG_REFERENCE", "unknown placeholder in the bootstrap template", {
        value: name,
        bound: Object.keys(values),
      });
    }
    return JSON.stringify(values[name]);
  });
}

/** TLS towards the controller, or none, as the JSON of a TransportSocket. */
export function transportSocket(host: string, tls: TlsClient | undefined): unknown {
  if (tls === undefined) {
    return {
      name: "envoy.transport_sockets.raw_buffer",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
      },
    };
  }
  const name = tls.serverName ?? host;
  const isName = isIP(name) === 0;
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      ...(isName ? { sni: name } : {}),
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: "TLSv1_2" },
        alpn_protocols: ["h2"],
        ...(tls.certFile === undefined || tls.keyFile === undefined
          ? {}
          : {
              tls_certificates: [
                { certificate_chain: { filename: tls.certFile }, private_key: { filename: tls.keyFile } },
              ],
            }),
        ...(tls.insecureSkipVerify
          ? {}
          : {
              validation_context: {
                ...(tls.caFile === undefined ? {} : { trusted_ca: { filename: tls.caFile } }),
                match_typed_subject_alt_names: [
                  { san_type: isName ? "DNS" : "IP_ADDRESS", matcher: { exact: name } },
                ],
              },
            }),
      },
    },
  };
}
