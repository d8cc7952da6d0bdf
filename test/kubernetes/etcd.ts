import type { ApiObject } from "./api-client.ts";

/**
 * Changes a custom resource where the API server keeps it, as nobody does who has one: such objects are JSON there, those of built-in
 * kinds are not.
 *
 * @param key e.g. `/registry/inference.networking.k8s.io/inferencepools/NAMESPACE/NAME`
 */
export async function editInEtcd(
  etcdUrl: string,
  key: string,
  edit: (object: ApiObject) => ApiObject,
): Promise<void> {
  const { kvs = [] } = await ask<{ readonly kvs?: readonly { readonly value: string }[] }>(
    `${etcdUrl}/v3/kv/range`,
    { key: base64(key) },
  );
  const [found] = kvs;
  if (found === undefined) throw new Error(`etcd has no ${key}`);
  const object = JSON.parse(Buffer.from(found.value, "base64").toString()) as ApiObject;
  await ask(`${etcdUrl}/v3/kv/put`, { key: base64(key), value: base64(JSON.stringify(edit(object))) });
}

async function ask<T>(url: string, body: object): Promise<T> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
