import type { BuildContext, Path, Problems, SecretKeys } from "./problems.ts";
import { secretFault } from "./problems.ts";

export interface SecretFiles {
  readonly problems: Problems;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly absolute: (path: string) => string;
  /** Throws if the file cannot be read. */
  readonly readText: (path: string) => string;
}

/**
 * Secrets from files and variables, never from the pools file itself. No message names the file or the
 * variable: whoever pastes the secret in its place must not find it in a log.
 */
export function fileSecrets(files: SecretFiles): BuildContext["secretOf"] {
  const { problems, env } = files;
  return (holder: SecretKeys, key, path) => {
    const file = holder[`${key}File`];
    const variable = holder[`${key}Env`];
    if (file !== undefined && variable !== undefined) {
      problems.add("CONFIG_CONFLICT", [...path, `${key}Env`], `${key}File is given too`, {
        bound: `${key}File or ${key}Env`,
      });
      return undefined;
    }
    if (file !== undefined) return readSecret(file, [...path, `${key}File`], files);
    if (variable === undefined) return undefined;
    const secret = env[variable];
    const fault = secret === undefined ? "is not set" : secretFault(secret);
    if (fault === undefined) return secret;
    problems.add("CONFIG_SECRET", [...path, `${key}Env`], `the variable that it names ${fault}`);
    return undefined;
  };
}

function readSecret(
  file: string,
  path: Path,
  { problems, absolute, readText }: SecretFiles,
): string | undefined {
  let content: string;
  try {
    content = readText(absolute(file));
  } catch (cause) {
    // The system's message has the path in it.
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    problems.add("CONFIG_SECRET", path, `the file that it names cannot be read${code}`);
    return undefined;
  }
  const secret = content.replace(/\r?\n$/, "");
  if (secretFault(secret) === undefined) return secret;
  problems.add("CONFIG_SECRET", path, `the secret in the file that it names ${secretFault(secret)}`);
  return undefined;
}
