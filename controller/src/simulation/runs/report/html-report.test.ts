import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModelRequest } from "../../model-request.ts";
import { Outcomes } from "../../replay/outcomes.ts";
import { parseSimulateSettings, type SimulateSettings } from "../../replay/settings.ts";
import { specsOf } from "../plan.ts";
import type { FinishedRun } from "../run-spec.ts";
import { htmlReport } from "./html-report.ts";

/** Runs of two requests; the faster the traffic, the later their answers. */
function runsOf(settings: SimulateSettings): readonly FinishedRun[] {
  return specsOf(settings).map((spec, index) => {
    const outcomes = new Outcomes(spec.objectives);
    for (const arrivalMs of [0, 1000 / spec.speed]) {
      const request = new ModelRequest({ promptTokens: 1000, outputTokens: 11, blockHashes: [] });
      const firstTokenMs = arrivalMs + 300 * spec.speed + index;
      Object.assign(request, { arrivalMs, firstTokenMs, finishedMs: firstTokenMs + 200, cachedTokens: 100 });
      outcomes.arrive(arrivalMs);
      outcomes.finish(request);
    }
    const load = {
      intervalMs: 100,
      inFlight: [
        [0, 1],
        [1, 2],
      ],
    };
    const result = { figures: outcomes.figures(spec.policy), summary: outcomes.summary(), load, missing: [] };
    return { spec, result };
  });
}

function report(line: string): string {
  const args = line.split(" ");
  const settings = parseSimulateSettings(args);
  return htmlReport(runsOf(settings), settings, args);
}

/** Fails where a tag is not closed, or another than was opened. */
function assertNested(html: string): void {
  const alone = /^(?:meta|img|!doctype)$/;
  const open: string[] = [];
  for (const [tag, slash, name] of html.matchAll(/<(\/?)(!?[a-z][a-z0-9]*)[^>]*>/gi)) {
    if (alone.test(name!) || tag.endsWith("/>")) continue;
    if (slash === "") open.push(name!);
    else assert.equal(open.pop(), name, tag);
  }
  assert.deepEqual(open, []);
}

describe("the report of a simulation", () => {
  const page = report("--speeds 2,3,4 --policies epp,round-robin --windows 2");

  it("needs nothing but itself: no script, no style, font or picture from elsewhere", () => {
    assert.doesNotMatch(page, /<script|<link|@import|url\(/);
    const addresses = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
    assert.equal(addresses.length, 6);
    assert.ok(addresses.every((address) => address.startsWith("data:image/png;base64,")));
    const urls = page.match(/https?:\/\/[^"]*/g) ?? [];
    assert.deepEqual([...new Set(urls)], ["http://www.w3.org/2000/svg"]);
  });

  it("is well nested HTML with names for its charts and pictures", () => {
    assertNested(page);
    const charts = [...page.matchAll(/<svg [^>]*role="img"[^>]*>/g)];
    assert.equal(charts.length, 10);
    for (const [chart] of charts) assert.match(chart, /aria-label="[^"]{5,}"/);
    for (const [picture] of page.matchAll(/<img [^>]*>/g)) assert.match(picture, /alt="[^"]{20,}"/);
    assert.match(page, /prefers-color-scheme:dark/);
  });

  it("draws a line for each policy with a point for each rate, and says its value", () => {
    const [goodput] = /aria-label="Goodput[\s\S]*?<\/svg>/.exec(page)!;
    assert.equal(goodput.match(/class="line"/g)!.length, 2);
    assert.equal(goodput.match(/class="mark"/g)!.length, 6);
    assert.match(goodput, /<title>epp at 4 requests offered a second: 100 %<\/title>/);
    assert.doesNotMatch(page, /NaN|undefined|Infinity/);
  });

  it("draws bars where there is one rate", () => {
    const bars = report("--policies epp,round-robin,random");
    assertNested(bars);
    assert.equal(bars.match(/class="bar"/g)!.length, 30);
    assert.doesNotMatch(bars, /class="line" d="M\d+ \d+L/);
  });

  it("concludes with the best policy where the load is highest, against round robin", () => {
    assert.match(
      page,
      /<p class="lead">At 8 requests a second \(speed 4\), epp keeps [\d.]+ % .*round-robin [\d.]+ %\.<\/p>/,
    );
  });

  it("has every run in its table, and the command to repeat it", () => {
    assert.equal(page.match(/<th scope="row">/g)!.length, 12);
    assert.match(page, /<th scope="row">epp, speed 2, from request 3001<\/th>/);
    assert.match(
      page,
      /<pre>npx inference-picker simulate --speeds 2,3,4 --policies epp,round-robin --windows 2<\/pre>/,
    );
  });

  it("shows names as they are, whatever they hold", () => {
    const settings = { ...parseSimulateSettings([]), policies: ["epp"] as const };
    const named = { ...settings, window: { ...settings.window, file: "<b>&'\".jsonl" } };
    const hostile = htmlReport(runsOf(named), named, ["--trace", "<b>&'\".jsonl"]);
    assertNested(hostile);
    assert.doesNotMatch(hostile, /<b>/);
    assert.match(hostile, /&lt;b&gt;&amp;&#39;&quot;\.jsonl/);
    assert.match(hostile, /--trace &#39;&lt;b&gt;&amp;&#39;\\&#39;&#39;&quot;\.jsonl&#39;/);
  });
});
