import { Settings } from "./settings";

/** One configuration of the filter in a VM. */
export class Root {
  /** Ticks of the active root as this one, waiting, saw them last. */
  seenTicks: u32 = 0;
  /** Own ticks in a row between which the active root did not tick. */
  missed: i32 = 0;
  /** Its tick was slowed, since another root is the active one. */
  slowed: bool = false;

  constructor(
    readonly id: u32,
    readonly settings: Settings,
  ) {}
}

/** The root contexts that live in a VM, each with its own settings. */
export class Roots {
  private readonly byId: Map<u32, Root> = new Map<u32, Root>();

  put(root: Root): void {
    this.byId.set(root.id, root);
  }

  /** Null for one that is unknown or gone. */
  find(id: u32): Root | null {
    return this.byId.has(id) ? this.byId.get(id) : null;
  }

  /** False if there was none. */
  remove(id: u32): bool {
    return this.byId.delete(id);
  }

  /** The one of the highest generation; of equal ones the newest, which has the highest context id. */
  best(): Root | null {
    const all = this.byId.values();
    let best: Root | null = null;
    for (let i = 0; i < all.length; i++) {
      const root = all[i];
      if (
        best == null ||
        root.settings.generation > best.settings.generation ||
        (root.settings.generation == best.settings.generation && root.id > best.id)
      )
        best = root;
    }
    return best;
  }
}
