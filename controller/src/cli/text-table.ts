export interface Column {
  readonly title: string;
  /** Figures stand right. */
  readonly right?: boolean;
  /** Characters at least, so that columns of changing figures stand still. */
  readonly least?: number;
  /** The higher, the sooner left out where the width does not suffice; absent: never. */
  readonly dispensable?: number;
}

const GAP = "  ";
/** The first column gives way first, down to this. */
const LEAST_FIRST_CHARACTERS = 16;

/** Lines of text in columns as wide as their content. The first column is the name of the row. */
export class TextTable {
  private readonly columns: readonly Column[];
  private readonly rows: (readonly string[])[] = [];

  constructor(columns: readonly Column[]) {
    this.columns = columns;
  }

  /** One cell for each column. */
  add(cells: readonly string[]): void {
    this.rows.push(cells.map(plain));
  }

  /** The heads and the rows, each at most `width` characters. */
  lines(width: number): readonly string[] {
    const widths = this.columns.map(({ title, least = 0 }, i) =>
      this.rows.reduce((widest, row) => Math.max(widest, row[i]!.length), Math.max(title.length, least)),
    );
    const kept = this.columns.map((_, i) => i);
    const total = () => kept.reduce((sum, i) => sum + widths[i]! + GAP.length, -GAP.length);
    const shrinkFirst = () => {
      const least = Math.min(widths[0]!, LEAST_FIRST_CHARACTERS);
      if (total() > width) widths[0] = Math.max(least, widths[0]! - (total() - width));
    };
    const natural = widths[0]!;
    shrinkFirst();
    while (total() > width) {
      const rank = (i: number) => this.columns[i]!.dispensable ?? 0;
      const next = kept.reduce((best, i) => (rank(i) > rank(best) ? i : best), 0);
      if (rank(next) === 0) break;
      kept.splice(kept.indexOf(next), 1);
      widths[0] = natural;
      shrinkFirst();
    }
    const line = (cells: readonly string[]) =>
      cut(
        kept
          .map((i) => {
            const cell = cut(cells[i]!, widths[i]!);
            return this.columns[i]!.right ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
          })
          .join(GAP)
          .trimEnd(),
        width,
      );
    return [line(this.columns.map(({ title }) => title)), ...this.rows.map(line)];
  }
}

/** `text`, or its beginning and `…` where it is longer than `width` ≥ 1 characters. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Names come from files of the user's: none may steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}
