import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../controller/src/cli/processes.ts";
import { ApiClient, ApiError } from "./api-client.ts";
import { type Child, startChild } from "./children.ts";
import {
  ADMIN,
  apiServerArgs,
  type ControlPlane,
  controllerManagerArgs,
  etcdArgs,
  prepareControlPlane,
} from "./control-plane.ts";
import { installCrds } from "./crds.ts";
import { type CrdSourceName, programPath } from "./programs/programs.ts";
import { until } from "./until.ts";

const CLUSTERS = fileURLToPath(new URL("../../build/kubernetes/", import.meta.url));
/** A port that was free may be taken before the program listens: with new ports, then. */
const ATTEMPTS = 3;

export interface ClusterOptions {
  /** Deployments, EndpointSlices, namespaces that can be deleted, garbage collection. Default false: it costs 100 MB. */
  readonly controllerManager?: boolean;
  /** Users who may do nothing until a role is bound to them. */
  readonly users?: readonly string[];
  /** Keep a record of every request in `cluster.auditLog`. Default false. */
  readonly audit?: boolean;
}

/** A real API server over a real etcd, on 127.0.0.1. */
export interface Cluster {
  readonly url: string;
  /** Where its objects are kept, for tests that change them while the API server is away. */
  readonly etcdUrl: string;
  /** The authority behind its certificate, in PEM, and as a file. */
  readonly ca: string;
  readonly caFile: string;
  /** Logs, data, kubeconfigs; goes with `stop`. */
  readonly folder: string;
  /** One JSON line a request (`audit: true`): `user.username`, `verb`, `objectRef`. */
  readonly auditLog: string;
  /** May do everything. */
  readonly admin: ApiClient;
  /** Another user's client; `stop` closes it. */
  client(token: string): ApiClient;
  /** The file that makes a program that user: one of `users`, or whoever a token says. Default: the administrator. */
  kubeconfig(user?: string | { readonly token: string; readonly namespace?: string }): string;
  /** Gives the namespace and the service account if they are missing, and a token that holds for an hour. */
  serviceAccountToken(namespace: string, name: string): Promise<string>;
  createNamespace(name: string): Promise<void>;
  /** Default: the kinds that the controller watches. Resolves when they are served. */
  installCrds(...sources: readonly CrdSourceName[]): Promise<void>;
  /** As a crash does. */
  killApiServer(): Promise<void>;
  /** On the same port, with the same data; resolves when it is ready. */
  restartApiServer(): Promise<void>;
  /** Connections are accepted, nothing is answered. */
  freezeApiServer(): Promise<void>;
  thawApiServer(): void;
  stop(): Promise<void>;
}

/** Ready within 10 s on two idle cores. @throws Error with the log's end when a program does not start */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      const isTaken = error instanceof Error && error.message.includes("address already in use");
      if (!isTaken || attempt === ATTEMPTS) throw error;
    }
  }
}

async function start(options: ClusterOptions): Promise<Cluster> {
  mkdirSync(CLUSTERS, { recursive: true });
  const [api, etcd, etcdPeer] = (await freePorts(3)) as [number, number, number];
  removeLeftovers();
  const folder = mkdtempSync(join(CLUSTERS, `cluster-${process.pid}-`));
  const plane = prepareControlPlane(folder, { api, etcd, etcdPeer }, options.users ?? []);
  const running = new RunningCluster(plane, options.audit ?? false);
  try {
    await running.start(options.controllerManager ?? false);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** What runs that were killed left; their programs went with them. */
function removeLeftovers(): void {
  for (const name of readdirSync(CLUSTERS)) {
    const pid = /^cluster-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(CLUSTERS, name), { recursive: true, force: true });
    }
  }
}

class RunningCluster implements Cluster {
  readonly url: string;
  readonly etcdUrl: string;
  readonly ca: string;
  readonly caFile: string;
  readonly folder: string;
  readonly auditLog: string;
  readonly admin: ApiClient;
  private readonly plane: ControlPlane;
  private readonly audit: boolean;
  private readonly clients: ApiClient[] = [];
  private readonly children: Child[] = [];
  private apiServer: Child | undefined;
  private kubeconfigs = 0;

  constructor(plane: ControlPlane, audit: boolean) {
    this.plane = plane;
    this.audit = audit;
    this.url = plane.url;
    this.etcdUrl = `http://127.0.0.1:${plane.ports.etcd}`;
    this.ca = plane.ca;
    this.folder = plane.folder;
    this.caFile = join(plane.folder, "ca.pem");
    this.auditLog = plane.auditLog;
    this.admin = this.client(plane.tokens[ADMIN]!);
  }

  async start(controllerManager: boolean): Promise<void> {
    this.children.push(startChild(this.folder, "etcd", [programPath("etcd"), ...etcdArgs(this.plane)]));
    await this.restartApiServer();
    if (controllerManager) {
      const args = controllerManagerArgs(this.plane, this.kubeconfig());
      const program = programPath("kube-controller-manager");
      this.children.push(startChild(this.folder, "kube-controller-manager", [program, ...args]));
    }
    await until("the namespace default", () => this.isThere("default"));
  }

  client(token: string): ApiClient {
    const client = new ApiClient(this.url, this.ca, token);
    this.clients.push(client);
    return client;
  }

  kubeconfig(user: string | { readonly token: string; readonly namespace?: string } = ADMIN): string {
    const { token, namespace = "default" } =
      typeof user === "string" ? { token: this.plane.tokens[user] } : user;
    if (token === undefined)
      throw new Error(`${user} is none of ${Object.keys(this.plane.tokens).join(", ")}`);
    this.kubeconfigs += 1;
    const file = join(this.folder, `kubeconfig-${this.kubeconfigs}.yaml`);
    writeFileSync(file, kubeconfig(this.url, this.ca, token, namespace), { mode: 0o600 });
    return file;
  }

  async serviceAccountToken(namespace: string, name: string): Promise<string> {
    await this.createNamespace(namespace);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } };
    await this.admin.apply(account);
    const answer = await this.admin.request<{ readonly status: { readonly token: string } }>(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      {
        body: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { expirationSeconds: 3600 },
        },
      },
    );
    return answer.status.token;
  }

  async createNamespace(name: string): Promise<void> {
    await this.admin.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }

  installCrds(...sources: readonly CrdSourceName[]): Promise<void> {
    return installCrds(this.admin, sources);
  }

  async killApiServer(): Promise<void> {
    await this.apiServer?.kill();
    this.apiServer = undefined;
  }

  async restartApiServer(): Promise<void> {
    await this.killApiServer();
    const args = apiServerArgs(this.plane, this.audit);
    const server = startChild(this.folder, "kube-apiserver", [programPath("kube-apiserver"), ...args]);
    this.apiServer = server;
    await until("the API server", () => {
      const failure = [server, ...this.children]
        .map((child) => child.ended())
        .find((text) => text !== undefined);
      if (failure !== undefined) throw new Error(failure);
      return this.isReady();
    });
  }

  async freezeApiServer(): Promise<void> {
    const server = this.apiServer;
    if (server === undefined) return;
    server.signal("SIGSTOP");
    await until("the API server stopped", () => isStopped(server.pid));
  }

  thawApiServer(): void {
    this.apiServer?.signal("SIGCONT");
  }

  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all([this.killApiServer(), ...this.children.map((child) => child.kill())]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async isReady(): Promise<boolean> {
    try {
      return (await this.admin.request("GET", "/readyz", { timeoutMs: 1000 })) === "ok";
    } catch {
      return false;
    }
  }

  private async isThere(namespace: string): Promise<boolean> {
    try {
      await this.admin.get({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.reason === "NotFound") return false;
      throw error;
    }
  }
}

/** Each thread stops for itself; until then it goes on answering. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).every((task) =>
    /^State:\tT/m.test(readFileSync(`${tasks}/${task}/status`, "utf8")),
  );
}

function kubeconfig(url: string, ca: string, token: string, namespace: string): string {
  const cluster = { server: url, "certificate-authority-data": Buffer.from(ca).toString("base64") };
  // JSON is YAML.
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace } }],
    "current-context": "test",
  });
}
