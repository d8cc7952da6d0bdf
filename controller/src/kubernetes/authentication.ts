import type { AgentOptions, RequestOptions } from "node:https";
import { isDeepStrictEqual } from "node:util";
import type { DispatcherOptions, KubeConfig } from "@kubernetes/client-node";
import { Agent, type buildConnector, type Dispatcher, ProxyAgent } from "undici";
import type { SetTimer } from "../timer.ts";
import type { Kubeconfig } from "./kubeconfig.ts";

/** How the API server is dialled, and as whom. */
export interface Access {
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
}

/** A plugin that asks somebody for a password in a browser would take for ever. */
const PLUGIN_LIMIT_MS = 30_000;
const CONNECT_LIMIT_MS = 5000;
/**
 * A host that is gone without a word is found out by TCP: a probe after this silence, then one a second, ten of
 * them (libuv's figures).
 */
const TCP_PROBE_AFTER_MS = 10_000;

/**
 * Credentials by the library's KubeConfig, which knows tokens in files, certificates, exec plugins and OIDC.
 * Requests go over agents of our own: the library makes one for each request where there is a CA, and never closes
 * it, so that no connection is used twice. It is imported at the first request: that takes 0.6 s and 90 MB.
 */
export class Authentication {
  readonly #read: () => Kubeconfig;
  readonly #setTimer: SetTimer;
  #loaded: Promise<KubeConfig> | undefined;
  #pending: Promise<Access> | undefined;
  #known: { readonly options: DispatcherOptions; readonly dispatcher: Dispatcher } | undefined;
  #isClosed = false;

  /** @param read finds the configuration anew each time */
  constructor(read: () => Kubeconfig, setTimer: SetTimer) {
    this.#read = read;
    this.#setTimer = setTimer;
  }

  /** For one request; those that ask at the same time share one answer, and one run of a plugin. */
  access(): Promise<Access> {
    const pending = this.#pending ?? this.#limited(this.#make());
    if (this.#pending === undefined) {
      this.#pending = pending;
      const forget = (): void => {
        if (this.#pending === pending) this.#pending = undefined;
      };
      pending.then(forget, forget);
    }
    return pending;
  }

  /** What was cached of files and plugins was refused: the next request reads all of it again. */
  reload(): void {
    this.#loaded = undefined;
    this.#pending = undefined;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#known?.dispatcher.destroy();
  }

  async #make(): Promise<Access> {
    this.#loaded ??= load(this.#read());
    const loaded = this.#loaded;
    let config: KubeConfig;
    try {
      config = await loaded;
    } catch (error) {
      if (this.#loaded === loaded) this.#loaded = undefined;
      throw error;
    }
    const applied: RequestOptions = {};
    await config.applyToHTTPSOptions(applied);
    const options = config.createDispatcherOptions(config.getCurrentCluster(), tlsOf(applied));
    return { dispatcher: this.#dispatcherOf(options), headers: headersOf(applied.headers, applied.auth) };
  }

  /** A new one when a certificate or authority was rotated; watches under way end on the old one. */
  #dispatcherOf(options: DispatcherOptions): Dispatcher {
    if (this.#isClosed) throw new Error("the client is closed");
    if (this.#known !== undefined && isDeepStrictEqual(this.#known.options, options))
      return this.#known.dispatcher;
    void this.#known?.dispatcher.close();
    const dispatcher = dispatcherFor(options);
    this.#known = { options, dispatcher };
    return dispatcher;
  }

  #limited(made: Promise<Access>): Promise<Access> {
    return new Promise((resolve, reject) => {
      const cancel = this.#setTimer(
        () => reject(new Error(`credentials: none after ${PLUGIN_LIMIT_MS} ms`)),
        PLUGIN_LIMIT_MS,
      );
      made.then(resolve, reject).finally(cancel);
    });
  }
}

async function load({ text }: Kubeconfig): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromString(text);
  return config;
}

/** What the library sets of TLS; the rest of its options is about an agent that is not used. */
function tlsOf({
  ca,
  cert,
  key,
  pfx,
  passphrase,
  rejectUnauthorized,
  servername,
}: RequestOptions): AgentOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(pfx === undefined ? {} : { pfx }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function headersOf(given: RequestOptions["headers"], auth: string | null | undefined): Access["headers"] {
  const headers: Record<string, string> = {};
  // A token's file may end in a newline, which no header may.
  for (const [name, value] of Object.entries(given ?? {}))
    if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
  if (auth) headers.authorization ??= `Basic ${Buffer.from(auth).toString("base64")}`;
  return headers;
}

function dispatcherFor(options: DispatcherOptions): Dispatcher {
  const dialling = {
    timeout: CONNECT_LIMIT_MS,
    keepAlive: true,
    keepAliveInitialDelay: TCP_PROBE_AFTER_MS,
  };
  // Each request has a limit of its own, and a watch may be silent for longer than any limit here.
  const limits = { headersTimeout: 0, bodyTimeout: 0 };
  switch (options.type) {
    case "agent":
      return new Agent({ ...limits, connect: { ...connectorOf(options.connect), ...dialling } });
    case "none":
      return new Agent({ ...limits, connect: dialling });
    case "proxy":
      return new ProxyAgent({
        ...limits,
        uri: options.uri,
        requestTls: { ...connectorOf(options.requestTls), ...dialling },
        proxyTls: dialling,
      });
    case "socks":
      throw new Error(
        `proxy-url ${new URL(options.uri).host}: only http:// and https:// proxies are spoken to`,
      );
  }
}

type Connector = Partial<buildConnector.BuildOptions>;

/** The library's types are of a later Node than undici's, which differ in options that neither sets. */
function connectorOf(options: Extract<DispatcherOptions, { type: "agent" }>["connect"]): Connector {
  return options as Connector;
}
