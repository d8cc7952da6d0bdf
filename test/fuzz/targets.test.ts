import assert from "node:assert/strict";
import { test } from "node:test";
import { corpusOf } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { Dice } from "./dice.ts";
import { ClientRequests } from "./generators/client-requests.ts";
import { expectedBody } from "./oracles/request-body.ts";
import { allCampaigns } from "./targets/index.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
/** `make fuzz` runs many more. */
const CASES = 400;
console.log(`seed ${SEED}`);

for (const { campaign } of allCampaigns(SEED, new Coverage())) {
  const corpus = corpusOf(campaign.name);

  test(`${CASES} ${campaign.name} by chance, and the corpus, agree with the oracle and trap nowhere`, async () => {
    assert.ok(corpus.length > 0);
    for (const { name, bytes } of corpus) {
      for (let cuts = 0; cuts < 4; cuts++) campaign.file(name, bytes, cuts);
    }
    await campaign.batch(0, CASES);
    assert.deepEqual(
      campaign.failures.map((failure) => `${failure.where}: ${failure.message}`),
      [],
    );
    assert.equal(campaign.tally.accepted + campaign.tally.refused, corpus.length * 4 + CASES);
    assert.ok(campaign.tally.accepted > CASES / 3, `${campaign.tally.accepted} accepted`);
    assert.ok(campaign.tally.refused > CASES / 50, `${campaign.tally.refused} refused`);
  });

  test(`${campaign.name}: a corpus file holds what was kept`, () => {
    for (const { name, bytes } of corpus) {
      assert.deepEqual(Buffer.from(campaign.kept(bytes)), Buffer.from(bytes), name);
    }
  });
}

test("what the official clients send as JSON is accepted, with model and messages", async () => {
  const requests = await new ClientRequests().capture(new Dice(SEED));
  const paths = requests.map(({ path }) => path);
  for (const path of ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/audio/transcriptions"])
    assert.ok(paths.includes(path), path);
  for (const { path, contentType, body } of requests) {
    if (!contentType.startsWith("application/json")) continue;
    const expected = expectedBody(body);
    assert.ok(expected.accepted && expected.fields.model !== undefined, path);
    if (path.endsWith("/chat/completions")) assert.ok(expected.fields.messages > 0, path);
  }
});
