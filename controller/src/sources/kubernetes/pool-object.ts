import * as v from "valibot";
import type { FailureMode } from "../../model.ts";
import { checked, integer, show, word } from "../checked.ts";
import { formatPath, type Problems, refuseDuplicates } from "../problems.ts";
import { validated } from "../validated.ts";

const MAX_LABELS = 64;
/** Each port of a Pod is an endpoint. */
const MAX_PORTS = 8;

/** Which Pods are a pool's endpoints, and at which ports. */
export interface Selection {
  /** All must hold; at least one. */
  readonly labels: readonly (readonly [key: string, value: string])[];
  /** 1 to 8, unique, in the order of the object. */
  readonly ports: readonly number[];
}

export interface PickerReference {
  readonly name: string;
  readonly failureMode: FailureMode;
}

export interface PoolObjectSpec {
  readonly selection: Selection;
  readonly appProtocol: "http" | "kubernetes.io/h2c";
  /** Present: the pool asks for an endpoint picker of its own. */
  readonly pickerRef?: PickerReference;
}

const labels = checked<readonly (readonly [string, string])[]>((input) => {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    return { refused: `${show(input)} is not a mapping` };
  const entries = Object.entries(input);
  if (entries.length === 0) return { refused: "0 labels is below 1", bound: "1" };
  if (entries.length > MAX_LABELS)
    return { refused: `${entries.length} labels is above ${MAX_LABELS}`, bound: String(MAX_LABELS) };
  const wrong = entries.find(([, value]) => typeof value !== "string");
  if (wrong !== undefined) return { refused: `${show(wrong[1])} at ${show(wrong[0])} is not text` };
  return entries as readonly [string, string][];
});

/** More fields may be there: the CRD may be newer. */
const SPEC = v.object({
  selector: v.object({ matchLabels: labels }),
  targetPorts: v.array(v.object({ number: integer(1, 65535) })),
  appProtocol: v.optional(word("http", "kubernetes.io/h2c"), "http"),
  endpointPickerRef: v.optional(
    v.object({ name: v.string(), failureMode: v.optional(word("FailOpen", "FailClose"), "FailClose") }),
  ),
});

/** An InferencePool's spec; undefined after telling what is wrong with it. */
export function readPoolSpec(raw: unknown, tell: (message: string) => void): PoolObjectSpec | undefined {
  const found: string[] = [];
  const problems = problemsInto(found);
  const spec = validated(raw, { schema: SPEC, secretsIn: "a Secret", problems, at: ["spec"] });
  if (spec !== undefined) {
    const count = spec.targetPorts.length;
    const at = ["spec", "targetPorts"];
    if (count < 1 || count > MAX_PORTS) {
      const [relation, bound] = count < 1 ? ["below", 1] : ["above", MAX_PORTS];
      problems.add("CONFIG_RANGE", at, `${count} ports is ${relation} ${bound}`);
    }
    refuseDuplicates(
      spec.targetPorts.map(({ number }, index) => ({ key: String(number), path: [...at, index, "number"] })),
      problems,
    );
  }
  if (spec === undefined || found.length > 0) {
    tell(found.join("; "));
    return undefined;
  }
  return {
    selection: { labels: spec.selector.matchLabels, ports: spec.targetPorts.map(({ number }) => number) },
    appProtocol: spec.appProtocol,
    ...(spec.endpointPickerRef === undefined ? {} : { pickerRef: spec.endpointPickerRef }),
  };
}

/** Problems as lines of text, each with its path. */
export function problemsInto(found: string[]): Problems {
  return { add: (_code, path, message) => found.push(`${formatPath(path)}: ${message}`) };
}
