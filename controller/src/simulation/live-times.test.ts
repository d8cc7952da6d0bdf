import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { type Fleet, startFleet } from "./fleet.ts";
import { hardware } from "./hardware.ts";
import { type Random, seededRandom } from "./random.ts";
import { ServerModel } from "./server-model.ts";

const REQUESTS = 48;
const AT_A_TIME = 12;

interface Timed {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** On one clock: when the client began to send, saw the first event and the last one. */
  readonly sentMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Four bytes are a token; no two texts begin alike. */
function text(tokens: number, random: Random): string {
  return Array.from({ length: tokens }, () => String(Math.floor(1000 + 9000 * random()))).join("");
}

function send(url: string, promptTokens: number, outputTokens: number, random: Random): Promise<Timed> {
  const prompt = text(promptTokens, random);
  return new Promise((resolve, reject) => {
    const sentMs = performance.now();
    let firstMs = -1;
    const headers = { "content-type": "application/json" };
    const request = http.request(`${url}/v1/completions`, { method: "POST", headers }, (response) => {
      response.on("data", () => {
        if (firstMs < 0) firstMs = performance.now();
      });
      response.on("error", reject);
      response.on("end", () => {
        assert.equal(response.statusCode, 200);
        resolve({ promptTokens, outputTokens, sentMs, firstMs, lastMs: performance.now() });
      });
    });
    request.on("error", reject);
    request.end(JSON.stringify({ prompt, max_tokens: outputTokens, stream: true }));
  });
}

/** As many at a time as the batch shall hold; the next goes out when one has ended. */
async function measure({ servers }: Fleet): Promise<readonly Timed[]> {
  const random = seededRandom(1);
  const measured: Timed[] = [];
  let started = 0;
  const one = async (): Promise<void> => {
    while (started < REQUESTS) {
      started++;
      const promptTokens = 20 + Math.floor(3000 * random() ** 2);
      measured.push(await send(servers[0]!.url, promptTokens, 10 + Math.floor(110 * random()), random));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, one));
  return measured.sort((a, b) => a.sentMs - b.sentMs);
}

/** Times to the first token and per token after it, of the same requests sent at the same times. */
function predict(measured: readonly Timed[]): readonly (readonly [ttftMs: number, tpotMs: number])[] {
  const model = new ServerModel(hardware("llama-3.1-8b-h100"));
  const requests = measured.map(({ promptTokens, outputTokens, sentMs }) =>
    model.submit({ promptTokens, outputTokens, blockHashes: [] }, sentMs),
  );
  while (model.nextEventMs < Number.POSITIVE_INFINITY) model.advanceTo(model.nextEventMs);
  return requests.map(({ arrivalMs, firstTokenMs, finishedMs, outputTokens }) => [
    firstTokenMs - arrivalMs,
    (finishedMs - firstTokenMs) / (outputTokens - 1),
  ]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

test("a live server's times are those that the model predicts, up to the way there and back", async (context) => {
  const fleet = await startFleet({ count: 1, models: ["base"] });
  try {
    const measured = await measure(fleet);
    const predicted = predict(measured);
    const errors = measured.map(({ sentMs, firstMs, lastMs, outputTokens }, index) => {
      const [ttftMs, tpotMs] = predicted[index]!;
      const measuredTpotMs = (lastMs - firstMs) / (outputTokens - 1);
      return { ttftMs: firstMs - sentMs - ttftMs, tpot: measuredTpotMs / tpotMs - 1 };
    });
    const ttftMs = median(errors.map((error) => Math.abs(error.ttftMs)));
    const tpot = median(errors.map((error) => Math.abs(error.tpot)));
    context.diagnostic(`TTFT off by ${ttftMs.toFixed(1)} ms, TPOT by ${(100 * tpot).toFixed(2)} %, medians`);
    const lasting = median(predicted.map(([, tpotMs]) => tpotMs));
    assert.ok(lasting > 6 && lasting < 20, `${lasting} ms a token`);
    // A millisecond on the way decides which step takes a request in, and steps with prompts last up to 60 ms.
    assert.ok(ttftMs < 60, `TTFT off by ${ttftMs} ms`);
    assert.ok(tpot < 0.06, `TPOT off by ${tpot}`);
  } finally {
    await fleet.close();
  }
});
