// Written by generate.mjs from the list in assembly/wire/profiles.ts.
import { Epp } from "./epp";
import { LeastRequest } from "./least_request";
import { NetGoodput } from "./net_goodput";
import { Profile } from "./profile";
import { Random } from "./random";
import { RoundRobin } from "./round_robin";
import { Weighted } from "./weighted";

/** One of each, at its number less 1. */
export function allProfiles(): StaticArray<Profile> {
  const profiles = new StaticArray<Profile>(6);
  profiles[0] = new Epp();
  profiles[1] = new LeastRequest();
  profiles[2] = new RoundRobin();
  profiles[3] = new Random();
  profiles[4] = new Weighted();
  profiles[5] = new NetGoodput();
  return profiles;
}
