import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MEDIA_TOKENS } from "../prompt-tokens.ts";
import { APIS, apiOf } from "./index.ts";

const PAGE = readFileSync(new URL("../../../../docs/simulated-servers.md", import.meta.url), "utf8");

test("a path is one API's, and what follows a prefix is its id", () => {
  const paths = APIS.flatMap((api) => api.paths);
  assert.equal(new Set(paths).size, paths.length);
  assert.equal(apiOf("/v1/chat/completions")?.api.name, "openai-chat");
  const { api, id, path } = apiOf("/v1/models/meta-llama/Llama%203")!;
  assert.deepEqual([api.name, id, path], ["model", "meta-llama/Llama 3", "/v1/models/{id}"]);
  assert.equal(apiOf("/v1/models/%zz")?.id, "%zz");
  for (const none of ["/", "/v1", "/v1/models/", "/v1/chat/completions/", "/metrics"]) {
    assert.equal(apiOf(none), undefined, none);
  }
});

test("totals can tell every API from the others", () => {
  assert.equal(new Set(APIS.map(({ name }) => name)).size, APIS.length);
});

test("docs/simulated-servers.md has every path, and the price of every medium", () => {
  const documented = [...PAGE.matchAll(/^\| `(\/[^`]+)` \|/gm)].map(([, path]) => path);
  assert.deepEqual(documented.sort(), APIS.flatMap((api) => api.paths).sort());
  const { image, audio, video } = MEDIA_TOKENS;
  assert.ok(PAGE.includes(`An image costs ${image} tokens, a sound in a message ${audio}, a film ${video};`));
});
