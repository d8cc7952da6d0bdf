/** Distinct messages that are remembered as said. */
const MAX_MESSAGES = 64;

/**
 * Errors of tables that cannot be built, which come again with every push: all are counted, and each distinct
 * message is said once.
 */
export class TableErrors {
  count = 0;
  private readonly said = new Set<string>();

  /** @returns whether the error is to be logged */
  add(error: Error): boolean {
    this.count += 1;
    if (this.said.has(error.message)) return false;
    this.said.add(error.message);
    if (this.said.size > MAX_MESSAGES) this.said.delete(this.said.values().next().value!);
    return true;
  }
}
