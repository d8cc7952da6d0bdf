import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import type { ApiName } from "../../controller/src/model.ts";
import { SUFFIX } from "../../controller/src/table/names.ts";
import type { ApiRow } from "../../controller/src/table/rows.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";
import { pool, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261127);

/** What is known without a word of configuration. */
const BUILT_IN: readonly (readonly [string, ApiName])[] = [
  ["/chat/completions", "openai-chat"],
  ["/completions", "openai-completions"],
  ["/responses", "openai-responses"],
  ["/embeddings", "openai-embeddings"],
  ["/audio/transcriptions", "openai-audio"],
  ["/audio/translations", "openai-audio"],
  ["/images/generations", "openai-images"],
  ["/images/edits", "openai-images"],
  ["/images/variations", "openai-images"],
  ["/messages", "anthropic-messages"],
  ["/messages/count_tokens", "anthropic-messages"],
  ["/audio/speech", "json"],
  ["/rerank", "json"],
  ["/score", "json"],
  ["/classify", "json"],
  ["/pooling", "json"],
  ["/tokenize", "json"],
  ["/detokenize", "json"],
  ["/moderations", "json"],
  ["/generate", "json"],
  ["/deployments/{model}/chat/completions", "openai-chat"],
  ["/deployments/{model}/completions", "openai-completions"],
  ["/deployments/{model}/embeddings", "openai-embeddings"],
  ["/deployments/{model}/audio/transcriptions", "openai-audio"],
  ["/deployments/{model}/images/generations", "openai-images"],
];

/** Pools of these rows, decoded. */
function routing(...rows: readonly (readonly ApiRow[])[]): Routing {
  const core = new Core();
  assert.equal(
    core.decode(tableBytes(rows.map((apis, index) => pool(`ns/p${index}`, [], { apis })))),
    L.ACCEPTED,
  );
  return new Routing(core);
}

test("every path that is known by itself is, with any prefix, a query, a fragment or a last slash", () => {
  const apis = new Routing(new Core());
  for (const [suffix, api] of BUILT_IN) {
    const model = suffix.includes("{model}") ? { model: "gpt-4o%2Fmini" } : {};
    const path = suffix.replace("{model}", "gpt-4o%2Fmini");
    for (const prefix of ["", "/v1", "/openai/v1", "/a/very/long/way/to/it", "/completions"]) {
      for (const end of ["", "/", "?", "?api-version=2024-10-21", "/?a=/b/c?d", "#x", "?q=/messages#y"]) {
        assert.deepEqual(apis.api(-1, `${prefix}${path}${end}`), { api, ...model }, prefix + path + end);
      }
    }
  }
});

test("docs/requests.md has what is known by itself, by API", () => {
  const page = readFileSync(new URL("../../docs/requests.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \|/gm)].flatMap(([, api, paths]) =>
    [...paths!.matchAll(/`(\/[^`]+)`/g)].map(([, suffix]) => [suffix, api]),
  );
  assert.deepEqual(
    rows.sort(),
    BUILT_IN.filter(([suffix]) => !suffix.includes("{model}"))
      .map(([suffix, api]) => [suffix, api])
      .sort(),
  );
  assert.ok(page.includes("`/deployments/{model}/chat/completions`"));
});

test("a suffix begins at a slash and is the whole end of the path, case and all", () => {
  const apis = new Routing(new Core());
  const unknown = [
    ..."|/|//|?|/?/completions|chat|completions|/v1|/v1/models|/metrics|/health".split("|"),
    ..."/v1/xcompletions|/v1/completions/x|/v1/completions//|/Completions|/completion|/completionsx".split(
      "|",
    ),
    ..."/count_tokens|/generations|/images|/audio|/speech|/v1/chat/completions%2F|/chat/completions%3f".split(
      "|",
    ),
  ];
  for (const path of unknown) assert.deepEqual(apis.api(-1, path), { api: "none" }, path);
  assert.deepEqual(apis.api(-1, "/v1/xchat/completions"), { api: "openai-completions" });
  assert.deepEqual(apis.api(-1, "//completions"), { api: "openai-completions" });
});

test("a path names its model only where a whole segment that is not empty stands for it", () => {
  const apis = new Routing(new Core());
  const chat = "openai-chat" as const;
  assert.deepEqual(apis.api(-1, "/deployments/m/chat/completions"), { api: chat, model: "m" });
  assert.deepEqual(apis.api(-1, "/deployments/deployments/chat/completions"), {
    api: chat,
    model: "deployments",
  });
  for (const path of [
    "/deployments//chat/completions",
    "/xdeployments/m/chat/completions",
    "deployments/m/chat/completions",
    "/m/chat/completions",
    "/deployments/m/n/chat/completions",
  ]) {
    assert.deepEqual(apis.api(-1, path), { api: chat }, path);
  }
  // What an earlier path named is not kept.
  assert.deepEqual(apis.api(-1, "/v1/models"), { api: "none" });
});

test("a pool's own paths go before those known by themselves, however short, and are its own", () => {
  const apis = routing(
    [
      { suffix: "/completions", api: "none" },
      { suffix: "/v2/ask", api: "openai-chat" },
    ],
    [],
  );
  assert.deepEqual(apis.api(0, "/v1/chat/completions"), { api: "none" });
  assert.deepEqual(apis.api(0, "/v2/ask"), { api: "openai-chat" });
  assert.deepEqual(apis.api(0, "/v1/embeddings"), { api: "openai-embeddings" });
  assert.deepEqual(apis.api(1, "/v1/chat/completions"), { api: "openai-chat" });
  assert.deepEqual(apis.api(1, "/v2/ask"), { api: "none" });
  assert.deepEqual(apis.api(-1, "/v2/ask"), { api: "none" });
});

test("of a pool's own paths the one that covers the most counts, of equals the first", () => {
  const apis = routing([
    { suffix: "/run", api: "json" },
    { suffix: "/models/{model}/run", api: "openai-chat" },
    { suffix: "/models/fixed/run", api: "openai-completions" },
    { suffix: "/{model}", api: "openai-embeddings" },
    { suffix: "/{model}/predict/now", api: "openai-responses" },
    { suffix: "/models/{model}", api: "openai-images" },
  ]);
  assert.deepEqual(apis.api(0, "/run"), { api: "json" });
  assert.deepEqual(apis.api(0, "/x/run"), { api: "json" });
  assert.deepEqual(apis.api(0, "/v1/models/m/run"), { api: "openai-chat", model: "m" });
  assert.deepEqual(apis.api(0, "/v1/models/fixed/run"), { api: "openai-chat", model: "fixed" });
  assert.deepEqual(apis.api(0, "/v1/any"), { api: "openai-embeddings", model: "any" });
  assert.deepEqual(apis.api(0, "/models/any/"), { api: "openai-images", model: "any" });
  assert.deepEqual(apis.api(0, "/m/predict/now?x"), { api: "openai-responses", model: "m" });
});

/** The same by regular expressions. */
function oracle(rows: readonly ApiRow[], path: string): { api: ApiName; model?: string } {
  const bare = path.replace(/[?#].*$/s, "").replace(/\/$/, "");
  for (const level of [rows, BUILT_IN.map(([suffix, api]) => ({ suffix, api }))]) {
    let best: { api: ApiName; model?: string } | undefined;
    let most = 0;
    for (const { suffix, api } of level) {
      const escaped = suffix.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace("{model}", "([^/]+)");
      const found = new RegExp(`${escaped}$`).exec(bare);
      if (found === null || found[0].length <= most) continue;
      most = found[0].length;
      best = found[1] === undefined ? { api } : { api, model: found[1] };
    }
    if (best !== undefined) return best;
  }
  return { api: "none" };
}

test(`any rows and paths give what regular expressions give (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const words = ["a", "b", "ab", "chat", "completions", "messages", "deployments", "a.b", "x(y", "m%2F"];
  const names: readonly ApiName[] = ["json", "openai-chat", "anthropic-messages", "none"];
  const word = (): string => words[random.below(words.length)]!;
  const joined = (most: number): string =>
    Array.from({ length: 1 + random.below(most) }, () => `/${word()}`).join("");
  for (let round = 0; round < 400; round++) {
    const rows = Array.from({ length: random.below(6) }, (): ApiRow => {
      const parts = joined(3).split("/").slice(1);
      if (random.below(2) === 0) parts[random.below(parts.length)] = "{model}";
      return { suffix: `/${parts.join("/")}`, api: names[random.below(names.length)]! };
    });
    const apis = routing(rows);
    for (let path = 0; path < 40; path++) {
      const ends = ["", "", "/", "?q=/a", "//", "#/a"];
      const text = `${random.below(8) === 0 ? "/" : ""}${joined(5)}${ends[random.below(ends.length)]!}`;
      assert.deepEqual(apis.api(0, text), oracle(rows, text), `${text} in ${JSON.stringify(rows)}`);
    }
  }
});

test("both readers take and refuse the same suffixes", () => {
  const good = [
    "/a",
    "/{model}",
    "/a/{model}/b",
    "/~!$&'()*+,;=:@-._",
    "/%7Bmodel%7D",
    `/${"a".repeat(255)}`,
  ];
  const pieces = ["/a", "/{model}", "/", "a", "%2F", "{", "}", "?", "#", " ", "\u007f", "é", "\n", "{model}"];
  const random = new SeededRandom(SEED);
  const suffixes = [
    ...good,
    "",
    "/",
    "a",
    "/{model}/{model}",
    ...Array.from({ length: 3000 }, () =>
      Array.from(
        { length: random.below(8) },
        () => pieces[random.below(random.below(2) === 0 ? 5 : pieces.length)]!,
      ).join(""),
    ),
  ];
  const core = new Core();
  const row = { suffix: "/", api: "json" as const };
  let accepted = 0;
  for (const suffix of suffixes) {
    // A row as long in bytes that the encoder takes, with the suffix put in its place.
    const bytes = Buffer.from(suffix);
    const stand = `/${"S".repeat(Math.max(bytes.length - 1, 1))}`;
    const message = Buffer.from(tableBytes([pool("ns/a", [], { apis: [{ ...row, suffix: stand }] })]));
    const at = message.lastIndexOf(stand);
    bytes.copy(message, at);
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const entry = L.HEADER_FIXED_BYTES + L.SECTION_APIS * L.DIRECTORY_ENTRY_BYTES;
    view.setUint32(view.getUint32(entry + L.ENTRY_OFFSET, true) + L.API_SUFFIX + 4, bytes.length, true);
    const verdict = core.decode(message);
    assert.equal(verdict, SUFFIX.test(suffix) ? L.ACCEPTED : L.REFUSED_VALUE, JSON.stringify(suffix));
    if (verdict === L.ACCEPTED) accepted++;
  }
  assert.ok(accepted > 200, `${accepted} accepted`);
  for (const suffix of good) assert.ok(SUFFIX.test(suffix), suffix);
});

test("a path's API is found in some tens of nanoseconds", (t) => {
  const own = Array.from(
    { length: L.MAX_POOL_APIS },
    (_, at): ApiRow => ({
      suffix: `/own/${at}/{model}/call-${at}`,
      api: "json",
    }),
  );
  const apis = routing([], own);
  const rounds = 100_000;
  const nsEach = (index: number, path: string): number =>
    apis.with(path, (ptr, bytes) => {
      let best = Number.POSITIVE_INFINITY;
      for (let run = 0; run < 7; run++) {
        const start = performance.now();
        apis.exports.benchApi(index, ptr, bytes, rounds);
        best = Math.min(best, ((performance.now() - start) * 1e6) / rounds);
      }
      return best;
    });
  const paths = {
    chat: nsEach(0, "/v1/chat/completions"),
    azure: nsEach(0, "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
    unknown: nsEach(0, "/v1/models"),
    "64 own": nsEach(1, "/v1/chat/completions"),
  };
  for (const [name, ns] of Object.entries(paths)) t.diagnostic(`${name}: ${ns.toFixed(0)} ns`);
  assert.ok(paths.chat < 1000, `${paths.chat} ns`);
});
