import { Text } from "../abi/text";
import {
  PROFILE_EPP,
  PROFILE_LEAST_REQUEST,
  PROFILE_RANDOM,
  PROFILE_ROUND_ROBIN,
  PROFILE_WEIGHTED,
} from "../wire/layout";

const SCORED: i32 = 0;
const TIED: i32 = 1;
const ONLY: i32 = 2;
const BLIND: i32 = 3;
const WAYS: i32 = 4;

/**
 * How a pick came about, for access logs: `<profile>:<way>`. Ways: `only` (one endpoint was ready), `blind` (no
 * endpoint had a fresh measurement), `tied` (another one scored the same), `scored`.
 */
export class PickReasons {
  private readonly texts: StaticArray<Text> = allTexts();

  /** Of a pick under PROFILE_*, among so many candidates; `saturation` below 0: nothing is measured. */
  of(profile: u32, candidates: i32, tied: bool, saturation: f32): Text {
    const way = candidates == 1 ? ONLY : saturation < 0 ? BLIND : tied ? TIED : SCORED;
    return this.texts[<i32>(profile - PROFILE_EPP) * WAYS + way];
  }
}

function allTexts(): StaticArray<Text> {
  const texts = new StaticArray<Text>(<i32>(PROFILE_WEIGHTED - PROFILE_EPP + 1) * WAYS);
  for (let profile = PROFILE_EPP; profile <= PROFILE_WEIGHTED; profile++) {
    const first = <i32>(profile - PROFILE_EPP) * WAYS;
    const name = nameOf(profile);
    texts[first + SCORED] = new Text(name + ":scored");
    texts[first + TIED] = new Text(name + ":tied");
    texts[first + ONLY] = new Text(name + ":only");
    texts[first + BLIND] = new Text(name + ":blind");
  }
  return texts;
}

/** As the pools file spells it. */
function nameOf(profile: u32): string {
  if (profile == PROFILE_LEAST_REQUEST) return "least-request";
  if (profile == PROFILE_ROUND_ROBIN) return "round-robin";
  if (profile == PROFILE_RANDOM) return "random";
  return profile == PROFILE_WEIGHTED ? "weighted" : "epp";
}
