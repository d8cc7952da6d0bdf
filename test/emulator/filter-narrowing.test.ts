import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_PICKING } from "../../controller/src/table/encode-picking.ts";
import type { PickingRow } from "../../controller/src/table/rows.ts";
import {
  endpointRow,
  filterModule,
  picksOf,
  POOL_A,
  poolRow,
  Rig,
  type RequestOptions,
} from "./filter-rig.ts";
import type { Stream } from "./host.ts";
import { SeededRandom } from "./random.ts";

const MODULE = filterModule();
const SUBSET = "x-gateway-destination-endpoint-subset";
const [FIRST, SECOND, THIRD] = POOL_A as [string, string, string];

function rigOf(picking: Partial<PickingRow>, more: Parameters<typeof poolRow>[0] = {}): Rig {
  const rig = new Rig(MODULE);
  rig.push([poolRow({ picking: { ...DEFAULT_PICKING, ...picking }, ...more })]);
  return rig;
}

/** The endpoint that a request is sent to, or why it is sent to none. */
function first(stream: Stream): string | undefined {
  return (
    picksOf(stream)[0] ??
    stream.localResponse?.headers.find(([name]) => name === "x-inference-picker-reason")?.[1]
  );
}

/** Where many such requests go, one after the other. */
function firsts(rig: Rig, options: RequestOptions): readonly (string | undefined)[] {
  const found = new Set<string | undefined>();
  for (let round = 0; round < 48; round++) {
    const stream = rig.send(options);
    found.add(first(stream));
    stream.finish();
  }
  return [...found].sort();
}

function hint(value: string | readonly string[]): RequestOptions {
  return { metadata: { "envoy.lb.subset_hint": { [SUBSET]: value } } };
}

test("a subset comes from where the pool says, and from nowhere else", () => {
  const byHeader = { headers: [[SUBSET, `${SECOND},${THIRD}`]] } as const;
  const none = rigOf({});
  assert.deepEqual(firsts(none, byHeader), POOL_A);
  assert.deepEqual(firsts(none, hint(SECOND)), POOL_A);
  const header = rigOf({ subsetHeader: true });
  assert.deepEqual(firsts(header, byHeader), [SECOND, THIRD]);
  assert.deepEqual(firsts(header, hint(SECOND)), POOL_A);
  const metadata = rigOf({ subsetMetadata: true });
  assert.deepEqual(firsts(metadata, byHeader), POOL_A);
  assert.deepEqual(firsts(metadata, hint(SECOND)), [SECOND]);
  assert.deepEqual(firsts(metadata, hint([SECOND, `${THIRD}`])), [SECOND, THIRD]);
  const both = rigOf({ subsetHeader: true, subsetMetadata: true });
  assert.deepEqual(firsts(both, { ...byHeader, ...hint([FIRST]) }), [FIRST]);
  for (const rig of [none, header, metadata, both]) rig.process.assertClean();
});

test("a subset that leaves nothing is answered 503, under FailOpen too", () => {
  for (const failureMode of ["FailClose", "FailOpen"] as const) {
    const rig = rigOf({ subsetHeader: true, subsetMetadata: true }, { failureMode });
    for (const value of ["", "192.0.2.1:80", [], ["192.0.2.1"], ["", ""]]) {
      const stream = rig.send(typeof value === "string" ? { headers: [[SUBSET, value]] } : hint(value));
      assert.equal(stream.localResponse?.status, 503, JSON.stringify(value));
      assert.equal(first(stream), "no_eligible_endpoint", JSON.stringify(value));
    }
    assert.deepEqual(firsts(rig, {}), POOL_A);
    rig.process.assertClean();
  }
});

test("metadata that is no list of endpoints leaves nothing and breaks nothing", () => {
  const rig = rigOf({ subsetMetadata: true });
  const broken = [
    Uint8Array.of(255, 255, 255, 0),
    Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 65, 0, 0),
    Uint8Array.of(1, 0, 0, 0),
    Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, 65),
    7,
  ];
  for (const value of broken) {
    const stream = rig.send({ metadata: { "envoy.lb.subset_hint": { [SUBSET]: value } } });
    assert.equal(first(stream), "no_eligible_endpoint");
  }
  rig.process.assertClean();
});

test("a request's class is that of the pool's header", () => {
  const rig = rigOf(
    { classHeader: "x-tier", classes: [{ header: "gold" }, { header: "" }, { header: "empty" }] },
    {
      failureMode: "FailOpen",
      endpoints: POOL_A.map((one, at) => endpointRow(one, { classes: [1, 2, 3, 2][at]! })),
    },
  );
  const tier = (value: string): RequestOptions => ({ headers: [["x-tier", value]] });
  assert.deepEqual(firsts(rig, tier("gold")), [FIRST, THIRD]);
  assert.deepEqual(firsts(rig, tier("other")), POOL_A.slice(1));
  assert.deepEqual(firsts(rig, {}), POOL_A.slice(1));
  assert.deepEqual(firsts(rig, tier("empty")), ["no_eligible_endpoint"]);
  rig.process.assertClean();
});

test("an answer's session token leads the session's next requests to the endpoint that served it", () => {
  const rig = rigOf({ sessionAffinity: true });
  for (const body of [undefined, ["{}"]]) {
    const stream = rig.send({ ...(body === undefined ? {} : { body }) });
    const picked = picksOf(stream);
    // The first endpoint failed, and the second one served.
    stream.properties = { ...stream.properties, upstream: { address: picked[1]! } };
    stream.respond(
      [
        [":status", "200"],
        ["x-session-token", "the-server-s-own"],
      ],
      true,
    );
    const tokens = stream.responseHeaders!.getAll("x-session-token");
    assert.equal(tokens.length, 1);
    assert.match(tokens[0]!, /^[0-9a-f]{16}$/);
    assert.deepEqual(firsts(rig, { headers: [["x-session-token", tokens[0]!]] }), [picked[1]]);
    stream.finish();
  }
  assert.deepEqual(firsts(rig, { headers: [["x-session-token", "0123456789abcdef"]] }), POOL_A);
  rig.process.assertClean();
});

test("a pool without sessions tells none and heeds none", () => {
  const rig = rigOf({});
  const stream = rig.send({});
  stream.respond([[":status", "200"]], true);
  assert.equal(stream.responseHeaders!.get("x-session-token"), undefined);
  stream.finish();
  rig.process.assertClean();
});

test("what a pool does not use costs its requests no call, and each that it uses one", () => {
  const calls = (picking: Partial<PickingRow>): number => {
    const rig = rigOf(picking);
    const stream = rig.send({
      headers: [
        ["x-tier", "gold"],
        [SUBSET, POOL_A.join()],
        ["x-slo-ttft-ms", "100"],
      ],
    });
    assert.equal(picksOf(stream)[0] !== undefined, true);
    return stream.calls.total;
  };
  const plain = calls({});
  assert.equal(calls({ subsetHeader: true }), plain + 1);
  assert.equal(calls({ subsetMetadata: true }), plain + 1);
  assert.equal(calls({ sessionAffinity: true }), plain + 1);
  assert.equal(calls({ classHeader: "x-tier", classes: [{ header: "silver" }] }), plain + 1);
  assert.equal(calls({ objectiveHeaders: true }), plain + 2);
});

test("hostile headers and metadata leave a pick of the pool's endpoints, or a 503 with its reason", () => {
  const seed = Number(process.env.FUZZ_SEED ?? 20261126);
  console.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const rig = rigOf({
    objectiveHeaders: true,
    subsetHeader: true,
    subsetMetadata: true,
    sessionAffinity: true,
    classHeader: "x-tier",
    classes: [{ header: "gold" }, { minTokens: 0, maxTokens: 10 }],
  });
  const parts = [
    ...POOL_A,
    "10.0.0.1",
    ",",
    ",",
    " ",
    "[",
    "]",
    ":",
    ":::",
    "fd00::1",
    "gold",
    "0",
    "9.9",
    "-",
    "~",
    "é",
  ];
  const text = (): string =>
    Array.from({ length: random.below(6) }, () => parts[random.below(parts.length)]!).join("");
  let picked = 0;
  for (let round = 0; round < 3000; round++) {
    const names = [SUBSET, "x-tier", "x-session-token", "x-slo-ttft-ms", "x-slo-tpot-ms"];
    const headers = names.filter(() => random.below(3) === 0).map((name) => [name, text()] as const);
    const value = random.below(2) === 0 ? text() : Array.from({ length: random.below(3) }, text);
    const stream = rig.send({ headers, ...(random.below(3) === 0 ? hint(value) : {}) });
    const found = first(stream);
    if (found !== "no_eligible_endpoint") {
      assert.ok(POOL_A.includes(found!), found);
      picked++;
    }
    stream.finish();
  }
  assert.ok(picked > 500 && picked < 3000, `${picked} were picked`);
  rig.process.assertClean();
});
