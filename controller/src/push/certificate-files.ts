import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { experimental } from "@grpc/grpc-js";
import type { SetTimer } from "../timer.ts";

/** Files of the controller's own certificate; with `clientCaFile` every client must show one of that authority. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string | undefined;
}

/** Rotated certificates are used for new connections within this time. */
const REFRESH_MS = 10_000;

interface Loaded {
  readonly identity: experimental.IdentityCertificateUpdate;
  readonly authorities: experimental.CaCertificateUpdate | null;
}

/**
 * Certificate files, read at the start and again every ten seconds. What cannot be read later, or does not
 * fit together (a certificate whose key is not written yet), is reported once and the last good ones
 * stay. grpc-js's own file watcher refuses connections until its first asynchronous read is done.
 */
export class CertificateFiles implements experimental.CertificateProvider {
  private readonly tls: ServerTls;
  private readonly setTimer: SetTimer;
  private readonly onError: (error: Error) => void;
  private loaded: Loaded;
  private reported = "";
  private cancel: () => void = () => {};
  private readonly identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  private readonly authorityListeners = new Set<experimental.CaCertificateUpdateListener>();

  /** @throws the system's or OpenSSL's error if the files are missing or do not fit together. */
  constructor(tls: ServerTls, setTimer: SetTimer, onError: (error: Error) => void) {
    this.tls = tls;
    this.setTimer = setTimer;
    this.onError = onError;
    this.loaded = load(tls);
    this.schedule();
  }

  close(): void {
    this.cancel();
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.identityListeners.add(listener);
    // grpc-js registers who is to be told only after this call returns.
    queueMicrotask(() => listener(this.loaded.identity));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.identityListeners.delete(listener);
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.authorityListeners.add(listener);
    queueMicrotask(() => listener(this.loaded.authorities));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.authorityListeners.delete(listener);
  }

  private schedule(): void {
    this.cancel = this.setTimer(() => {
      this.refresh();
      this.schedule();
    }, REFRESH_MS);
  }

  private refresh(): void {
    try {
      const loaded = load(this.tls);
      this.reported = "";
      if (same(loaded, this.loaded)) return;
      this.loaded = loaded;
      for (const listener of this.identityListeners) listener(loaded.identity);
      for (const listener of this.authorityListeners) listener(loaded.authorities);
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (error.message !== this.reported) this.onError(error);
      this.reported = error.message;
    }
  }
}

function load(tls: ServerTls): Loaded {
  const identity = { certificate: readFileSync(tls.certFile), privateKey: readFileSync(tls.keyFile) };
  const authorities =
    tls.clientCaFile === undefined ? null : { caCertificate: readFileSync(tls.clientCaFile) };
  createSecureContext({
    cert: identity.certificate,
    key: identity.privateKey,
    ...(authorities === null ? {} : { ca: authorities.caCertificate }),
  });
  return { identity, authorities };
}

function same(left: Loaded, right: Loaded): boolean {
  return (
    left.identity.certificate.equals(right.identity.certificate) &&
    left.identity.privateKey.equals(right.identity.privateKey) &&
    (left.authorities?.caCertificate.toString() ?? "") === (right.authorities?.caCertificate.toString() ?? "")
  );
}
