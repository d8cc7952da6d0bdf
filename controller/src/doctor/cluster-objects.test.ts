import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KubernetesClient, RequestOptions } from "../kubernetes/client.ts";
import { KubernetesError } from "../kubernetes/kubernetes-error.ts";
import { listObjects, readSecrets } from "./cluster-objects.ts";

function client(answer: (options: RequestOptions) => unknown): KubernetesClient {
  return {
    namespace: "default",
    server: "https://api",
    request: async <T>(options: RequestOptions) => answer(options) as T,
    stream: () => assert.fail("watches"),
    close: async () => {},
  };
}

function raw(name: string, more: object = {}) {
  return { metadata: { name, namespace: "llm", uid: name, resourceVersion: "1" }, ...more };
}

function notFound({ path }: RequestOptions): never {
  throw new KubernetesError(404, "NotFound", `${path}: not found`);
}

const ALL = { namespace: undefined, istio: false, timeoutMs: 100 };

describe("the objects of a cluster", () => {
  it("come page by page", async () => {
    const tokens: (string | undefined)[] = [];
    const { objects, failures } = await listObjects(
      client((options) => {
        if (!options.path.endsWith("/pods")) return notFound(options);
        tokens.push(options.query?.continue);
        const isLast = tokens.length === 3;
        return {
          items: [raw(`pod-${tokens.length}`)],
          metadata: isLast ? {} : { continue: String(tokens.length) },
        };
      }),
      ALL,
    );
    assert.deepEqual(tokens, [undefined, "1", "2"]);
    assert.deepEqual(
      objects.pods.map(({ meta }) => meta.name),
      ["pod-1", "pod-2", "pod-3"],
    );
    assert.deepEqual(failures, []);
  });

  it("of a kind that may not be listed are told as such, and the others are there", async () => {
    const { objects, failures } = await listObjects(
      client((options) => {
        if (options.path.endsWith("/pods")) throw new KubernetesError(403, "Forbidden", "pods is forbidden");
        return options.path.endsWith("/inferencepools")
          ? { items: [raw("chat", { spec: {} })] }
          : notFound(options);
      }),
      ALL,
    );
    assert.equal(objects.pools.length, 1);
    assert.deepEqual(
      failures.map(({ kind }) => kind.name),
      ["Pod"],
    );
  });

  it("are those of the one namespace, and Services only for Istio", async () => {
    const paths: string[] = [];
    const note = client(({ path }) => {
      paths.push(path);
      return { items: [] };
    });
    await listObjects(note, { ...ALL, namespace: "llm" });
    assert.ok(
      paths.every((path) => path.includes("/namespaces/llm/")),
      paths.join(),
    );
    assert.ok(!paths.some((path) => path.endsWith("/services")));
    await listObjects(note, { ...ALL, istio: true });
    assert.ok(paths.includes("/api/v1/services"));
  });
});

describe("the Secrets that pools name", () => {
  it("are asked for one by one, and those that may not be read are left out", async () => {
    const found = await readSecrets(
      client(({ path, query }) => {
        if (path.includes("/closed/")) throw new KubernetesError(403, "Forbidden", "secrets is forbidden");
        assert.equal(query?.fieldSelector, "metadata.name=key");
        return { items: [raw("key", { data: { token: Buffer.from("x").toString("base64") } })] };
      }),
      [
        { namespace: "llm", name: "key" },
        { namespace: "closed", name: "key" },
      ],
      100,
    );
    assert.deepEqual(
      found.map(({ meta }) => meta.name),
      ["key"],
    );
  });
});
