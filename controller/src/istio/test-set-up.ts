import { parseSetUp } from "./flags.ts";
import type { SetUp, SetUpKind } from "./set-up.ts";

/** Seconds since 1970 at which the tests' set-ups are generated. */
export const NOW_S = 1_795_000_000;

/** Flags that are enough for any set-up, with `more` in the place of the same ones. */
export function flagsOf(kind: SetUpKind, more: Readonly<Record<string, string>> = {}): readonly string[] {
  const flags = {
    setup: kind,
    namespace: "gateways",
    "gateway-labels": "istio=ingress,tier=edge",
    controller: "picker.system.svc:18000",
    "wasm-url": "file:///opt/picker.wasm",
    pools: kind === "inferencepool" ? "demo/llama" : "demo/llama:vllm:8000",
    ...more,
  };
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
}

export function setUpOf(kind: SetUpKind, more: Readonly<Record<string, string>> = {}): SetUp {
  return parseSetUp(flagsOf(kind, more), NOW_S);
}
