import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KubernetesClient, RequestOptions } from "../kubernetes/client.ts";
import { KubernetesError } from "../kubernetes/kubernetes-error.ts";
import { Checks } from "./check.ts";
import { checkApiServer, checkLease, checkPermissions } from "./cluster-checks.ts";
import { type DoctorSettings, parseDoctorSettings } from "./settings.ts";

const KINDS = {
  "/apis/inference.networking.k8s.io/v1": ["inferencepools"],
  "/apis/inference.networking.x-k8s.io/v1alpha2": [
    "inferenceobjectives",
    "inferencemodelrewrites",
    "inferencemodels",
  ],
  "/apis/llm-d.ai/v1alpha2": ["inferenceobjectives", "inferencemodelrewrites"],
};

type Answer = (options: RequestOptions) => unknown;

/** Answers by path; what is not there is not found. */
function client(answers: Readonly<Record<string, Answer | object>>): KubernetesClient {
  return {
    namespace: "gateways",
    server: "https://api",
    request: async <T>(options: RequestOptions): Promise<T> => {
      const answer = answers[options.path];
      if (answer === undefined) throw new KubernetesError(404, "NotFound", `${options.path}: not found`);
      return (typeof answer === "function" ? answer(options) : answer) as T;
    },
    stream: () => assert.fail("watches"),
    close: async () => {},
  };
}

function apis(served: Readonly<Record<string, readonly string[]>> = KINDS) {
  return Object.fromEntries(
    Object.entries(served).map(([path, names]) => [path, { resources: names.map((name) => ({ name })) }]),
  );
}

function settings(...flags: string[]): DoctorSettings {
  return parseDoctorSettings(["--source", "kubernetes", ...flags], {});
}

/** `warning kinds: …` */
function words(checks: Checks): readonly string[] {
  return checks.list.map(({ status, name, seen }) => `${status} ${name}: ${seen}`);
}

async function api(answers: Readonly<Record<string, Answer | object>>) {
  const checks = new Checks("Kubernetes");
  const goesOn = await checkApiServer(checks, client(answers), 100);
  return { goesOn, found: words(checks) };
}

const VERSION = { "/version": { gitVersion: "v1.36.3" } };

describe("the API server", () => {
  it("with every kind is in order", async () => {
    const { goesOn, found } = await api({ ...VERSION, ...apis() });
    assert.equal(goesOn, true);
    assert.equal(found[0], "ok API server: v1.36.3 at https://api");
    assert.match(found[1] ?? "", /^ok kinds: InferencePool \(inference\.networking\.k8s\.io\/v1\), /);
    assert.equal(found.length, 2);
  });

  it("that does not answer is a failure, and nothing more is asked", async () => {
    const { goesOn, found } = await api({
      "/version": () => {
        throw new KubernetesError(0, "Unreachable", "GET /version: connect ECONNREFUSED");
      },
    });
    assert.equal(goesOn, false);
    assert.deepEqual(found, ["failure API server: https://api: GET /version: connect ECONNREFUSED"]);
  });

  it("too old for sidecars is warned of", async () => {
    const { found } = await api({ "/version": { gitVersion: "v1.28.9-eks-1" }, ...apis() });
    assert.match(found[0] ?? "", /^warning API server: v1\.28\.9-eks-1 .*sidecars/);
  });

  it("without InferencePool fails, and without the other kinds does not", async () => {
    const { found } = await api({
      ...VERSION,
      ...apis({ "/apis/llm-d.ai/v1alpha2": ["inferenceobjectives"] }),
    });
    assert.deepEqual(found.slice(1), [
      "failure kinds: InferencePool (inference.networking.k8s.io/v1) is not installed",
      "ok kinds: InferenceObjective (llm-d.ai/v1alpha2); not installed, and not needed by all: " +
        "InferenceObjective (inference.networking.x-k8s.io/v1alpha2), " +
        "InferenceModelRewrite (inference.networking.x-k8s.io/v1alpha2), " +
        "InferenceModelRewrite (llm-d.ai/v1alpha2), InferenceModel (inference.networking.x-k8s.io/v1alpha2)",
    ]);
  });

  it("that serves a kind in another version alone has both named", async () => {
    const group = { versions: [{ version: "v1alpha2" }] };
    const { found } = await api({ ...VERSION, "/apis/inference.networking.k8s.io": group });
    assert.equal(
      found[1],
      "failure kinds: InferencePool (inference.networking.k8s.io/v1): " +
        "only v1alpha2 of inference.networking.k8s.io is served",
    );
  });
});

describe("permissions", () => {
  const REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const attributesOf = ({ body }: RequestOptions) =>
    (body as { spec: { resourceAttributes: Record<string, string | undefined> } }).spec.resourceAttributes;

  async function permissions(answers: Readonly<Record<string, Answer>>, ...flags: string[]) {
    const checks = new Checks("Kubernetes");
    await checkPermissions(checks, client(answers), settings(...flags), [{ namespace: "chat", name: "key" }]);
    return checks;
  }

  it("that are all granted are one line", async () => {
    const checks = await permissions({ [REVIEW]: () => ({ status: { allowed: true } }) });
    assert.match(words(checks).join(), /^ok permissions: all \d+ for who asks here$/);
  });

  it("that are missing are each named with what does not work without them", async () => {
    const refused = (options: RequestOptions) => {
      const { verb, resource } = attributesOf(options);
      return { status: { allowed: !(verb === "watch" && (resource === "pods" || resource === "secrets")) } };
    };
    const checks = await permissions({ [REVIEW]: refused }, "--namespace", "chat");
    assert.deepEqual(words(checks), [
      "failure permissions: who asks here may not watch pods in namespace chat: changes are seen only when all is listed again, every few seconds",
      "failure permissions: who asks here may not watch secrets key in namespace chat: changes are seen only when all is listed again, every few seconds",
    ]);
  });

  it("to write statuses are asked for with --parent, on the Lease in its own namespace", async () => {
    const asked: string[] = [];
    const note = (options: RequestOptions) => {
      const { verb, resource, subresource, namespace } = attributesOf(options);
      asked.push(
        [verb, subresource === undefined ? resource : `${resource}/${subresource}`, namespace].join(" "),
      );
      return { status: { allowed: true } };
    };
    await permissions({ [REVIEW]: note }, "--parent", "gateways/main");
    assert.ok(asked.includes("update leases gateways"), asked.join());
    assert.ok(asked.includes("patch inferencepools/status "), asked.join());
    asked.length = 0;
    await permissions({ [REVIEW]: note });
    assert.ok(!asked.some((question) => /lease|status/.test(question)), asked.join());
  });

  it("of the controller's account are asked for in its name", async () => {
    const users = new Set<unknown>();
    const note = ({ body }: RequestOptions) => {
      users.add((body as { spec: { user: string } }).spec.user);
      return { status: { allowed: true } };
    };
    const review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const checks = await permissions({ [review]: note }, "--service-account", "system/picker");
    assert.deepEqual([...users], ["system:serviceaccount:system:picker"]);
    assert.match(words(checks).join(), /for service account system\/picker$/);
  });

  it("that may not be asked for are a warning", async () => {
    const checks = await permissions({}, "--service-account", "system/picker");
    assert.equal(checks.list[0]?.status, "warning");
    assert.match(checks.list[0]?.remedy ?? "", /subjectaccessreviews/);
  });
});

describe("the Lease", () => {
  const PATH = "/apis/coordination.k8s.io/v1/namespaces/gateways/leases/inference-picker";
  const NOW_MS = Date.parse("2026-11-26T12:00:00Z");

  async function lease(answers: Readonly<Record<string, object>>, ...flags: string[]) {
    const checks = new Checks("Kubernetes");
    await checkLease(checks, client(answers), settings(...flags), NOW_MS);
    return words(checks).join();
  }

  function held(renewTime: string, holderIdentity = "pod-1") {
    return { [PATH]: { spec: { holderIdentity, renewTime, leaseDurationSeconds: 15 } } };
  }

  it("that is renewed names who writes", async () => {
    const found = await lease(held("2026-11-26T11:59:50.000000Z"), "--parent", "gateways/main");
    assert.equal(found, "ok lease: pod-1 holds gateways/inference-picker and writes statuses");
  });

  it("that nobody renews, holds or has made is warned of", async () => {
    const parent = ["--parent", "gateways/main"];
    assert.match(
      await lease(held("2026-11-26T11:58:00Z"), ...parent),
      /^warning lease: pod-1 has not renewed/,
    );
    assert.match(await lease(held("2026-11-26T11:59:50Z", ""), ...parent), /^warning lease: nobody holds/);
    assert.match(await lease({}, ...parent), /^warning lease: .*not found/);
  });

  it("is not looked at where no status is written", async () => {
    assert.match(await lease({}), /^skipped lease/);
  });
});
