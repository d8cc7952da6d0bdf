/**
 * The programs that the tests on a real cluster run, and the definitions of custom resources: where each comes from, and where the
 * cache has it. `build.ts` fills the cache; nothing else here builds or downloads.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const PROGRAMS_FOLDER = fileURLToPath(new URL(".", import.meta.url));

export interface Program {
  /** Below this folder: holds the go.mod and go.sum that pin the program and all it is built from. */
  readonly module: string;
  readonly package: string;
  /** After the ones that all programs share: `-X` for a version, build tags. */
  readonly ldflags: string;
  readonly tags: string;
}

const KUBERNETES_VERSION = "1.36.3";
const COMPONENT = "k8s.io/component-base/version";
/** Without it, the server calls itself v0.0.0, and clients that ask for its version refuse it. */
const KUBERNETES_LDFLAGS = [
  `-X ${COMPONENT}.gitVersion=v${KUBERNETES_VERSION}`,
  `-X ${COMPONENT}.gitMajor=1`,
  `-X ${COMPONENT}.gitMinor=${KUBERNETES_VERSION.split(".")[1]}`,
].join(" ");

/** In the order of building: what most tests need comes first. */
export const PROGRAMS = {
  etcd: { module: "etcd", package: "go.etcd.io/etcd/server/v3", ldflags: "", tags: "" },
  "kube-apiserver": {
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    ldflags: KUBERNETES_LDFLAGS,
    tags: "",
  },
  "kube-controller-manager": {
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    ldflags: KUBERNETES_LDFLAGS,
    tags: "",
  },
  "pilot-discovery": {
    module: "istio",
    package: "istio.io/istio/pilot/cmd/pilot-discovery",
    ldflags: "",
    tags: "vtprotobuf",
  },
  helm: { module: "helm", package: "helm.sh/helm/v4/cmd/helm", ldflags: "", tags: "" },
} as const satisfies Readonly<Record<string, Program>>;

export type ProgramName = keyof typeof PROGRAMS;

export interface CrdSource {
  /** What `go mod download` takes. */
  readonly module: string;
  /** The checksum that it must answer with. */
  readonly sum: string;
  /** Files of the module. */
  readonly files: readonly string[];
}

const EXTENSION = "sigs.k8s.io/gateway-api-inference-extension";
const EXTENSION_BASES = "config/crd/bases/inference.networking";
const GATEWAY_STANDARD = "config/crd/standard/gateway.networking.k8s.io_";

export const CRD_SOURCES = {
  "inference-pool": {
    module: `${EXTENSION}@v1.6.0`,
    sum: "h1:cjtwMJYcTnLXBYE5ffR1/hHhn7U1aIFfe2RITYmOXVA=",
    files: [`${EXTENSION_BASES}.k8s.io_inferencepools.yaml`],
  },
  /** The last release that has them; their successors are in the group `llm-d.ai`. */
  "inference-objective": {
    module: `${EXTENSION}@v1.5.0`,
    sum: "h1:w9Awt60cmI1vM7Y6N81h8wDCBP0WkmxpdI7GKY0v070=",
    files: [
      `${EXTENSION_BASES}.x-k8s.io_inferenceobjectives.yaml`,
      `${EXTENSION_BASES}.x-k8s.io_inferencemodelrewrites.yaml`,
    ],
  },
  "gateway-api": {
    module: "sigs.k8s.io/gateway-api@v1.6.3",
    sum: "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
    files: ["gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"].map(
      (plural) => `${GATEWAY_STANDARD}${plural}.yaml`,
    ),
  },
  istio: {
    module: "istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad",
    sum: "h1:ui9TJjRMAV/hb5ehQaZDq7IUGxuQP6dra9lapT/VjHI=",
    files: ["manifests/charts/base/files/crd-all.gen.yaml"],
  },
} as const satisfies Readonly<Record<string, CrdSource>>;

export type CrdSourceName = keyof typeof CRD_SOURCES;

/** The same for every program, and so not part of a cache entry's name. */
export const SHARED_BUILD_FLAGS = ["-trimpath", "-mod=readonly", "-buildvcs=false"];
export const SHARED_LDFLAGS = "-s -w";

export function programPath(name: ProgramName): string {
  return existing(join(programCache(name), name), name);
}

/** The files of a source, in its order. */
export function crdFiles(name: CrdSourceName): readonly string[] {
  const source: CrdSource = CRD_SOURCES[name];
  return source.files.map((file) => existing(join(crdCache(name), cachedFileName(file)), file));
}

/** The folder that has the program when it is built: named after all that decides what comes out of the build, but the Go release. */
export function programCache(name: ProgramName): string {
  const program: Program = PROGRAMS[name];
  const pins = ["go.mod", "go.sum"].map((file) => readFileSync(join(PROGRAMS_FOLDER, program.module, file)));
  const flags = [...SHARED_BUILD_FLAGS, SHARED_LDFLAGS, program.package, program.ldflags, program.tags];
  return cacheEntry(name, [...pins, flags.join("\n")]);
}

export function crdCache(name: CrdSourceName): string {
  return cacheEntry(`crds-${name}`, [JSON.stringify(CRD_SOURCES[name])]);
}

export function cachedFileName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

function cacheEntry(name: string, parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return join(cacheRoot(), `${name}-${hash.digest("hex").slice(0, 16)}`);
}

/** Outside the tree, so that `make clean` and a second clone cost no build. */
export function cacheRoot(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "inference-picker");
}

/** @throws Error that says how to get what is missing */
function existing(path: string, what: string): string {
  if (!existsSync(path)) throw new Error(`${what} is not built (${path} is missing): make kube-programs`);
  return path;
}
