/** The text of the registry of these profiles, whose files are in `folder`. */
export function registryOf(names: readonly string[], folder: string): string;

/** Writes the registry below this `assembly` folder where it is not as the list has it. */
export function generate(assembly: string): Promise<void>;
