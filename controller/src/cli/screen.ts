/** Where a live picture is drawn: a terminal, or a double in tests. */
export interface Terminal {
  write(text: string): unknown;
}

/** Redraws its last lines in place; what is printed stands above them and stays. */
export class Screen {
  private readonly terminal: Terminal;
  private drawnLines = 0;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  /** Replaces the picture. A line must fit the terminal's width, all of them its height less one. */
  draw(lines: readonly string[]): void {
    this.terminal.write(`${this.erasure()}${lines.map((line) => `${line}\n`).join("")}`);
    this.drawnLines = lines.length;
  }

  /** Prints above the picture, which the next `draw` brings back. */
  print(text: string): void {
    this.terminal.write(`${this.erasure()}${text}\n`);
    this.drawnLines = 0;
  }

  /** Begins anew at the top: after a change of size nobody knows where the lines are. */
  clear(): void {
    this.terminal.write("\u001b[H\u001b[2J");
    this.drawnLines = 0;
  }

  private erasure(): string {
    return this.drawnLines === 0 ? "" : `\r\u001b[${this.drawnLines}A\u001b[J`;
  }
}
