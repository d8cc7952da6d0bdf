import type { ErrorCode } from "../errors.ts";
import { show } from "./checked.ts";

/** A place in the file, such as `["pools", 0, "scrape", "interval"]`. */
export type Path = readonly (string | number)[];

/** Collects what is wrong, so that one attempt names everything. */
export interface Problems {
  add(
    code: ErrorCode,
    path: Path,
    message: string,
    detail?: { value?: unknown; bound?: unknown; cause?: unknown },
  ): void;
}

/** A Secret of the pool's namespace, and the key in it. */
export interface SecretReference {
  readonly name: string;
  readonly key: string;
}

/** Where a mapping says that its secrets are; which of the keys there are depends on the source. */
export interface SecretKeys {
  readonly apiKeyFile?: string | undefined;
  readonly apiKeyEnv?: string | undefined;
  readonly apiKeySecret?: SecretReference | undefined;
  readonly tokenFile?: string | undefined;
  readonly tokenEnv?: string | undefined;
  readonly tokenSecret?: SecretReference | undefined;
}

export interface BuildContext {
  readonly problems: Problems;
  /** Of a file that TLS needs. */
  readonly absolute: (path: string) => string;
  /**
   * The secret that a mapping names, if it names one; undefined too after adding a problem. The value never enters
   * a message.
   *
   * @param path the mapping's
   */
  readonly secretOf: (holder: SecretKeys, key: "apiKey" | "token", path: Path) => string | undefined;
}

const MAX_SECRET_BYTES = 16 * 1024;

/** `pools[0].scrape.interval`; the empty path is `file`. */
export function formatPath(path: Path): string {
  const text = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
  return text === "" ? "file" : text.replace(/^\./, "");
}

/** Adds a problem for each key that an earlier place has, naming both places. */
export function refuseDuplicates(
  places: readonly { readonly key: string; readonly path: Path }[],
  problems: Problems,
): void {
  const first = new Map<string, Path>();
  for (const { key, path } of places) {
    const before = first.get(key);
    if (before === undefined) first.set(key, path);
    else if (formatPath(before) !== formatPath(path)) {
      problems.add("CONFIG_DUPLICATE", path, `${show(key)} is also ${formatPath(before)}`, {
        value: key,
        bound: formatPath(before),
      });
    }
  }
}

/** What keeps a secret out of a header's value; undefined if nothing does. */
export function secretFault(secret: string): string | undefined {
  if (secret === "") return "is empty";
  if (Buffer.byteLength(secret) > MAX_SECRET_BYTES) return `is longer than ${MAX_SECRET_BYTES} bytes`;
  return /^[\x21-\x7e]+$/.test(secret) ? undefined : "holds a character that a header cannot carry";
}
