/** What a server has answered, by model and API: the truth that accounts made elsewhere are held to. */
import { told, type Usage, type UsageReport } from "./usage.ts";

interface Tokens {
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
}

export interface TotalsRow extends Readonly<Tokens> {
  /** As the client named it; the base model's name where it named none. */
  readonly model: string;
  readonly api: string;
  /** Requests that the engine worked on: the whole and the cut ones. */
  readonly requests: number;
  readonly whole: number;
  /** Left by their clients, or cut by a fault. */
  readonly cut: number;
  /** Of whole answers that told their usage: how many, and the tokens that they told. */
  readonly told: Readonly<Tokens> & { readonly answers: number };
}

type Row = { -readonly [Key in keyof TotalsRow]: TotalsRow[Key] } & { told: Tokens & { answers: number } };

export class Totals {
  readonly #rows = new Map<string, Row>();

  /** @param usage tokens really computed; of a cut answer those up to its end */
  count(model: string, api: string, usage: Usage, report: UsageReport, whole: boolean): void {
    const row = this.#row(model, api);
    row.requests++;
    add(row, usage);
    if (!whole) {
      row.cut++;
      return;
    }
    row.whole++;
    const reported = told(usage, report);
    if (reported === undefined) return;
    row.told.answers++;
    add(row.told, reported);
  }

  rows(): readonly TotalsRow[] {
    return [...this.#rows.values()];
  }

  #row(model: string, api: string): Row {
    const key = `${api}\n${model}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const none = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
      row = { model, api, requests: 0, whole: 0, cut: 0, ...none, told: { answers: 0, ...none } };
      this.#rows.set(key, row);
    }
    return row;
  }
}

function add(to: Tokens, usage: Usage): void {
  to.promptTokens += usage.promptTokens;
  to.completionTokens += usage.completionTokens;
  to.cachedTokens += usage.cachedTokens;
}
