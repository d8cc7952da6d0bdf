import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { type ApiClient, ApiError, type ApiObject } from "./api-client.ts";
import { type CrdSourceName, crdFiles } from "./programs/programs.ts";
import { until } from "./until.ts";

/** The definitions that this project brings: kinds whose own projects publish none that can be fetched. */
const OURS = fileURLToPath(new URL("../../deploy/crds/", import.meta.url));

export const WATCHED_CRDS: readonly CrdSourceName[] = ["inference-pool", "inference-objective"];

interface CrdSpec {
  readonly group: string;
  readonly names: { readonly plural: string };
  readonly versions: readonly { readonly name: string; readonly served: boolean }[];
}

/** Without sources: the kinds that the controller watches, with `deploy/crds/`. Resolves when all of them answer lists. */
export async function installCrds(admin: ApiClient, sources: readonly CrdSourceName[]): Promise<void> {
  const files =
    sources.length > 0
      ? sources.flatMap(crdFiles)
      : [...WATCHED_CRDS.flatMap(crdFiles), ...yamlFilesIn(OURS)];
  const applied = await Promise.all(files.flatMap((file) => crdsIn(file).map((crd) => admin.apply(crd))));
  await Promise.all(applied.map((crd) => untilServed(admin, crd.spec as CrdSpec)));
}

/** The definitions of a file, without other kinds of objects in it. */
export function crdsIn(file: string): readonly ApiObject[] {
  return parseAllDocuments(readFileSync(file, "utf8"))
    .map((document) => document.toJS() as ApiObject | null)
    .filter((object): object is ApiObject => object?.kind === "CustomResourceDefinition");
}

function yamlFilesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) throw new Error(`${folder} is missing`);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => join(folder, name));
}

async function untilServed(admin: ApiClient, { group, names, versions }: CrdSpec): Promise<void> {
  for (const { name } of versions.filter(({ served }) => served)) {
    const path = `/apis/${group}/${name}/${names.plural}`;
    await until(path, async () => {
      try {
        await admin.request("GET", path, { query: { limit: "1" } });
        return true;
      } catch (error) {
        // Not there yet, or there and its storage is not ready.
        if (error instanceof ApiError && (error.status === 404 || error.status === 503)) return false;
        throw error;
      }
    });
  }
}
