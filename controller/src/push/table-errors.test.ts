import assert from "node:assert/strict";
import { test } from "node:test";
import { TableErrors } from "./table-errors.ts";

test("an error of tables is counted each time and said once", () => {
  const errors = new TableErrors();
  const said = ["a", "a", "b", "a"].map((message) => errors.add(new Error(message)));
  assert.deepEqual(said, [true, false, true, false]);
  assert.equal(errors.count, 4);
});
