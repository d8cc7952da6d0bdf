const WITHIN_MS = 30_000;
const POLL_MS = 20;

/**
 * Waits until `holds` gives something else than false or undefined, and returns it.
 *
 * @throws Error after `withinMs` (default 30 s), and whatever `holds` throws
 */
export async function until<T>(
  what: string,
  holds: () => Promise<T | false | undefined> | T | false | undefined,
  withinMs = WITHIN_MS,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await holds();
    if (found !== false && found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
