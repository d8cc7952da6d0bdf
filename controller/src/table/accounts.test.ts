import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as L from "../../../assembly/wire/layout.ts";
import { SeededRandom } from "../../../test/emulator/random.ts";
import { type AccountsMessage, countKey, decodeAccounts, encodeAccounts, messageKind } from "./accounts.ts";
import { encodeReport } from "./report.ts";
import { WireError } from "./wire-error.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
const ROUNDS = 20_000;

const MESSAGE: AccountsMessage = {
  vm: 0xffff_ffff_ffff_ffffn,
  sequence: 7n,
  node: "gateway",
  ageMs: 61_000,
  rows: [
    { pool: "", model: "other", target: "other", running: 0, counts: new Map() },
    {
      pool: "ns/a",
      model: "llama",
      target: "llama-v2",
      running: 3,
      counts: new Map([
        [countKey(L.GROUP_COUNTERS, L.COUNTER_REQUESTS), 12],
        [countKey(L.GROUP_BUCKETS + 3, 5), Number.MAX_SAFE_INTEGER],
      ]),
    },
    { pool: "ns/a", model: "模型", target: "模型", running: 0, counts: new Map([[0, 1]]) },
  ],
};

describe("accounts", () => {
  it("read back as they were written", () => {
    const bytes = encodeAccounts(MESSAGE);
    assert.deepEqual(decodeAccounts(bytes), MESSAGE);
    assert.equal(messageKind(bytes), L.KIND_ACCOUNTS);
  });

  it("are told from a report, and from what is no message", () => {
    const report = encodeReport({
      epoch: 0n,
      sequence: 0n,
      node: "",
      generation: 0n,
      holder: 0n,
      tablesRefused: 0,
      lastRefusal: 0,
      liveSlots: 0,
      endpoints: [],
      missingTerms: new Map(),
    });
    assert.equal(messageKind(report), L.KIND_REPORT);
    assert.equal(messageKind(new Uint8Array(39)), undefined);
    assert.throws(() => decodeAccounts(report), WireError);
  });

  it("that are poisoned are read or refused, and nothing else happens", () => {
    const random = new SeededRandom(SEED);
    console.log(`seed ${SEED}`);
    const good = encodeAccounts(MESSAGE);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = good.slice(0, random.below(8) === 0 ? random.below(good.length + 1) : good.length);
      for (let edits = 1 + random.below(4); edits > 0 && bytes.length > 0; edits--) {
        const at = random.below(bytes.length);
        bytes[at] = random.below(3) === 0 ? random.below(256) : [0, 1, 0x7f, 0x80, 0xff][random.below(5)]!;
      }
      try {
        const { rows } = decodeAccounts(bytes);
        assert.ok(rows.every(({ counts }) => [...counts.values()].every(Number.isSafeInteger)));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        refused++;
      }
    }
    assert.ok(refused > ROUNDS / 2 && refused < ROUNDS, `${refused} of ${ROUNDS} were refused`);
  });
});
