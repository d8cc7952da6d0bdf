/** What a command has of the process that runs it. */
export interface CommandContext {
  /** Behind the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls back at each SIGINT and SIGTERM; without it they end the process. */
  readonly onSignal: (callback: (signal: NodeJS.Signals) => void) => void;
}

export interface Output {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  /** Characters in a line of the terminal. */
  readonly columns?: number | undefined;
}

/** Runs to its end and gives the process's exit code. */
export type Run = (context: CommandContext) => Promise<number>;

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Loads what the command needs, and nothing of the others. */
  readonly load: () => Promise<Run>;
}

/** The arguments, flags or environment are wrong. */
export const EXIT_USAGE = 2;
