/** One filter configuration, as a listener or an ECDS push gives it to Envoy. */
export interface Plugin {
  readonly name: string;
  readonly rootId: string;
  readonly vmId: string;
  readonly vmConfiguration: Uint8Array;
  readonly configuration: Uint8Array;
  readonly failurePolicy: "FAIL_CLOSED" | "FAIL_OPEN" | "FAIL_RELOAD";
  readonly allowOnHeadersStopIteration: boolean;
}

export interface PluginOptions {
  readonly name?: string;
  readonly rootId?: string;
  readonly vmId?: string;
  readonly vmConfiguration?: string;
  readonly configuration?: string;
  readonly failurePolicy?: Plugin["failurePolicy"];
  readonly allowOnHeadersStopIteration?: boolean;
}

/** A plugin with the settings that the product ships with where none are given. */
export function pluginOf(options: PluginOptions = {}): Plugin {
  return {
    name: options.name ?? "inference-picker",
    rootId: options.rootId ?? "inference-picker",
    vmId: options.vmId ?? "inference-picker",
    vmConfiguration: Buffer.from(options.vmConfiguration ?? ""),
    configuration: Buffer.from(options.configuration ?? ""),
    failurePolicy: options.failurePolicy ?? "FAIL_RELOAD",
    allowOnHeadersStopIteration: options.allowOnHeadersStopIteration ?? true,
  };
}
