import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { decodeTable } from "../../controller/src/table/decode.ts";
import { WireError } from "../../controller/src/table/wire-error.ts";
import { caseBytes, caseFile, constant, loadCases, toRows } from "./case.ts";

const FEWEST_CASES = 14;
const cases = loadCases();

/** f32 columns come back rounded to 24 bits. */
function asStored(value: unknown): unknown {
  if (typeof value === "number") return Math.fround(value);
  if (Array.isArray(value)) return value.map(asStored);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asStored(inner)]));
}

describe("golden cases", () => {
  it("are there, each with what must come of it", () => {
    assert.ok(cases.length >= FEWEST_CASES, `${cases.length} cases`);
    for (const { name, expect } of cases) assert.match(expect.verdict, /^(ACCEPTED|REFUSED_.*)$/, name);
  });

  for (const golden of cases) {
    it(`${golden.name}: encodes to the committed bytes`, () => {
      const committed = readFileSync(caseFile(golden.name, "bin"));
      assert.deepEqual(Buffer.from(caseBytes(golden)), committed);
    });

    const verdict = constant(golden.expect.verdict);
    if (verdict === L.ACCEPTED) {
      it(`${golden.name}: reads back as the rows it was written from`, () => {
        const rows = decodeTable(readFileSync(caseFile(golden.name, "bin")));
        assert.deepEqual(asStored(rows), asStored(toRows(golden.table)));
      });
    } else {
      it(`${golden.name}: is refused as ${golden.expect.verdict}`, () => {
        const committed = readFileSync(caseFile(golden.name, "bin"));
        assert.throws(
          () => decodeTable(committed),
          (error) => error instanceof WireError && error.refusal === verdict && error.bound !== undefined,
        );
      });
    }
  }
});
