import { PickerError } from "../errors.ts";
import { parseSetUp, setUpHelp } from "../istio/flags.ts";
import { generate, manifestsYaml } from "../istio/generate.ts";
import { type CommandContext, EXIT_USAGE } from "./command.ts";

const USAGE = `inference-picker istio generate

Prints the objects by which a gateway of Istio's picks, as YAML to apply.

`;

/** `istio generate`; 0: printed, 2: wrong flags. */
export async function runIstio(context: CommandContext): Promise<number> {
  const { args, stdout, stderr } = context;
  const [word, ...flags] = args;
  if (args.includes("--help")) {
    stdout.write(USAGE + setUpHelp());
    return 0;
  }
  if (word !== "generate") {
    stderr.write(`istio ${JSON.stringify(word ?? "")} is no command; there is: istio generate\n`);
    return EXIT_USAGE;
  }
  try {
    stdout.write(manifestsYaml(generate(parseSetUp(flags, Date.now() / 1000))));
    return 0;
  } catch (error) {
    if (!(error instanceof PickerError)) throw error;
    stderr.write(`${error.message}\n`);
    return EXIT_USAGE;
  }
}
