import {
  experimental,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES } from "../../../assembly/wire/layout.ts";
import { CertificateFiles, type ServerTls } from "./certificate-files.ts";
import type { SetTimer } from "../timer.ts";

export interface RpcServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  readonly setTimer: SetTimer;
  /** Certificates that were renewed badly; the ones in use stay. */
  readonly onCertificateError: (error: Error) => void;
  readonly services: readonly {
    readonly definition: ServiceDefinition;
    readonly implementation: UntypedServiceImplementation;
  }[];
}

export interface RpcServer {
  readonly port: number;
  /** Takes no new streams, waits `graceMs` for the open ones, then cuts them. */
  readonly close: (graceMs: number) => Promise<void>;
}

const CHANNEL_OPTIONS = {
  // No report is larger, and a discovery request names far less.
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": -1,
  // An Envoy that vanished without a word is dropped, and its load with it, after 15 s.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  // An Envoy opens one stream per service.
  "grpc.max_concurrent_streams": 64,
} as const;

/**
 * Serves the services on one port.
 * @throws the system's error if a certificate cannot be read or the port cannot be bound.
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const server = new Server(CHANNEL_OPTIONS);
  for (const { definition, implementation } of options.services)
    server.addService(definition, implementation);
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  const { tls } = options;
  const files = tls && new CertificateFiles(tls, options.setTimer, options.onCertificateError);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      `${host}:${options.port}`,
      credentials(files, tls?.clientCaFile !== undefined),
      (error, bound) => {
        if (error === null) resolve(bound);
        else {
          files?.close();
          reject(error);
        }
      },
    );
  });
  return {
    port,
    close: async (graceMs) => {
      files?.close();
      await shutDown(server, graceMs, options.setTimer);
    },
  };
}

function credentials(files: CertificateFiles | undefined, mutual: boolean): ServerCredentials {
  if (files === undefined) return ServerCredentials.createInsecure();
  // The declaration names its first two parameters the other way round; grpc-js 1.14.7 reads the identity first.
  return experimental.createCertificateProviderServerCredentials(
    files,
    mutual ? files : (null as never),
    mutual,
  );
}

function shutDown(server: Server, graceMs: number, setTimer: SetTimer): Promise<void> {
  return new Promise((resolve) => {
    const cancel = setTimer(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      cancel();
      resolve();
    });
  });
}
