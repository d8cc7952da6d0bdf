// Written by generate.mjs from the list in assembly/wire/profiles.ts.
import { Epp } from "./epp";
import { LeastRequest } from "./least_request";
import { Lmetric } from "./lmetric";
import { MarginalCost } from "./marginal_cost";
import { NetGoodput } from "./net_goodput";
import { Profile } from "./profile";
import { Random } from "./random";
import { RoundRobin } from "./round_robin";
import { Sticky } from "./sticky";
import { Weighted } from "./weighted";

/** One of each, at its number less 1. */
export function allProfiles(): StaticArray<Profile> {
  const profiles = new StaticArray<Profile>(9);
  profiles[0] = new Epp();
  profiles[1] = new LeastRequest();
  profiles[2] = new RoundRobin();
  profiles[3] = new Random();
  profiles[4] = new Weighted();
  profiles[5] = new NetGoodput();
  profiles[6] = new MarginalCost();
  profiles[7] = new Lmetric();
  profiles[8] = new Sticky();
  return profiles;
}
