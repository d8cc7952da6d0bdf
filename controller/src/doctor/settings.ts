import { PickerError } from "../errors.ts";
import { environmentName, type Flag, flagLines, oneOf, parseFlags } from "../flags.ts";
import type { NamespacedName } from "../settings.ts";

export interface DoctorSettings {
  /** Where the pools come from; `none`: they are not looked at. */
  readonly source: "file" | "kubernetes" | "none";
  readonly poolsFile: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** The only namespace that the controller watches. Absent: all. */
  readonly namespace: string | undefined;
  /** The controller's account, whose permissions are asked for; absent: those of who asks. */
  readonly serviceAccount: NamespacedName | undefined;
  readonly parent: NamespacedName | undefined;
  /** Absent: `inference-picker` in the namespace of the service account, else of who asks. */
  readonly lease: NamespacedName | undefined;
  readonly pickerRef: "ignore" | "take-over";
  readonly clusterDomain: string;
  readonly istio: boolean;
  /** `host:port` of the controller's web port. Absent: not looked at. */
  readonly controller: string | undefined;
  /** `host:port` of each Envoy's admin page. */
  readonly envoyAdmins: readonly string[];
  /** For each question. */
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** Flag `--pools-file`, environment `INFERENCE_PICKER_POOLS_FILE`; a flag wins. Many are the controller's own. */
const SETTINGS = {
  source: {
    flag: "source",
    help: "file, kubernetes or none; default: what --pools-file, --kubeconfig, --context or --namespace tell, or the Pod",
  },
  poolsFile: { flag: "pools-file", help: "the controller's pools file" },
  kubeconfig: { flag: "kubeconfig", help: "access to the API server; default: KUBECONFIG, ~/.kube/config" },
  context: { flag: "context", help: "the kubeconfig's context" },
  namespace: { flag: "namespace", help: "the one that the controller watches; default: all" },
  serviceAccount: {
    flag: "service-account",
    help: "the controller's, namespace/name; default: permissions of who asks",
  },
  parent: { flag: "parent", help: "the Gateway in whose name statuses are written, namespace/name" },
  lease: {
    flag: "lease",
    help: "the controller's, namespace/name; default: inference-picker in its own namespace",
  },
  pickerRef: {
    flag: "picker-ref",
    fallback: "ignore",
    help: "ignore or take-over: pools with an endpoint picker",
  },
  clusterDomain: { flag: "cluster-domain", fallback: "cluster.local", help: "of the cluster's DNS" },
  istio: { flag: "istio", fallback: "false", help: "true: Istio's clusters stand for the pools" },
  controller: {
    flag: "controller",
    fallback: "127.0.0.1:18001",
    help: "its --web-listen, host:port; none: not looked at",
  },
  envoyAdmin: {
    flag: "envoy-admin",
    fallback: "127.0.0.1:9901",
    help: "Envoys' admin pages, host:port, comma-separated; none: not looked at",
  },
  timeout: { flag: "timeout-ms", fallback: "3000", help: "for each question" },
} as const satisfies Record<string, Flag>;

type Key = keyof typeof SETTINGS;
const JSON_FLAG = "--json";

/**
 * @throws PickerError CONFIG_UNKNOWN_KEY, CONFIG_MISSING, CONFIG_DUPLICATE, CONFIG_FORMAT, CONFIG_RANGE or
 * CONFIG_CONFLICT, with the flag, the value and the bound.
 */
export function parseDoctorSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): DoctorSettings {
  const flags = parseFlags(
    args.filter((arg) => arg !== JSON_FLAG),
    SETTINGS,
  );
  const optional = (key: Key): string | undefined => {
    const { flag, fallback }: Flag = SETTINGS[key];
    return flags.get(flag) ?? (env[environmentName(flag)] || fallback);
  };
  const required = (key: Key): string => optional(key) ?? "";
  const poolsFile = optional("poolsFile");
  const namesCluster = (["kubeconfig", "context", "namespace"] as const).some(
    (key) => optional(key) !== undefined,
  );
  const implied = () => {
    if (poolsFile !== undefined) return "file";
    return namesCluster || env.KUBERNETES_SERVICE_HOST !== undefined ? "kubernetes" : "none";
  };
  const source = oneOf(SETTINGS.source, optional("source") ?? implied(), [
    "file",
    "kubernetes",
    "none",
  ] as const);
  if (source === "file" && poolsFile === undefined) {
    throw new PickerError("CONFIG_MISSING", "is required for --source file", { path: "--pools-file" });
  }
  return {
    source,
    poolsFile,
    kubeconfig: optional("kubeconfig"),
    context: optional("context"),
    namespace: optional("namespace"),
    serviceAccount: namespacedName("serviceAccount", optional("serviceAccount")),
    parent: namespacedName("parent", optional("parent")),
    lease: namespacedName("lease", optional("lease")),
    pickerRef: oneOf(SETTINGS.pickerRef, required("pickerRef"), ["ignore", "take-over"] as const),
    clusterDomain: required("clusterDomain"),
    istio: oneOf(SETTINGS.istio, required("istio"), ["true", "false"] as const) === "true",
    controller: addresses("controller", required("controller"), 1)[0],
    envoyAdmins: addresses("envoyAdmin", required("envoyAdmin"), 64),
    timeoutMs: timeout(required("timeout")),
    json: args.includes(JSON_FLAG),
  };
}

/** One line a flag, for `--help`. */
export function doctorHelp(): string {
  const lines = flagLines(SETTINGS, 16);
  const json = `  ${JSON_FLAG.padEnd(18)} print one JSON document`;
  return `Only reads. Ends with 0 if nothing is wrong, 1 for a failure, 2 for wrong flags, 3 for warnings alone.
Every flag but ${JSON_FLAG} can also be set as ${environmentName("flag-name")}.

${[...lines, json].join("\n")}
`;
}

/** `none` gives an empty list. */
function addresses(key: Key, text: string, atMost: number): readonly string[] {
  if (text === "none") return [];
  const list = text.split(",").map((address) => address.trim());
  const form = /^(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})$/;
  const isGood = (address: string) => {
    const port = Number(form.exec(address)?.[1] ?? 0);
    return port >= 1 && port <= 65_535;
  };
  if (list.length > atMost) {
    throw new PickerError("CONFIG_RANGE", `${list.length} addresses are more than ${atMost}`, {
      path: `--${SETTINGS[key].flag}`,
      value: list.length,
      bound: atMost,
    });
  }
  for (const address of list) {
    if (!isGood(address)) throw formatError(key, address, "host:port, [ipv6]:port or none");
  }
  return list;
}

function namespacedName(key: Key, text: string | undefined): NamespacedName | undefined {
  if (text === undefined) return undefined;
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined) throw formatError(key, text, "namespace/name");
  return { namespace, name };
}

function timeout(text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 100 && value <= 60_000) return value;
  throw new PickerError("CONFIG_RANGE", `${JSON.stringify(text)} is not an integer from 100 to 60000`, {
    path: `--${SETTINGS.timeout.flag}`,
    value: text,
    bound: [100, 60_000],
  });
}

function formatError(key: Key, text: string, form: string): PickerError {
  return new PickerError("CONFIG_FORMAT", `${JSON.stringify(text)} is not ${form}`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
  });
}
