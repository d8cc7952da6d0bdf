import * as v from "valibot";
import { show, withheld } from "./checked.ts";
import type { Path, Problems } from "./problems.ts";

export interface Validation<Value> {
  readonly schema: v.GenericSchema<unknown, Value>;
  /** What is named in place of a secret, such as `a file or a variable`. */
  readonly secretsIn: string;
  readonly problems: Problems;
  /** Where the value stands; default: it is the whole. */
  readonly at?: Path;
}

/** A value read by a schema; undefined after adding a problem for each place at which it is not of it. */
export function validated<Value>(raw: unknown, validation: Validation<Value>): Value | undefined {
  const result = v.safeParse(validation.schema, raw);
  if (result.success) return result.output;
  for (const issue of result.issues) addIssue(issue, validation);
  return undefined;
}

function addIssue(issue: v.BaseIssue<unknown>, { secretsIn, problems, at = [] }: Validation<unknown>): void {
  const path: Path = [
    ...at,
    ...(issue.path ?? []).map((item) => {
      const { key } = item as { readonly key: unknown };
      return typeof key === "number" ? key : String(key);
    }),
  ];
  const secret = mayHoldSecret(path);
  const shown = secret ? withheld : show;
  const value = secret ? undefined : issue.input;
  const last = issue.path?.at(-1) as { readonly origin?: string } | undefined;
  if (last?.origin === "key" && issue.expected === "never") {
    const key = String(path.at(-1));
    const inline = SECRET_KEY.test(key);
    const hint = inline ? `; secrets are not written here, name ${secretsIn}` : "";
    problems.add("CONFIG_UNKNOWN_KEY", path, `is not a known key${hint}`, { value: key });
  } else if (last?.origin === "key") {
    problems.add("CONFIG_MISSING", path, "is missing", { bound: "required" });
  } else if (issue.kind === "schema") {
    const wanted = issue.expected === "Array" ? "a list" : "a mapping";
    problems.add("CONFIG_TYPE", path, `${shown(issue.input)} is not ${wanted}`, { value, bound: wanted });
  } else {
    const code = issue.expected === null ? "CONFIG_FORMAT" : "CONFIG_RANGE";
    problems.add(code, path, issue.message, { value, bound: issue.expected ?? undefined });
  }
}

/** Keys that look as if a secret, or its place, were written where it has none. */
const SECRET_KEY = /^(api_?key|token|bearer_?token|password|secret)(?:File|Env|Secret)?$/i;

/** Places where a secret is pasted by mistake; the schema withholds their values from its messages too. */
function mayHoldSecret(path: Path): boolean {
  return path.some((key) => /^(?:(?:apiKey|token)(?:Env|File|Secret)|tls)$/.test(String(key)));
}
