import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Checks, counted, exitCodeOf, listed } from "./check.ts";
import { jsonReport, textReport } from "./report.ts";

function someChecks() {
  const program = new Checks("program");
  program.ok("version", "1.2.3");
  const envoy = new Checks("Envoy 127.0.0.1:9901");
  envoy.failure("reachable", "connection refused", "start Envoy");
  envoy.warning("feed", "slow", "look at the network");
  envoy.skipped("picks", "none yet");
  return [...program.list, ...envoy.list];
}

describe("the report", () => {
  it("for people stands in columns, with what to do below what was seen", () => {
    assert.equal(
      textReport(someChecks(), false),
      `program
  ok       version    1.2.3

Envoy 127.0.0.1:9901
  failure  reachable  connection refused
                      → start Envoy
  warning  feed       slow
                      → look at the network
  skipped  picks      none yet

1 ok, 1 warning, 1 failure, 1 not looked at
`,
    );
  });

  it("has colours only if asked for, and the same text with them", () => {
    const coloured = textReport(someChecks(), true);
    const control = String.fromCharCode(27);
    assert.ok(coloured.includes(`${control}[31mfailure${control}[0m`), coloured);
    assert.equal(
      coloured.replaceAll(new RegExp(`${control}\\[\\d+m`, "g"), ""),
      textReport(someChecks(), false),
    );
  });

  it("for scripts is JSON with counts and every check", () => {
    const report = JSON.parse(jsonReport(someChecks(), "1.2.3"));
    assert.equal(report.version, "1.2.3");
    assert.deepEqual(report.counts, { ok: 1, warning: 1, failure: 1, skipped: 1 });
    assert.deepEqual(report.checks[1], {
      group: "Envoy 127.0.0.1:9901",
      name: "reachable",
      status: "failure",
      seen: "connection refused",
      remedy: "start Envoy",
    });
  });

  it("cannot be steered by names that hold control characters or lines", () => {
    const checks = new Checks("a\u001b[2Jb");
    checks.failure("x", "one\n  two\u0007", "do\nthis");
    assert.deepEqual(checks.list, [
      { group: "a?[2Jb", name: "x", status: "failure", seen: "one; two?", remedy: "do; this" },
    ]);
  });
});

describe("the exit code", () => {
  it("is 1 for any failure, 3 for warnings alone, else 0", () => {
    const [ok, failure, warning, skipped] = someChecks();
    assert.equal(exitCodeOf([ok!, failure!, warning!]), 1);
    assert.equal(exitCodeOf([ok!, warning!, skipped!]), 3);
    assert.equal(exitCodeOf([ok!, skipped!]), 0);
  });
});

describe("lists in a text", () => {
  it("end after five names with the number of the others", () => {
    assert.equal(listed(["a", "b"]), "a, b");
    assert.equal(listed(["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    assert.equal(counted(1, "pool"), "1 pool");
    assert.equal(counted(0, "pool"), "0 pools");
  });
});
