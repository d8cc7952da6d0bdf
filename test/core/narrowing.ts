import type { Core } from "./core.ts";

/** What narrows a request's endpoints, as `assembly/core/exports/narrowing.ts` takes it. */
export interface Narrowing {
  /** The subset hint. */
  readonly subset?: string;
  /** The class header's value; "": it is missing. */
  readonly classValue?: string;
  readonly session?: string;
  readonly promptTokens?: number;
}

interface NarrowingExports {
  setSubset(ptr: number, bytes: number): void;
  setClass(pool: number, ptr: number, bytes: number): void;
  setSession(ptr: number, bytes: number): void;
  sessionOf(row: number, ptr: number): void;
}

const TOKEN_BYTES = 16;

function exportsOf(core: Core): NarrowingExports {
  return core.exports as unknown as NarrowingExports;
}

/** The addresses picked for such a request, best first. */
export function pickNarrowed(core: Core, pool: number, narrowing: Narrowing): readonly string[] {
  const { exports } = core;
  const more = exportsOf(core);
  const blocks: number[] = [];
  const put = (text: string): [ptr: number, bytes: number] => {
    const bytes = Buffer.from(text);
    const ptr = exports.allocate(Math.max(bytes.length, 1));
    blocks.push(ptr);
    new Uint8Array(exports.memory.buffer).set(bytes, ptr);
    return [ptr, bytes.length];
  };
  exports.setRequest(put("")[0], 0, 0, 0);
  if (narrowing.subset !== undefined) more.setSubset(...put(narrowing.subset));
  if (narrowing.classValue !== undefined) more.setClass(pool, ...put(narrowing.classValue));
  if (narrowing.session !== undefined) more.setSession(...put(narrowing.session));
  exports.setPromptTokens(narrowing.promptTokens ?? 0);
  const picked = core.pickedRows(exports.pick(pool)).map((row) => core.address(row));
  for (const block of blocks) exports.release(block);
  return picked;
}

/** The session token of an endpoint. */
export function tokenOf(core: Core, address: string): string {
  const ptr = core.exports.allocate(TOKEN_BYTES);
  exportsOf(core).sessionOf(core.rowOf(address), ptr);
  const token = Buffer.from(core.exports.memory.buffer, ptr, TOKEN_BYTES).toString("latin1");
  core.exports.release(ptr);
  return token;
}
