import { PickContext } from "../pick_context";

/** Takes candidates out of the running: keeps, in order, those of `context.candidates` that may be picked. */
export abstract class Filter {
  abstract apply(context: PickContext): void;
}
