import { type AnyCampaign, Campaign } from "../campaign.ts";
import type { Coverage } from "../coverage.ts";
import { eventStreams, jsonAnswers } from "./answers.ts";
import { Bodies } from "./bodies.ts";
import { Forms } from "./forms.ts";
import { Requests } from "./requests.ts";

/** A campaign, and how many cases of it are run for each of the N that were asked for. */
export interface Share {
  readonly campaign: AnyCampaign;
  readonly share: number;
}

/** Everything that is fuzzed; `coverage` is told what the bodies met. */
export function allCampaigns(seed: number, coverage: Coverage): readonly Share[] {
  return [
    { campaign: new Campaign(new Bodies(coverage), seed, 0), share: 1 },
    { campaign: new Campaign(new Forms(), seed, 1), share: 0.1 },
    { campaign: new Campaign(eventStreams(), seed, 2), share: 1 },
    { campaign: new Campaign(jsonAnswers(), seed, 3), share: 0.1 },
    { campaign: new Campaign(new Requests(seed), seed, 4), share: 1 },
  ];
}
