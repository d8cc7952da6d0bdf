import { Text } from "../abi/text";
import { PROFILE_EPP } from "../wire/layout";
import { PROFILE_LIST } from "../wire/profiles";

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
  const texts = new StaticArray<Text>(PROFILE_LIST.length * WAYS);
  for (let place = 0; place < PROFILE_LIST.length; place++) {
    const first = place * WAYS;
    const name = PROFILE_LIST[place];
    texts[first + SCORED] = new Text(name + ":scored");
    texts[first + TIED] = new Text(name + ":tied");
    texts[first + ONLY] = new Text(name + ":only");
    texts[first + BLIND] = new Text(name + ":blind");
  }
  return texts;
}
