import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { DEFAULT_PICKING } from "../../controller/src/table/encode-picking.ts";
import type { EndpointRow, PickingRow } from "../../controller/src/table/rows.ts";
import { Core } from "./core.ts";
import { pickNarrowed, tokenOf } from "./narrowing.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const PICKING: PickingRow = {
  ...DEFAULT_PICKING,
  subsetHeader: true,
  sessionAffinity: true,
  classHeader: "x-tier",
};

/** A core with one pool, whose endpoints have these classes. */
function coreOf(
  classes: PickingRow["classes"],
  endpoints: readonly EndpointRow[],
  profile = "least-request",
): Core {
  const core = new Core(7n);
  const picking = { ...PICKING, classes };
  assert.equal(core.decode(tableBytes([pool("ns/a", endpoints, { profile, picking })]), 0), L.ACCEPTED);
  return core;
}

function four(changes: (index: number) => Partial<EndpointRow> = () => ({})): readonly EndpointRow[] {
  return [0, 1, 2, 3].map((index) => endpoint(addressOf(index), changes(index)));
}

/** Every endpoint that comes first in some of many picks. */
function firsts(core: Core, narrowing: Parameters<typeof pickNarrowed>[2]): readonly string[] {
  const found = new Set<string>();
  for (let round = 0; round < 64; round++) {
    const [first] = pickNarrowed(core, 0, narrowing);
    if (first !== undefined) found.add(first);
  }
  return [...found].sort();
}

describe("a subset hint", () => {
  const addresses = four().map(({ address }) => address);

  it("leaves the endpoints that it lists, and a list that is empty or names none leaves none", () => {
    const core = coreOf([], four());
    const [, second, third] = addresses;
    assert.deepEqual(firsts(core, { subset: `${third},${second}` }), [second, third].sort());
    assert.deepEqual(firsts(core, { subset: ` ${third} ,\t10.9.9.9:1 , ` }), [third]);
    for (const subset of ["", ",", "10.9.9.9:8000", "10.0.0.1:8001", "nonsense", "[", "]", "[]", ":"]) {
      assert.deepEqual(pickNarrowed(core, 0, { subset }), [], subset);
    }
  });

  it("means each port of a host that it names without one", () => {
    const core = coreOf(
      [],
      ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.11:80"].map((one) => endpoint(one)),
    );
    assert.deepEqual(firsts(core, { subset: "10.0.0.1" }), ["10.0.0.1:80", "10.0.0.1:81"]);
    assert.deepEqual(
      firsts(core, { subset: "10.0.0.11,10.0.0.1:81" }),
      ["10.0.0.11:80", "10.0.0.1:81"].sort(),
    );
  });

  it("spells IPv6 with or without brackets, and with a port in brackets", () => {
    const core = coreOf(
      [],
      ["[fd00::1]:80", "[fd00::1]:81", "[fd00::2]:80"].map((one) => endpoint(one)),
    );
    assert.deepEqual(firsts(core, { subset: "[fd00::1]:81" }), ["[fd00::1]:81"]);
    for (const subset of ["fd00::1", "[fd00::1]"]) {
      assert.deepEqual(firsts(core, { subset }), ["[fd00::1]:80", "[fd00::1]:81"], subset);
    }
  });

  it("does not make endpoints ready, and is forgotten with its request", () => {
    const core = coreOf(
      [],
      four((index) => ({ ready: index !== 2 })),
    );
    assert.deepEqual(pickNarrowed(core, 0, { subset: addresses[2]! }), []);
    assert.equal(pickNarrowed(core, 0, {}).length, 3);
  });

  it("may be long", () => {
    const core = coreOf([], four());
    const long = Array.from({ length: 5000 }, (_, at) => `172.16.${at >> 8}.${at & 255}:1`);
    assert.deepEqual(firsts(core, { subset: [...long, addresses[1]].join(",") }), [addresses[1]]);
    assert.deepEqual(firsts(core, { subset: addresses[2]! }), [addresses[2]]);
  });
});

describe("a class by header", () => {
  const classes = [{ header: "gold" }, { header: "" }, { header: "none" }] as const;
  const core = coreOf(
    classes,
    four((index) => ({ classes: [0b001, 0b010, 0b011, 0][index]! })),
  );
  const addresses = four().map(({ address }) => address);

  it("leaves its endpoints; another value and none leave those of the class for any other", () => {
    assert.deepEqual(firsts(core, { classValue: "gold" }), [addresses[0], addresses[2]]);
    for (const classValue of ["silver", "Gold", ""]) {
      assert.deepEqual(firsts(core, { classValue }), [addresses[1], addresses[2]], classValue);
    }
  });

  it("that none of the endpoints is in leaves none", () => {
    assert.deepEqual(pickNarrowed(core, 0, { classValue: "none" }), []);
  });

  it("leaves all where no class is for any other value", () => {
    const strict = coreOf(
      [{ header: "gold" }],
      four((index) => ({ classes: index === 0 ? 1 : 0 })),
    );
    assert.deepEqual(firsts(strict, { classValue: "gold" }), [addresses[0]]);
    assert.equal(firsts(strict, { classValue: "silver" }).length, 4);
    assert.equal(firsts(strict, { classValue: "" }).length, 4);
  });

  it("may have the highest bit", () => {
    const many = Array.from({ length: 32 }, (_, at) => ({ header: `c${at}` }));
    const last = coreOf(
      many,
      four((index) => ({ classes: index === 3 ? 2 ** 31 : 1 })),
    );
    assert.deepEqual(firsts(last, { classValue: "c31" }), [addresses[3]]);
  });
});

describe("a class by length", () => {
  const classes = [
    { header: "" },
    { minTokens: 0, maxTokens: 1000 },
    { minTokens: 1001, maxTokens: 9000 },
    { minTokens: 20_000, maxTokens: 4294967295 },
  ] as const;
  const bits = [0b0011, 0b0101, 0b0111, 0b0001];
  const core = coreOf(
    classes,
    four((index) => ({ classes: bits[index]! })),
  );
  const addresses = four().map(({ address }) => address);

  it("leaves its endpoints, with both ends", () => {
    assert.deepEqual(firsts(core, { promptTokens: 1000 }), [addresses[0], addresses[2]]);
    assert.deepEqual(firsts(core, { promptTokens: 1000.9 }), [addresses[0], addresses[2]]);
    assert.deepEqual(firsts(core, { promptTokens: 1001 }), [addresses[1], addresses[2]]);
    assert.deepEqual(firsts(core, { promptTokens: 9000 }), [addresses[1], addresses[2]]);
  });

  it("leaves all for a length that is in none, that is unknown, and that no endpoint is for", () => {
    for (const promptTokens of [9001, 0, 20_000, 1e12]) {
      assert.equal(firsts(core, { promptTokens }).length, 4, `${promptTokens}`);
    }
  });

  it("leaves what the others leave where none of these is for the length", () => {
    assert.deepEqual(firsts(core, { promptTokens: 1000, subset: addresses[1]! }), [addresses[1]]);
  });
});

describe("a session's token", () => {
  const addresses = four().map(({ address }) => address);

  for (const profile of ["epp", "least-request", "round-robin", "random", "net-goodput"]) {
    it(`puts its endpoint first under ${profile}, and the others behind it`, () => {
      const core = coreOf(
        [],
        four((index) => ({ queuedRequests: index === 1 ? 50 : 0 })),
        profile,
      );
      const session = tokenOf(core, addresses[1]!);
      assert.match(session, /^[0-9a-f]{16}$/);
      assert.deepEqual(firsts(core, { session }), [addresses[1]]);
      assert.equal(new Set(pickNarrowed(core, 0, { session })).size, 3);
    });
  }

  it("does not bring back an endpoint that is not ready, or that the request may not go to", () => {
    const core = coreOf(
      [],
      four((index) => ({ ready: index !== 1 })),
    );
    const away = tokenOf(core, addresses[1]!);
    assert.ok(!firsts(core, { session: away }).includes(addresses[1]!));
    const session = tokenOf(core, addresses[0]!);
    assert.deepEqual(firsts(core, { session, subset: addresses[2]! }), [addresses[2]]);
  });

  it("of another form, or of an endpoint that is gone, changes nothing", () => {
    const core = coreOf([], four());
    const token = tokenOf(core, addresses[0]!);
    for (const session of ["", "x", "0000000000000000", token.toUpperCase(), `${token}0`, "é".repeat(8)]) {
      if (session === token) continue;
      assert.equal(firsts(core, { session }).length, 4, session);
    }
  });

  it("is the endpoint's name's, in its pool: alike in every core, unlike in another pool", () => {
    const rows = [endpoint("10.0.0.1:80", { name: "pod-a" }), endpoint("10.0.0.2:80", { name: "pod-b" })];
    const moved = [endpoint("10.0.0.2:80", { name: "pod-b" }), endpoint("10.0.0.9:80", { name: "pod-a" })];
    const token = tokenOf(coreOf([], rows), "10.0.0.1:80");
    assert.equal(tokenOf(coreOf([], moved), "10.0.0.9:80"), token);
    assert.notEqual(tokenOf(coreOf([], rows), "10.0.0.2:80"), token);
    const other = new Core(7n);
    assert.equal(other.decode(tableBytes([pool("ns/b", rows, { picking: PICKING })]), 0), L.ACCEPTED);
    assert.notEqual(tokenOf(other, "10.0.0.1:80"), token);
  });
});

describe("narrowed picks", () => {
  it("allocate nothing once the longest list was read", () => {
    const core = coreOf(
      [{ header: "gold" }, { minTokens: 0, maxTokens: 10 }],
      four(() => ({ classes: 3 })),
    );
    const subset = four()
      .map(({ address }) => address)
      .join(",");
    const session = tokenOf(core, addressOf(0));
    const narrowing = { subset, session, classValue: "gold", promptTokens: 5 };
    pickNarrowed(core, 0, narrowing);
    const before = core.exports.memory.buffer.byteLength;
    for (let round = 0; round < 20_000; round++) pickNarrowed(core, 0, narrowing);
    assert.equal(core.exports.memory.buffer.byteLength, before);
  });
});
