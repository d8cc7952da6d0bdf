import type { HeaderPair } from "../../emulator/host.ts";
import type { Dice } from "../dice.ts";

/** Names that the filter reads, sets or leaves to Envoy, and some that nobody knows. */
const NAMES = {
  request: [
    ...["x-gateway-destination-endpoint", "x-gateway-inference-objective", "x-gateway-model-name"],
    ...["x-gateway-model-name-rewrite", "x-inference-picker-pool", "x-envoy-max-retries", "content-encoding"],
    ...["content-type", "accept", "accept-encoding", "transfer-encoding", "te", "cookie", "x-request-id"],
    ...["authorization", "user-agent", "x-", "x-inference-picker-", "expect", "grpc-timeout"],
  ],
  response: [
    ...["content-encoding", "content-type", "x-envoy-upstream-service-time", "retry-after", "set-cookie"],
    ...[
      "transfer-encoding",
      "x-gateway-destination-endpoint",
      "x-inference-picker-pool",
      "server",
      "grpc-status",
    ],
  ],
} as const;
const VALUES = [
  ...["", " ", "0", "-1", "1", "18446744073709551616", "gzip", "identity", "gzip, br", "true", "default/a"],
  ...["10.0.0.1:8000", "10.0.0.1:8000,10.0.0.9:80", ",,,,", "[fd00::1]:8000", "[", "llama", "tuned", "batch"],
  ...["critical", "application/json", "chunked", "FailOpen", "*", "%00", "\\", '"', "'", "{}", "[]", "\t"],
];

/** A few headers of a request or an answer that nobody would send in good faith; rarely very many. */
export function hostileHeaders(dice: Dice, of: keyof typeof NAMES): readonly HeaderPair[] {
  const count = dice.percent(0.3) ? 200 + dice.below(200) : dice.length(3, 12);
  const headers: HeaderPair[] = [];
  for (let header = 0; header < count; header++) {
    const name = dice.percent(80) ? dice.pick(NAMES[of]) : hostileName(dice);
    const value = dice.percent(60) ? dice.pick(VALUES) : hostileText(dice);
    headers.push([name, value]);
    // The same name again: which one counts must be decided, not crash.
    if (dice.percent(10)) headers.push([name, dice.pick(VALUES)]);
  }
  return headers;
}

/** Bytes of a header's value as Envoy lets them through: no NUL, CR or LF, everything else. */
export function hostileText(dice: Dice): string {
  const length = dice.percent(0.5) ? dice.length(5_000, 60_000) : dice.length(12, 600);
  const flavour = dice.below(4);
  let text = "";
  for (let at = 0; at < length; at++) {
    if (flavour === 0) text += String.fromCharCode(0x20 + dice.below(0x5f));
    else if (flavour === 1) text += String.fromCharCode(0x80 + dice.below(0x80));
    else if (flavour === 2) text += dice.pick(['"', "\\", "{", ",", ";", "=", ":", "/", "\u0001", "\u00ff"]);
    else text += "a";
  }
  return text;
}

function hostileName(dice: Dice): string {
  const length = 1 + dice.length(8, 300);
  let name = "x-";
  for (let at = 0; at < length; at++) name += dice.pick(["a", "-", "_", "0", "z", "."]);
  return name;
}
