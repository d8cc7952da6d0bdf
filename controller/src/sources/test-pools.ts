import assert from "node:assert/strict";
import { PickerError } from "../errors.ts";
import type { Inventory, PoolSpec } from "../model.ts";
import { parsePools } from "./pools-parse.ts";

const files: Readonly<Record<string, string>> = {
  "/etc/picker/key": "from-file\n",
  "/etc/picker/empty": "\n",
};

/** The file's text, beside which are the secret files `key` and `empty`. */
export function parse(source: string, env: Readonly<Record<string, string>> = {}): Inventory {
  return parsePools(source, {
    path: "/etc/picker/pools.yaml",
    env,
    readText: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error("ENOENT");
      return text;
    },
  });
}

/** The pool of a file with one, to which `body` adds keys. */
export function onlyPool(body: string, env: Readonly<Record<string, string>> = {}): PoolSpec {
  const { pools } = parse(`pools:\n- name: p\n  endpoints: [10.0.0.1:8000]\n${body}`, env);
  return pools[0]!;
}

/** What is wrong with the file; it must be refused. */
export function problems(source: string, env: Readonly<Record<string, string>> = {}): readonly PickerError[] {
  try {
    parse(source, env);
  } catch (error) {
    assert.ok(error instanceof PickerError);
    if (error.code === "POOLS_FILE_SYNTAX") return [error];
    assert.equal(error.code, "POOLS_FILE_INVALID");
    assert.ok(error.cause instanceof AggregateError);
    return error.cause.errors as PickerError[];
  }
  assert.fail("the file was accepted");
}

export function messages(source: string, env: Readonly<Record<string, string>> = {}): readonly string[] {
  return problems(source, env).map((problem) => problem.message);
}

/** Problems of a pool that is fine but for `body`, which begins on line 4. */
export function poolMessages(body: string): readonly string[] {
  return messages(`pools:\n- name: p\n  endpoints: [10.0.0.1:8000]\n${body}`);
}
