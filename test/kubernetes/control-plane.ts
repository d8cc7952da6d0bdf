/** The command lines of etcd, kube-apiserver and kube-controller-manager for tests, and the files that they read. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestAuthority } from "../../controller/src/push/test-certificates.ts";

export interface ControlPlane {
  readonly folder: string;
  readonly url: string;
  readonly ports: ControlPlanePorts;
  /** The authority that signed the API server's certificate, in PEM. */
  readonly ca: string;
  /** Token by user. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly auditLog: string;
}

export interface ControlPlanePorts {
  readonly api: number;
  readonly etcd: number;
  readonly etcdPeer: number;
}

/** May do everything. */
export const ADMIN = "admin";

/** Nothing that costs memory and that no test looks at; `namespace` is what lets a namespace be deleted. */
const CONTROLLERS = [
  ...["deployment-controller", "replicaset-controller", "endpointslice-controller"],
  ...["namespace-controller", "serviceaccount-controller", "garbage-collector-controller"],
  "root-ca-certificate-publisher-controller",
];

/** Writes certificates, keys and tokens into `folder`. */
export function prepareControlPlane(
  folder: string,
  ports: ControlPlanePorts,
  users: readonly string[],
): ControlPlane {
  mkdirSync(folder, { recursive: true });
  const authority = new TestAuthority();
  try {
    const { certFile, keyFile } = authority.issue("IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc");
    const ca = readFileSync(authority.caFile, "utf8");
    writeFileSync(join(folder, "ca.pem"), ca);
    writeFileSync(join(folder, "server.pem"), readFileSync(certFile));
    writeFileSync(join(folder, "server.key"), readFileSync(keyFile));
    const keys = generateKeyPairSync("ec", {
      namedCurve: "prime256v1",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    writeFileSync(join(folder, "service-accounts.pem"), keys.publicKey);
    writeFileSync(join(folder, "service-accounts.key"), keys.privateKey);
    const tokens = Object.fromEntries([ADMIN, ...users].map((user) => [user, `token-of-${user}`]));
    const lines = Object.entries(tokens).map(([user, token]) =>
      user === ADMIN ? `${token},${user},${user},"system:masters"` : `${token},${user},${user}`,
    );
    writeFileSync(join(folder, "tokens.csv"), `${lines.join("\n")}\n`);
    writeFileSync(join(folder, "audit.yaml"), AUDIT_POLICY);
    const url = `https://127.0.0.1:${ports.api}`;
    return { folder, url, ports, ca, tokens, auditLog: join(folder, "audit.log") };
  } finally {
    authority.remove();
  }
}

/** Who did what to which object, without bodies: one line when a request (a watch: its answer's start) is over. */
const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  omitStages: [RequestReceived]
`;

export function etcdArgs({ folder, ports }: ControlPlane): readonly string[] {
  const clients = `http://127.0.0.1:${ports.etcd}`;
  const peers = `http://127.0.0.1:${ports.etcdPeer}`;
  return [
    ...["--name", "test", "--data-dir", join(folder, "etcd"), "--unsafe-no-fsync", "--log-level", "warn"],
    ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
    ...["--initial-cluster", `test=${peers}`],
  ];
}

export function apiServerArgs({ folder, ports, auditLog }: ControlPlane, audit: boolean): readonly string[] {
  const file = (name: string) => join(folder, name);
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    ...["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${ports.api}`],
    // Without it, the Service `kubernetes` gets 127.0.0.1 as an endpoint, which the server itself refuses.
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.96.0.0/16",
    ...[`--tls-cert-file=${file("server.pem")}`, `--tls-private-key-file=${file("server.key")}`],
    `--cert-dir=${file("generated")}`,
    ...[`--token-auth-file=${file("tokens.csv")}`, "--authorization-mode=RBAC", "--anonymous-auth=false"],
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${file("service-accounts.pem")}`,
    `--service-account-signing-key-file=${file("service-accounts.key")}`,
    // It refuses Pods until a controller has made the account `default`, and would mount what no kubelet mounts.
    "--disable-admission-plugins=ServiceAccount",
    "--allow-privileged=true",
    // Priority and fairness warms up for seconds and bounds nothing that a test sends.
    "--enable-priority-and-fairness=false",
    ...(audit ? [`--audit-policy-file=${file("audit.yaml")}`, `--audit-log-path=${auditLog}`] : []),
    ...(audit ? ["--audit-log-mode=blocking"] : []),
  ];
}

export function controllerManagerArgs({ folder }: ControlPlane, kubeconfig: string): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--controllers=${CONTROLLERS.join(",")}`,
    "--leader-elect=false",
    "--secure-port=0",
    `--root-ca-file=${join(folder, "ca.pem")}`,
    `--service-account-private-key-file=${join(folder, "service-accounts.key")}`,
  ];
}
