import { PickContext } from "../pick_context";
import { Profile } from "./profile";

/** Every ready endpoint alike. */
export class Random extends Profile {
  get prefersFewerInFlight(): bool {
    return false;
  }

  rank(context: PickContext): void {
    context.clearScores();
  }
}
