/**
 * Writes the chart's manifests for those who do without Helm, one file a shape, or compares them with what is there.
 *
 *   node --import tsx deploy/manifests/generate.ts HELM [--check]
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, stringify } from "yaml";

const CHART = fileURLToPath(new URL("../chart/inference-picker", import.meta.url));
const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const RELEASE = "inference-picker";

/** The manifests' files, and the values that differ from the chart's defaults. */
export const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  "controller.yaml": ["shape=controller"],
  "gateway.yaml": ["shape=gateway"],
};

/** @param helm path of the program; @throws what it says where the chart or a value is wrong. */
export function render(helm: string, values: readonly string[]): string {
  const set = values.flatMap((value) => ["--set", value]);
  return execFileSync(helm, ["template", RELEASE, CHART, "--namespace", RELEASE, ...set], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A manifest's text: the namespace, then the chart's objects without what Helm alone goes by. */
export function manifest(helm: string, values: readonly string[]): string {
  const rendered = parseAllDocuments(render(helm, values));
  const objects = rendered.map((document) => document.toJS() as unknown).filter((value) => value !== null);
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: RELEASE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  };
  const texts = [namespace, ...objects.map(withoutHelm)].map((object) =>
    stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 }),
  );
  return `# Made by deploy/manifests/generate.ts from the chart with ${values.join(", ")}.\n${texts.join("---\n")}`;
}

function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, text]) => key !== "helm.sh/chart" && !(key === "app.kubernetes.io/managed-by" && text === "Helm"),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutHelm(inner)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [helm, mode] = process.argv.slice(2);
  if (helm === undefined) throw new Error("the path of helm is missing");
  for (const [file, values] of Object.entries(VARIANTS)) {
    const text = manifest(helm, values);
    if (mode !== "--check") writeFileSync(`${FOLDER}/${file}`, text);
    else if (readFileSync(`${FOLDER}/${file}`, "utf8") !== text) throw new Error(`${file} is not current`);
  }
}
