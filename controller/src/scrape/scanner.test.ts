import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import parsePrometheus from "parse-prometheus-text-format";
import { compileFamilies, type FamilySpec, scanPage } from "./scanner.ts";

interface Series {
  readonly family: string;
  readonly labels: readonly (string | undefined)[];
  readonly value: number;
}

function scan(text: string, specs: readonly FamilySpec[]): readonly Series[] {
  const found: Series[] = [];
  scanPage(Buffer.from(text), compileFamilies(specs), (family, labels, value) => {
    found.push({ family: specs[family]!.name, labels: [...labels], value });
  });
  return found;
}

function values(text: string): readonly number[] {
  return scan(text, [{ name: "m", labels: [] }]).map((series) => series.value);
}

const FIXTURES = ["fresh", "idle", "busy", "after-busy"].map((state) => ({
  state,
  page: readFileSync(
    new URL(`../../../test/fixtures/vllm-0.32/metrics-${state}.txt`, import.meta.url),
    "utf8",
  ),
}));

describe("the byte scanner", () => {
  for (const { state, page } of FIXTURES) {
    it(`finds in vLLM's ${state} page what a full parser finds, for every gauge`, () => {
      const families = parsePrometheus(page).filter((family) => family.type === "GAUGE");
      assert.ok(families.length > 10);
      for (const family of families) {
        const labels = [...new Set(family.metrics.flatMap((metric) => Object.keys(metric.labels ?? {})))];
        const expected = family.metrics.map((metric) => ({
          family: family.name,
          labels: labels.map((label) => metric.labels?.[label]),
          value: Number(metric.value),
        }));
        assert.deepEqual(scan(page, [{ name: family.name, labels }]), expected, family.name);
      }
    });
  }

  it("looks for several families in one pass, in the order of the page", () => {
    const found = scan("b 1\na 2\nb 3\n", [
      { name: "a", labels: [] },
      { name: "b", labels: [] },
    ]);
    assert.deepEqual(
      found.map((series) => `${series.family}=${series.value}`),
      ["b=1", "a=2", "b=3"],
    );
  });

  it("does not take a name for another that it begins", () => {
    assert.deepEqual(values('m_total 1\nmm 2\nm{a="1"} 3\nm 4\nxm 5\n'), [3, 4]);
  });

  it("reads exponents, signs, NaN and infinities", () => {
    const page = "m 1e3\nm -2.5E-1\nm +.5\nm 1.\nm NaN\nm +Inf\nm -Inf\nm Inf\n";
    assert.deepEqual(values(page), [1000, -0.25, 0.5, 1, Number.NaN, Infinity, -Infinity, Infinity]);
  });

  it("leaves out time stamps, exemplars, comments and blank lines", () => {
    const page = '# TYPE m gauge\n# HELP m m 9\n\nm 1 1700000000000\nm 2 # {trace="x"} 0.5\n \t\n  m\t3\n';
    assert.deepEqual(values(page), [1, 2, 3]);
  });

  it("reads lines that end with carriage return and line feed", () => {
    assert.deepEqual(values('m 1\r\nm{a="b"} 2 17\r\n'), [1, 2]);
  });

  it("leaves out a last line without a line feed, since its number may be half of one", () => {
    assert.deepEqual(values("m 12\nm 34"), [12]);
    assert.deepEqual(values("m 12"), []);
    assert.deepEqual(values(""), []);
  });

  it("unescapes the values of wanted labels and steps over braces, commas and quotes inside values", () => {
    const page = 'm{x="}, y=\\"2\\"",y="a\\\\b\\nc\\"d", z = "é模" , } 7\n';
    assert.deepEqual(scan(page, [{ name: "m", labels: ["y", "z", "absent"] }]), [
      { family: "m", labels: ['a\\b\nc"d', "é模", undefined], value: 7 },
    ]);
  });

  it("counts malformed lines of wanted families and goes on", () => {
    const page =
      'm\nm x\nm{a="1" 2\nm{a=1} 2\nm{a="1"}\nm{="1"} 1\nm 0x10\nm 1 2 3\nm 1_0\nm {a="b"} 5\nm{} 6\n';
    const families = compileFamilies([{ name: "m", labels: [] }]);
    const found: number[] = [];
    const result = scanPage(Buffer.from(page), families, (_, __, value) => found.push(value));
    assert.deepEqual(found, [5, 6]);
    // The bare name is not recognised as a series of the family.
    assert.equal(result.malformedLines, 8);
    assert.equal(result.scannedBytes, Buffer.byteLength(page));
  });

  it("agrees with a full parser on any labels and finite values", () => {
    const label = fc
      .string({ unit: "grapheme", maxLength: 12 })
      .filter((text) => !/[\r\u2028\u2029]/.test(text));
    // A negative zero prints as zero.
    const number = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Object.is(value, -0));
    fc.assert(
      fc.property(label, number, (text, value) => {
        const escaped = text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
        const page = `# TYPE m gauge\nm{other="1",l="${escaped}"} ${value}\n`;
        assert.deepEqual(scan(page, [{ name: "m", labels: ["l"] }]), [
          { family: "m", labels: [text], value },
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it("never throws and never reads beyond the page on garbage", () => {
    const piece = fc.constantFrom(
      "m",
      "{",
      "}",
      '"',
      "\\",
      "=",
      ",",
      " ",
      "\n",
      "\r",
      "1",
      "e",
      "#",
      "a",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        for (const series of scan(`m${pieces.join("")}\n`, [{ name: "m", labels: ["a"] }])) {
          assert.equal(typeof series.value, "number");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
