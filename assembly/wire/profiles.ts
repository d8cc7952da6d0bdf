/**
 * The profiles, by the names that settings use. The place is the number that tables hold, counted from 1, so that
 * names are only ever appended. `assembly/core/profiles/registry.ts` is generated from this list.
 */
export const PROFILE_LIST: string[] = [
  "epp", // 1
  "least-request", // 2
  "round-robin", // 3
  "random", // 4
  "weighted", // 5
  "net-goodput", // 6
  "marginal-cost", // 7
  "lmetric", // 8
  "sticky", // 9
];

/** PROFILE_* number of the profile; 0 if there is none of this name. */
export function profileNumber(name: string): u32 {
  return PROFILE_LIST.indexOf(name) + 1;
}
