/** Tokens of ten thousand mixed answers, as clients, endpoints, access log and metrics count them. */
import assert from "node:assert/strict";
import { Agent } from "node:http";
import type { ClientHttp2Session } from "node:http2";
import { after, before, describe, it } from "node:test";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { type Answer, request } from "./client.ts";
import { connectHttp2, requestHttp2 } from "./client-http2.ts";
import { Gateway, until } from "./harness.ts";
import { type MixedRequest, mixedRequests, textEventsOf, type Tokens, tokensOf } from "./mixed-requests.ts";

const REQUESTS = 10_000;
const AT_ONCE = 48;
const SEED = 6;
const MODELS = ["meta-llama/Llama-3.1-8B", "lora-a", "lora:b.1"] as const;
const NONE: Tokens = { prompt: 0, completion: 0, cached: 0 };
/** Accounts are sent up once a second at most. */
const SENT_UP_WITHIN_MS = 20_000;

/** What the access log has of an answer: texts, null where it is not known. */
interface Accounted {
  readonly model: string | null;
  readonly prompt_tokens: string | null;
  readonly completion_tokens: string | null;
  readonly cached_tokens: string | null;
}

type ByModel = Readonly<Record<string, Tokens>>;

describe("the tokens of mixed answers, cut anywhere", { timeout: 180_000 }, () => {
  let fleet: Fleet;
  let gateway: Gateway;
  let http2: ClientHttp2Session;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  /** As the clients were told. */
  const told = new Map<string, Tokens>();
  const problems: string[] = [];
  let tells = 0;
  let refused = 0;
  /** Events with text in answers that told nothing. */
  let untoldEvents = 0;

  before(async () => {
    const [base, ...adapters] = MODELS;
    // As fast as real ones, since on a busy machine tokens of faster ones would come many in an event.
    fleet = await startFleet({ count: 3, models: [base], adapters });
    gateway = await Gateway.start({
      name: "tokens",
      pools: {
        pools: [
          {
            name: "mixed",
            namespace: "tokens",
            endpoints: fleet.addresses,
            scrape: { interval: "200ms" },
            models: [base, ...adapters.map((name) => ({ name, adapter: true }))],
          },
        ],
      },
    });
    http2 = await connectHttp2(gateway.port);
    const startMs = performance.now();
    const waiting = mixedRequests(SEED, REQUESTS, MODELS);
    const worker = async (): Promise<void> => {
      for (const asked of waiting) await send(asked);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const seconds = (performance.now() - startMs) / 1000;
    console.log(
      `${REQUESTS} requests of seed ${SEED} in ${seconds.toFixed(1)} s, ${tells} answers with usage`,
    );
  });

  after(async () => {
    agent.destroy();
    http2?.close();
    await gateway?.stop();
    await fleet?.close();
  });

  async function send(asked: MixedRequest & { readonly model: string }): Promise<void> {
    const { api, model, path, headers, body, isHttp2, isRefused } = asked;
    let answer: Answer;
    try {
      answer = isHttp2
        ? await requestHttp2(http2, { path, headers, body })
        : await request(gateway.port, { path, headers, body, agent });
    } catch (error) {
      problems.push(`${api}: ${error}`);
      return;
    }
    if (answer.status !== (isRefused ? 400 : 200)) {
      problems.push(`${api}: ${answer.status} ${answer.body.toString().slice(0, 200)}`);
      return;
    }
    const tokens = isRefused ? undefined : tokensOf(api, answer.body.toString());
    if ((tokens !== undefined) !== asked.tells) problems.push(`${api}: told ${JSON.stringify(tokens)}`);
    if (isRefused) refused++;
    else if (tokens === undefined) untoldEvents += textEventsOf(answer.body.toString());
    if (tokens === undefined) return;
    tells++;
    told.set(model, sum(told.get(model) ?? NONE, tokens));
  }

  it("reach clients that every request was answered for", () => {
    assert.deepEqual(problems, []);
    assert.ok(tells > REQUESTS / 2 && tells < REQUESTS - refused, `${tells} answers with usage`);
    assert.ok(refused > 0);
  });

  it("are those that the endpoints told", () => {
    const byEndpoints = new Map<string, Tokens>();
    for (const row of fleet.servers.flatMap((server) => server.totals())) {
      const { promptTokens: prompt, completionTokens: completion, cachedTokens: cached } = row.told;
      byEndpoints.set(row.model, sum(byEndpoints.get(row.model) ?? NONE, { prompt, completion, cached }));
    }
    assert.deepEqual(record(byEndpoints), record(told));
    for (const { prompt, completion, cached } of told.values())
      assert.ok(prompt > cached && cached > 0 && completion > 0);
  });

  it("are those of the access log", async () => {
    const entries = await until("every request is in the access log", () => {
      const logged = gateway.logged().filter(({ path }) => path !== "/warm-up");
      return logged.length >= REQUESTS && logged;
    });
    assert.equal(entries.length, REQUESTS);
    const logged = new Map<string, Tokens>();
    for (const entry of entries as readonly unknown[] as readonly Accounted[]) {
      const { model, prompt_tokens: prompt, completion_tokens: completion, cached_tokens: cached } = entry;
      if (prompt === null || prompt === undefined) continue;
      const tokens = { prompt: Number(prompt), completion: Number(completion), cached: Number(cached ?? 0) };
      logged.set(String(model), sum(logged.get(String(model)) ?? NONE, tokens));
    }
    assert.deepEqual(record(logged), record(told));
  });

  it("are those of the controller's metrics", async () => {
    let seen: ByModel = {};
    await until(
      "the metrics have every token",
      async () => {
        seen = await counted();
        return JSON.stringify(seen) === JSON.stringify(record(told));
      },
      SENT_UP_WITHIN_MS,
    ).catch(() => assert.deepEqual(seen, record(told)));
  });

  it("are estimated by events where an answer does not tell them", async (t) => {
    const rows = fleet.servers.flatMap((server) => server.totals());
    const untold = rows.reduce((all, row) => all + row.completionTokens - row.told.completionTokens, 0);
    const page = await gateway.metrics();
    const estimate = total(sums(page, "inference_picker_output_tokens_estimated"));
    assert.equal(estimate, untoldEvents);
    // On a busy machine several tokens come in an event, and the estimate is too low.
    const offPercent = (100 * (estimate - untold)) / untold;
    t.diagnostic(`${untold} tokens not told, estimated ${estimate}: off by ${offPercent.toFixed(1)} %`);
    const error = "inference_picker_estimated_tokens_relative_error";
    const checked = total(sums(page, error, "count"));
    const meanPercent = (100 * total(sums(page, error))) / checked;
    t.diagnostic(
      `of ${checked} answers that told them it was off by ${meanPercent.toFixed(1)} % in the mean`,
    );
    assert.ok(checked > 0 && checked <= tells);
  });

  /** By the controller, over all of its pools' rows. */
  async function counted(): Promise<ByModel> {
    const page = await gateway.metrics();
    const [prompt, completion, cached] = [
      "inference_objective_input_tokens",
      "inference_objective_output_tokens",
      "inference_objective_prompt_cached_tokens",
    ].map((name) => sums(page, name));
    return record(
      new Map(
        MODELS.map((model) => [
          model,
          {
            prompt: prompt!.get(model) ?? 0,
            completion: completion!.get(model) ?? 0,
            cached: cached!.get(model) ?? 0,
          },
        ]),
      ),
    );
  }
});

/** A histogram's sums, or counts, by `model_name`. */
function sums(
  page: string | undefined,
  name: string,
  of: "sum" | "count" = "sum",
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [, labels, value] of (page ?? "").matchAll(
    new RegExp(`^${name}_${of}\\{(.*)\\} (\\S+)$`, "gm"),
  )) {
    const model = /(?:^|,)model_name="([^"]*)"/.exec(labels!)?.[1] ?? "";
    found.set(model, (found.get(model) ?? 0) + Number(value));
  }
  return found;
}

function total(values: ReadonlyMap<string, number>): number {
  return [...values.values()].reduce((all, each) => all + each, 0);
}

function sum(a: Tokens, b: Tokens): Tokens {
  return {
    prompt: a.prompt + b.prompt,
    completion: a.completion + b.completion,
    cached: a.cached + b.cached,
  };
}

/** In the order of the names. */
function record(tokens: ReadonlyMap<string, Tokens>): ByModel {
  return Object.fromEntries([...tokens].sort(([a], [b]) => (a < b ? -1 : 1)));
}
