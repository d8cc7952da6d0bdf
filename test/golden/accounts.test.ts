import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { decodeAccounts, encodeAccounts } from "../../controller/src/table/accounts.ts";
import { WireError } from "../../controller/src/table/wire-error.ts";
import { readable } from "../core/accounts.ts";
import { Core } from "../core/core.ts";
import { accountsBytes, accountsFile, loadAccountsCases, VM } from "./accounts-case.ts";

const FEWEST_CASES = 8;
const verdicts: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(L).filter(([name]) => name === "ACCEPTED" || name.startsWith("REFUSED_")),
);
const cases = loadAccountsCases();

/** What the filter says of a message that it is to relay. */
function checked(bytes: Uint8Array): number {
  const core = new Core();
  return core.exports.checkMessage(core.put(bytes), bytes.length, L.KIND_ACCOUNTS);
}

describe("golden accounts", () => {
  it("are there, each with what must come of it", () => {
    assert.ok(cases.length >= FEWEST_CASES, `${cases.length} cases`);
    for (const { name, expect } of cases) assert.notEqual(verdicts[expect.verdict], undefined, name);
  });

  for (const golden of cases) {
    const committed = readFileSync(accountsFile(golden.name, "bin"));
    const verdict = verdicts[golden.expect.verdict]!;

    it(`${golden.name}: the core writes the committed bytes`, () => {
      assert.deepEqual(Buffer.from(accountsBytes(golden)), committed);
    });

    it(`${golden.name}: the filter relays what it may`, () => {
      assert.equal(checked(committed), golden.expect.relayed === true ? L.ACCEPTED : verdict);
    });

    if (verdict === L.ACCEPTED) {
      it(`${golden.name}: the controller reads the rows`, () => {
        const message = decodeAccounts(committed);
        assert.deepEqual([message.vm, message.sequence], [VM, 1n]);
        assert.deepEqual([message.node, message.ageMs], [golden.node, golden.ageMs]);
        assert.deepEqual(readable(message), golden.expect.rows);
      });

      it(`${golden.name}: the controller's own encoding reads back the same on both sides`, () => {
        const message = decodeAccounts(committed);
        const encoded = encodeAccounts(message);
        assert.deepEqual(decodeAccounts(encoded), message);
        assert.equal(checked(encoded), L.ACCEPTED);
      });
    } else {
      it(`${golden.name}: the controller refuses it as ${golden.expect.verdict}`, () => {
        assert.throws(
          () => decodeAccounts(committed),
          (error) => error instanceof WireError && error.refusal === verdict && error.bound !== undefined,
        );
      });
    }
  }
});
