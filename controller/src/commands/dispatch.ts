import { type Command, type CommandContext, EXIT_USAGE } from "./command.ts";

/**
 * Runs the command that the first argument names; without a name, or with flags alone, `fallback`.
 * `--help` and `--version` in the place of a name are answered here; behind one, `--version` is.
 *
 * @returns the exit code: what the command gave, or 2 for a command that there is none of
 */
export async function dispatch(
  commands: readonly Command[],
  fallback: Command,
  version: string,
  context: CommandContext,
): Promise<number> {
  const [first, ...rest] = context.args;
  if (first === "--help" || first === "help") {
    context.stdout.write(usage(commands, fallback));
    return 0;
  }
  const isNamed = first !== undefined && !first.startsWith("-");
  const command = isNamed ? commands.find(({ name }) => name === first) : fallback;
  if (command === undefined) {
    context.stderr.write(`${JSON.stringify(first)} is no command\n\n${usage(commands, fallback)}`);
    return EXIT_USAGE;
  }
  const args = isNamed ? rest : context.args;
  if (args[0] === "--version") {
    context.stdout.write(`inference-picker ${version}\n`);
    return 0;
  }
  const run = await command.load();
  return run({ ...context, args });
}

function usage(commands: readonly Command[], fallback: Command): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map((command) => {
    const isDefault = command === fallback ? " (the default)" : "";
    return `  ${command.name.padEnd(width)}  ${command.summary}${isDefault}\n`;
  });
  return `inference-picker COMMAND [--flag value …]\n\n${lines.join("")}\nCOMMAND --help lists its flags; --version says the version.\n`;
}
