import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { parseSettings, type Settings } from "../../controller/src/settings.ts";
import { expectedGrants } from "./grants.ts";
import {
  type Container,
  containersOf,
  environmentOf,
  grantsOf,
  type KubeObject,
  objectsOf,
  ofKind,
  podSpecs,
  ROOT,
  readText,
} from "./objects.ts";

const ENVOY = process.env.ENVOY ?? join(ROOT, "build/envoy/envoy");
const SHAPES = ["controller", "gateway"] as const;
const MODULE = "/var/lib/inference-picker/inference-picker.wasm";

function manifests(shape: (typeof SHAPES)[number]): readonly KubeObject[] {
  return objectsOf(readText(`deploy/manifests/${shape}.yaml`));
}

function controllers(objects: readonly KubeObject[]): readonly Container[] {
  return podSpecs(objects)
    .flatMap(containersOf)
    .filter(({ name }) => name === "controller");
}

/** What the container's program makes of its flags and variables, as the kubelet gives them. */
function settingsOf(container: Container): Settings {
  const env = environmentOf(container, { POD_NAME: "pod-1", POD_NAMESPACE: "inference-picker" });
  const { args = [] } = container;
  const expanded = args.map((arg) => arg.replace(/\$\(([A-Z_]+)\)/g, (_, name: string) => env[name]!));
  return parseSettings(expanded, env);
}

for (const shape of SHAPES) {
  describe(`the manifests of shape ${shape}`, () => {
    const objects = manifests(shape);
    const pods = podSpecs(objects);

    it("keep to the restricted Pod Security Standard, on a root file system that cannot be written", () => {
      for (const pod of pods) {
        assert.equal(pod.securityContext?.runAsNonRoot, true);
        assert.deepEqual(pod.securityContext?.seccompProfile, { type: "RuntimeDefault" });
        for (const { name, securityContext } of containersOf(pod)) {
          assert.deepEqual(
            securityContext,
            {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
            },
            name,
          );
        }
      }
      assert.ok(pods.length > 0);
    });

    it("give no container but the controller a token", () => {
      for (const pod of pods) {
        assert.equal(pod.automountServiceAccountToken, false);
        const token = pod.volumes?.find(({ projected }) =>
          JSON.stringify(projected)?.includes("serviceAccountToken"),
        );
        const withToken = containersOf(pod).filter(({ volumeMounts = [] }) =>
          volumeMounts.some(({ name }) => name === token?.name),
        );
        assert.deepEqual(
          withToken.map(({ name }) => name),
          ["controller"],
        );
      }
      const [account] = ofKind(objects, "ServiceAccount");
      assert.equal(account?.automountServiceAccountToken, false);
    });

    it("pin every image, and bound every container's memory", () => {
      for (const { name, image, resources } of pods.flatMap(containersOf)) {
        assert.match(image, /:(?!latest$)[\w.-]+$|@sha256:[0-9a-f]{64}$/, name);
        assert.ok(resources?.limits && "memory" in resources.limits, name);
        assert.ok(resources?.requests && "memory" in resources.requests, name);
      }
    });

    it("give the controller flags that it takes", () => {
      for (const controller of controllers(objects)) {
        const settings = settingsOf(controller);
        assert.equal(settings.source.kind, "kubernetes");
        assert.equal(settings.wasmFile, MODULE);
        assert.equal(settings.web.host, "0.0.0.0");
        const http = controller.ports?.find(({ name }) => name === "http");
        assert.equal(http?.containerPort, settings.web.port);
      }
      assert.equal(controllers(objects).length, shape === "controller" ? 2 : 1);
    });

    it("grant what the controller uses and nothing else", () => {
      const access = {
        watchNamespace: "",
        writesStatus: false,
        readsServices: false,
        releaseNamespace: "inference-picker",
        lease: "inference-picker",
        secrets: {},
      };
      assert.deepEqual(grantsOf(objects), expectedGrants(access));
    });

    it("bound what may be evicted at a time, and who may be reached", () => {
      const [budget] = ofKind(objects, "PodDisruptionBudget");
      assert.equal((budget!.spec as { maxUnavailable: number }).maxUnavailable, 1);
      const [policy] = ofKind(objects, "NetworkPolicy");
      assert.deepEqual((policy!.spec as { policyTypes: string[] }).policyTypes, ["Ingress", "Egress"]);
    });
  });
}

describe("a controller of its own", () => {
  const objects = manifests("controller");
  const [config] = ofKind(objects, "ConfigMap");
  const bootstrap = (config as unknown as { data: Record<string, string> }).data["envoy.yaml"]!;

  it("has a Service a replica, whose names are the feed clusters' hosts", () => {
    const { static_resources: resources } = parse(bootstrap, { merge: true }) as {
      static_resources: { clusters: readonly BootstrapCluster[] };
    };
    const hosts = new Map(resources.clusters.map((cluster) => [cluster.name, hostOf(cluster)]));
    const services = ofKind(objects, "Service").map(
      ({ metadata }) => `${metadata.name}.${metadata.namespace}.svc.cluster.local`,
    );
    for (const controller of controllers(objects)) {
      const { feedClusters } = settingsOf(controller);
      assert.deepEqual(feedClusters, ["inference-picker-feed-0", "inference-picker-feed-1"]);
      const dialled = [...feedClusters, "inference-picker-ads"].map((name) => hosts.get(name));
      assert.deepEqual(dialled.sort(), services.toSorted());
    }
  });

  it("writes a bootstrap that Envoy accepts", () => {
    const folder = mkdtempSync(join(tmpdir(), "bootstrap-"));
    try {
      const file = join(folder, "envoy.yaml");
      writeFileSync(file, bootstrap);
      // It opens its access log, /dev/stdout, by name; Node's pipes are sockets, which have none.
      const log = openSync(join(folder, "log"), "w");
      const { status } = spawnSync(ENVOY, ["--mode", "validate", "-c", file, "--service-node", "pod-1"], {
        stdio: ["ignore", log, log],
      });
      closeSync(log);
      assert.equal(status, 0, readFileSync(join(folder, "log"), "utf8"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is ready when it has a table, and alive before", () => {
    for (const { readinessProbe, livenessProbe } of controllers(objects)) {
      assert.deepEqual(readinessProbe?.httpGet, { path: "/readyz", port: "http" });
      assert.deepEqual(livenessProbe?.httpGet, { path: "/healthz", port: "http" });
    }
  });
});

interface BootstrapCluster {
  readonly name: string;
  readonly load_assignment: {
    readonly endpoints: readonly {
      readonly lb_endpoints: readonly {
        readonly endpoint: { readonly address: { readonly socket_address: { readonly address: string } } };
      }[];
    }[];
  };
}

function hostOf({ load_assignment: { endpoints } }: BootstrapCluster): string {
  return endpoints[0]!.lb_endpoints[0]!.endpoint.address.socket_address.address;
}

describe("a gateway with its controller", () => {
  const [pod, ...more] = podSpecs(manifests("gateway"));
  const [filter, controller] = pod!.initContainers!;
  const [envoy] = pod!.containers;

  it("starts Envoy when the first table is out", () => {
    assert.deepEqual(more, []);
    assert.equal(controller!.restartPolicy, "Always");
    assert.deepEqual(controller!.startupProbe?.httpGet, { path: "/readyz", port: "http" });
    assert.equal(controller!.readinessProbe, undefined);
  });

  it("has the filter and the bootstrap where both sides look for them", () => {
    const settings = settingsOf(controller!);
    assert.equal(settings.nodeId, "pod-1");
    assert.ok(envoy!.args!.includes(settings.bootstrapOut!));
    assert.equal(filter!.command!.at(-2), MODULE);
    const mounts = new Map(envoy!.volumeMounts!.map(({ name, mountPath }) => [name, mountPath]));
    assert.equal(`${mounts.get("filter")}/${filter!.command!.at(-1)!.split("/").at(-1)}`, MODULE);
    assert.equal(mounts.get("bootstrap"), settings.bootstrapOut!.replace(/\/[^/]+$/, ""));
  });

  it("keeps discovery and the feed to itself", () => {
    assert.equal(settingsOf(controller!).rpc.host, "127.0.0.1");
  });
});

for (const file of ["manifests/gateway.yaml", "examples/gateway.yaml"]) {
  it(`Envoy of ${file} may drain for as long as the pod has to end`, () => {
    const [pod, ...more] = podSpecs(objectsOf(readText(`deploy/${file}`)));
    const [envoy] = pod!.containers;
    const command = envoy!.lifecycle?.preStop.exec.command ?? [];
    const script = readText("deploy/chart/inference-picker/files/drain.sh").trimEnd();
    const [drainSeconds, adminPort] = command.slice(-2);
    assert.deepEqual(command, ["bash", "-c", script, "drain", drainSeconds, adminPort]);
    assert.equal(adminPort, "9901");
    assert.ok(pod!.terminationGracePeriodSeconds! >= Number(drainSeconds) + 10);
    const args = envoy!.args!;
    assert.equal(args.at(args.indexOf("--drain-time-s") + 1), drainSeconds);
    assert.equal(args.at(args.indexOf("--drain-strategy") + 1), "immediate");
    assert.deepEqual(more, []);
  });
}

it("the chart has the bootstrap that the controller writes", () => {
  assert.equal(
    readText("deploy/chart/inference-picker/files/bootstrap.yaml"),
    readText("envoy/bootstrap.yaml"),
  );
});
