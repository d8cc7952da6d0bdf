import type { PickerError } from "./errors.ts";
import type { Inventory } from "./model.ts";
import type { FileSettings, KubernetesSettings } from "./settings.ts";
import { type Finding, formatReference, type SourceOutcome } from "./sources/kubernetes/findings.ts";
import { watchPoolsFile, watchRoutesFile } from "./sources/pools-file.ts";
import type { ParsedRoute } from "./sources/pools-schema.ts";
import type { StatusWriter, StatusWriterStats } from "./status/writer.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { SetTimer } from "./timer.ts";

export interface InventorySourceDeps {
  readonly onInventory: (inventory: Inventory) => void;
  readonly onError: (error: PickerError) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Ms since the Unix epoch. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

/** Where pools and routes come from, whatever it is. */
export interface InventorySource {
  /** Why its file as it stands is not in force, on one line; null: it is, or there is none. */
  problem(): string | null;
  /** What the objects' owners should know, one a line, the first few; what is said of one object leaves the others in force. */
  findings(): readonly string[];
  /** Undefined where objects' owners are told nothing. */
  status(): StatusWriterStats | undefined;
  close(): Promise<void>;
}

/** Shown at once on a page; all of them are in the log and in Events. */
const SHOWN_FINDINGS = 5;

/**
 * Reads and keeps reading what the settings name.
 * @throws PickerError for a file that is bad at the start, or where no API server is configured
 */
export async function startSource(
  settings: FileSettings | KubernetesSettings,
  deps: InventorySourceDeps,
): Promise<InventorySource> {
  return settings.kind === "file" ? fromFile(settings, deps) : fromKubernetes(settings, deps);
}

function fromFile({ poolsFile }: FileSettings, deps: InventorySourceDeps): InventorySource {
  let problem: string | null = null;
  const watch = watchPoolsFile(poolsFile, {
    onInventory: (inventory) => {
      problem = null;
      deps.onInventory(inventory);
    },
    onError: (error) => {
      problem = onOneLine(error);
      deps.onError(error);
    },
    env: deps.env,
    setTimer: deps.setTimer,
  });
  return {
    problem: () => problem,
    findings: () => [],
    status: () => undefined,
    close: async () => watch.close(),
  };
}

/** What speaks to the API server is loaded here and not before: with a pools file nothing of it is. */
async function fromKubernetes(
  settings: KubernetesSettings,
  deps: InventorySourceDeps,
): Promise<InventorySource> {
  const [{ loadClient }, { watchKubernetes }, { startStatusWriter }] = await Promise.all([
    import("./kubernetes/client.ts"),
    import("./sources/kubernetes/watch-kubernetes.ts"),
    import("./status/writer.ts"),
  ]);
  const { logger, nowMs, wallMs, random, setTimer } = deps;
  let routesProblem: string | null = null;
  let routes: readonly ParsedRoute[] | undefined;
  let onRoutes = (read: readonly ParsedRoute[]): void => {
    routes = read;
  };
  const file =
    settings.routesFile === undefined
      ? undefined
      : watchRoutesFile(settings.routesFile, {
          onRoutes: (read) => {
            routesProblem = null;
            onRoutes(read);
          },
          onError: (error) => {
            routesProblem = onOneLine(error);
            deps.onError(error);
          },
          env: deps.env,
          setTimer,
        });
  const log = new FindingsLog(logger);
  let status: StatusWriter | undefined;
  try {
    const client = loadClient({ kubeconfig: settings.kubeconfig }, deps.env, setTimer);
    const source = watchKubernetes({
      client,
      settings,
      routes,
      onInventory: deps.onInventory,
      onOutcome: (outcome) => {
        log.show(outcome);
        status?.update(outcome);
      },
      logger,
      nowMs,
      random,
      setTimer,
    });
    onRoutes = (read) => source.setRoutes(read);
    if (settings.parent !== undefined) {
      status = startStatusWriter({
        client,
        identity: settings.identity,
        lease: settings.lease ?? { namespace: client.namespace, name: DEFAULT_LEASE },
        parent: settings.parent,
        pools: () => source.pools(),
        logger,
        nowMs,
        wallMs,
        random,
        setTimer,
      });
    }
    logger.info({ server: client.server, namespace: settings.namespace ?? "all" }, "watching the API server");
    return {
      problem: () => routesProblem,
      findings: () => log.warnings,
      status: () => status?.stats(),
      async close() {
        file?.close();
        await source.close();
        await status?.close();
        await client.close();
      },
    };
  } catch (error) {
    file?.close();
    throw error;
  }
}

const DEFAULT_LEASE = "inference-picker";

/** Says each finding when it appears, and keeps what is to be shown of the present ones. */
class FindingsLog {
  readonly #logger: Logger;
  #known: ReadonlySet<string> = new Set();
  warnings: readonly string[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  show({ findings }: SourceOutcome): void {
    const lines = findings.map((finding) => ({ finding, line: lineOf(finding) }));
    for (const { finding, line } of lines) {
      if (this.#known.has(line)) continue;
      const fields = { reason: finding.reason, object: formatReference(finding.object) };
      if (finding.severity === "Warning") this.#logger.warn(fields, finding.message);
      else this.#logger.info(fields, finding.message);
    }
    this.#known = new Set(lines.map(({ line }) => line));
    const warnings = lines.filter(({ finding }) => finding.severity === "Warning").map(({ line }) => line);
    const more = warnings.length > SHOWN_FINDINGS ? [`and ${warnings.length - SHOWN_FINDINGS} more`] : [];
    this.warnings = [...warnings.slice(0, SHOWN_FINDINGS), ...more];
  }
}

function lineOf({ object, reason, message }: Finding): string {
  return `${formatReference(object)}: ${reason}: ${message.replaceAll("\n", "; ")}`;
}

function onOneLine(error: PickerError): string {
  return error.message.replaceAll("\n", "; ");
}
