/** Finished runs in a folder, so that one that was interrupted goes on where it was. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pipeline } from "node:stream/promises";
import { PickerError } from "../../errors.ts";
import type { PolicyFigures } from "../replay/outcomes.ts";
import type { RunResult } from "./run.ts";
import type { RunSpec } from "./run-spec.ts";

const PATH = "--state";

/** What figures follow from besides a run's own settings. */
export interface RunOrigin {
  /** The bytes of core.wasm. */
  readonly core: Uint8Array;
  /** The recording; absent: traffic is generated. */
  readonly trace?: string | undefined;
}

export class RunStore {
  readonly #folder: string;
  readonly #origin: string;

  /** @param origin as {@link originHash} has it */
  private constructor(folder: string, origin: string) {
    this.#folder = folder;
    this.#origin = origin;
  }

  /** Makes the folder if need be. @throws PickerError if that cannot be, or if the trace cannot be read */
  static async open(folder: string, origin: RunOrigin): Promise<RunStore> {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw unusable(folder, cause);
    }
    return new RunStore(folder, await originHash(origin));
  }

  /** Undefined: it has not been carried out by this program on this trace, or was written in part only. */
  load(spec: RunSpec): RunResult | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file(spec), "utf8");
    } catch {
      return undefined;
    }
    return revived(text);
  }

  /** @throws PickerError for a folder that takes no files */
  save(spec: RunSpec, result: RunResult): void {
    const file = this.#file(spec);
    try {
      // Whoever is killed here leaves no half a result.
      writeFileSync(`${file}.part`, JSON.stringify({ spec, result }));
      renameSync(`${file}.part`, file);
    } catch (cause) {
      throw unusable(this.#folder, cause);
    }
  }

  #file(spec: RunSpec): string {
    const { file: _, ...window } = spec.window;
    // Where a recording lies does not matter; its contents are in the origin.
    const key = sha256(JSON.stringify([this.#origin, { ...spec, window }]));
    return join(this.#folder, `${spec.policy}-${key.slice(0, 32)}.json`);
  }
}

/** Figures that no request gave are NaN, which JSON has no word for. */
function revived(text: string): RunResult | undefined {
  try {
    const { result } = JSON.parse(text) as { readonly result: RunResult };
    const figures = Object.entries(result.figures).map(([name, value]) => [name, value ?? Number.NaN]);
    const durationMs = result.summary.durationMs ?? Number.NaN;
    return {
      ...result,
      figures: Object.fromEntries(figures) as PolicyFigures,
      summary: { ...result.summary, durationMs },
    };
  } catch {
    return undefined;
  }
}

/** Of the code, the core and the trace. @throws PickerError for a trace that cannot be read */
async function originHash({ core, trace }: RunOrigin): Promise<string> {
  const hash = createHash("sha256");
  hash.update(codeHash()).update(sha256(core));
  if (trace !== undefined) {
    const content = createHash("sha256");
    try {
      await pipeline(createReadStream(trace), content);
    } catch (cause) {
      throw new PickerError("CONFIG_REFERENCE", `${JSON.stringify(trace)} cannot be read`, {
        path: "--trace",
        value: trace,
        cause,
      });
    }
    hash.update(content.digest());
  }
  return hash.digest("hex");
}

/**
 * Of this program: in the bundle this module's file, whose names of other files are hashes of theirs; from
 * the sources all of the controller's.
 */
function codeHash(): string {
  const file = fileURLToPath(import.meta.url);
  if (!file.endsWith(".ts")) return sha256(readFileSync(file));
  const folder = dirname(dirname(dirname(file)));
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const sources = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  return sha256(sources.map((name) => readFileSync(join(folder, name), "utf8")).join("\0"));
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function unusable(folder: string, cause: unknown): PickerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PickerError("CONFIG_REFERENCE", `${JSON.stringify(folder)} takes no files: ${reason}`, {
    path: PATH,
    value: folder,
    cause,
  });
}
