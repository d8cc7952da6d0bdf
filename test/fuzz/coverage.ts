import * as STATES from "../../assembly/core/body/scan_states.ts";
import { BYTE_CLASSES, CLASS_OF } from "./byte-classes.ts";

const CLASSES = BYTE_CLASSES.length;
const STATE_NAMES = stateNames();

/** State → its name in `scan_states.ts`. */
function stateNames(): readonly string[] {
  const names: string[] = [];
  for (const [name, value] of Object.entries(STATES)) {
    if (name !== "STATE_COUNT") names[value] = name.slice("STATE_".length);
  }
  return names;
}

/** How often a byte of each class met the JSON scanner in each of its states. */
export class Coverage {
  /** At state × CLASSES + class. */
  readonly hits: Float64Array;

  constructor(hits: Float64Array = new Float64Array(STATES.STATE_COUNT * CLASSES)) {
    this.hits = hits;
  }

  hit(state: number, byte: number): void {
    const at = state * CLASSES + CLASS_OF[byte]!;
    this.hits[at] = this.hits[at]! + 1;
  }

  add(other: Coverage): void {
    other.hits.forEach((hits, at) => {
      this.hits[at] = this.hits[at]! + hits;
    });
  }

  get possible(): number {
    return this.hits.length;
  }

  get hitCount(): number {
    return this.hits.reduce((sum, hits) => sum + (hits > 0 ? 1 : 0), 0);
  }

  /** `STATE class` of each transition that was never taken. */
  missing(): readonly string[] {
    return [...this.hits.keys()].filter((at) => this.hits[at] === 0).map(nameOf);
  }

  /** One line a state: how often each class of bytes came there. */
  table(): string {
    const lines = STATE_NAMES.map((name, state) => {
      const row = this.hits.subarray(state * CLASSES, (state + 1) * CLASSES);
      return [name, ...row].join("\t");
    });
    return `${[["state", ...BYTE_CLASSES.map(({ name }) => name)].join("\t"), ...lines].join("\n")}\n`;
  }
}

function nameOf(at: number): string {
  return `${STATE_NAMES[Math.floor(at / CLASSES)]} ${BYTE_CLASSES[at % CLASSES]!.name}`;
}
