import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AccessQuestion, accessQuestions, PERMISSIONS } from "./permissions.ts";

const READER = { writesStatus: false, readsServices: false, leaseNamespace: "system" };
const WRITER = { ...READER, writesStatus: true };

function words({ verb, resource, subresource, namespace, name }: AccessQuestion): string {
  return [verb, subresource === undefined ? resource : `${resource}/${subresource}`, namespace, name]
    .filter((word) => word !== undefined)
    .join(" ");
}

describe("the permissions", () => {
  it("of a controller that writes no status only read", () => {
    const verbs = new Set(accessQuestions(READER).map(({ verb }) => verb));
    assert.deepEqual([...verbs].sort(), ["list", "watch"]);
  });

  it("ask for no Services and no Secrets unless they are needed", () => {
    const without = accessQuestions(WRITER).map(({ resource }) => resource);
    assert.ok(!without.includes("services") && !without.includes("secrets"));
    const services = accessQuestions({ ...READER, readsServices: true }).filter(
      ({ resource }) => resource === "services",
    );
    assert.deepEqual(services.map(words), ["list services", "watch services"]);
  });

  it("ask for each Secret by its name in its own namespace", () => {
    const asked = accessQuestions(READER, [{ namespace: "chat", name: "key" }]);
    assert.deepEqual(asked.filter(({ resource }) => resource === "secrets").map(words), [
      "list secrets chat key",
      "watch secrets chat key",
    ]);
  });

  it("stay in the namespace that is watched, but for the Lease's", () => {
    const asked = accessQuestions({ ...WRITER, namespace: "chat" });
    for (const { resource, namespace } of asked) {
      assert.equal(namespace, resource === "leases" ? "system" : "chat", resource);
    }
  });

  it("say that nothing is served without the kinds that every inventory waits for, and what alone is lost of others", () => {
    const lost = (resource: string, verb: string): readonly string[] =>
      accessQuestions(READER)
        .filter((asked) => asked.resource === resource && asked.verb === verb)
        .map(({ without }) => without);
    for (const resource of ["inferencepools", "pods"])
      assert.match(lost(resource, "list").join(), /^no pool is served/, resource);
    for (const resource of ["inferenceobjectives", "inferencemodelrewrites", "inferencemodels"])
      assert.doesNotMatch(lost(resource, "list").join(), /no pool is served/, resource);
    // A kind that may be listed but not watched is listed again and again.
    for (const resource of ["inferencepools", "pods", "inferencemodels"])
      assert.match(lost(resource, "watch").join(), /listed again/, resource);
  });

  it("name each verb on a resource once, and none that deletes", () => {
    const all = PERMISSIONS.flatMap(({ group, resource, subresource, verbs }) =>
      verbs.map((verb) => [group, resource, subresource, verb].join(" ")),
    );
    assert.equal(new Set(all).size, all.length);
    assert.ok(all.every((rule) => !rule.includes("delete")));
  });
});
