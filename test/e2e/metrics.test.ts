/** What a request leaves on Envoy's Prometheus page and on the controller's. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { HISTOGRAM_BOUNDS } from "../../assembly/wire/accounts.ts";
import { PAGE_DIVISORS, PAGE_FIGURES, PAGE_HISTOGRAMS } from "../../assembly/filter/telemetry/stat_names.ts";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { Backend } from "./backend.ts";
import { request } from "./client.ts";
import { Gateway, until } from "./harness.ts";
import { type Sample, samplesOf, sampleValue } from "./prometheus-page.ts";

const BASE = "meta-llama/Llama-3.1-8B:chat";
/** What a name may hold and a statistic's name may not: its separators, quotes, letters beyond ASCII, a dot at the end. */
const ODD = 'a;b=c "q" \\ ü.';
const WHOLE = 20;
const STREAMED = 10;

describe("the metrics of requests", { timeout: 120_000 }, () => {
  let fleet: Fleet;
  let holder: Backend;
  let gateway: Gateway;

  before(async () => {
    fleet = await startFleet({ count: 2, models: [BASE], adapters: [ODD], speed: 20 });
    holder = await Backend.start();
    gateway = await Gateway.start({
      name: "metrics",
      workers: 2,
      pools: {
        pools: [
          {
            name: "chat",
            namespace: "metrics",
            endpoints: fleet.addresses,
            scrape: { interval: "200ms" },
            models: [BASE, { name: ODD, adapter: true }],
            body: { read: "always" },
            rewrites: [{ models: ["alias"], targets: [{ name: BASE }] }],
          },
          {
            name: "held",
            namespace: "metrics",
            endpoints: [holder.address],
            scrape: { interval: "200ms" },
            models: ["slow"],
            body: { read: "always" },
          },
        ],
        routes: [
          { pathPrefix: "/held", pools: ["metrics/held"] },
          { pathPrefix: "/", pools: ["metrics/chat"] },
        ],
      },
    });
    for (let sent = 0; sent < WHOLE; sent++) await ask({ model: BASE });
    for (let sent = 0; sent < STREAMED; sent++) {
      await ask({ model: BASE, stream: true, stream_options: { include_usage: true } });
    }
    await ask({ model: ODD });
    await ask({ model: "alias" });
    assert.equal((await ask({ model: "made-up" }, 404)).includes("made-up"), true);
    assert.equal((await ask("{]", 400)).includes("error"), true);
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([fleet?.close(), holder?.stop()]);
  });

  async function ask(body: object | string, status = 200): Promise<string> {
    const text =
      typeof body === "string"
        ? body
        : JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 12, ...body });
    const answer = await request(gateway.port, { path: "/v1/chat/completions", body: text });
    assert.equal(answer.status, status, answer.body.toString());
    return answer.body.toString();
  }

  async function envoyPage(): Promise<readonly Sample[]> {
    return samplesOf((await gateway.admin("/stats/prometheus")) ?? "");
  }

  const chat = (model: string, target = model) => ({
    model_name: model,
    target_model_name: target,
    pool: "metrics/chat",
  });

  it("are on Envoy's page with the reference's names and labels", async () => {
    const value = async (name: string, labels: Readonly<Record<string, string>>) =>
      sampleValue(await envoyPage(), name, labels);
    const requests = "inference_objective_request_total";
    await until("the counters are handed over", async () => {
      return (await value(requests, chat(BASE))) === WHOLE + STREAMED;
    });
    // Each worker hands its own over, in its own ticks.
    await until("those of the rewritten model too", async () => {
      const decisions = "inference_extension_model_rewrite_decisions_total";
      const alias = chat("alias", BASE);
      return (await value(requests, alias)) === 1 && (await value(decisions, alias)) === 1;
    });
    const refused = { ...chat("other"), error_code: "ModelServerRefused" };
    await until("errors are handed over", async () =>
      value("inference_objective_request_error_total", refused),
    );
    await until("attempts are handed over", async () => {
      const attempts = await value("inference_extension_scheduler_attempts_total", { status: "success" });
      return (attempts ?? 0) >= WHOLE + STREAMED + 3;
    });
    await until("the gauge is set", async () => {
      return (await value("inference_objective_running_requests", chat(BASE))) === 0;
    });
  });

  it("are histograms of whole numbers there, with the reference's bounds", async () => {
    // Envoy merges its workers' histograms every five seconds.
    const page = await until("the histograms are merged", async () => {
      const merged = await envoyPage();
      const name = "inference_objective_request_duration_ms_count";
      return sampleValue(merged, name, chat(BASE)) === WHOLE + STREAMED && merged;
    });
    for (const [place, name] of PAGE_HISTOGRAMS.entries()) {
      const bounds = HISTOGRAM_BOUNDS[PAGE_FIGURES[place]!]!.map((bound) => bound / PAGE_DIVISORS[place]!);
      const shown = page.filter((sample) => {
        const { model_name: model, target_model_name: target } = sample.labels;
        return sample.name === `${name}_bucket` && model === BASE && target === BASE;
      });
      assert.deepEqual(
        shown.map(({ labels }) => labels.le),
        [...bounds.map(String), "+Inf"],
        name,
      );
    }
    const count = (name: string) => sampleValue(page, `inference_objective_${name}_count`, chat(BASE));
    assert.equal(count("output_tokens"), WHOLE + STREAMED);
    assert.equal(count("prompt_cached_tokens"), WHOLE + STREAMED);
    assert.equal(count("request_ttft_ms"), STREAMED);
    assert.equal(count("request_tpot_us"), STREAMED);
    assert.equal(count("response_sizes"), WHOLE);
    assert.equal(count("normalized_time_per_output_token_us"), WHOLE);
  });

  it("bear odd names percent-encoded on Envoy's page, and as they are on the controller's", async () => {
    const encoded = "a%3Bb%3Dc%20%22q%22%20%5C%20%C3%BC%2E";
    const name = "inference_objective_request_total";
    assert.equal(sampleValue(await envoyPage(), name, chat(encoded)), 1);
    const labels = { model_name: ODD, target_model_name: ODD, namespace: "metrics", name: "chat" };
    await until("the controller has it", async () => sampleValue(await controllerPage(), name, labels));
  });

  it("leave Envoy's own statistics as they were", async () => {
    const page = await envoyPage();
    const upstream = sampleValue(page, "envoy_cluster_upstream_rq_total", {
      envoy_cluster_name: "metrics/chat",
    });
    assert.ok((upstream ?? 0) >= WHOLE + STREAMED + 3);
    const labels = { envoy_http_conn_manager_prefix: "gateway" };
    assert.notEqual(sampleValue(page, "envoy_http_downstream_rq_total", labels), undefined);
    const strange = page.filter(({ name, labels: found }) => {
      return !name.startsWith("inference_") && ("model_name" in found || "pool" in found);
    });
    assert.deepEqual(strange, []);
    const leftOver = page.filter(({ name }) => /_model_name|_pool_[a-z]+_chat/.test(name));
    assert.deepEqual(leftOver, []);
  });

  it("are on the controller's page in seconds, with the same counts and sums", async () => {
    const labels = { model_name: BASE, target_model_name: BASE, namespace: "metrics", name: "chat" };
    const counts = await until("the controller has every request", async () => {
      const page = await controllerPage();
      const name = "inference_objective_request_duration_seconds_count";
      return sampleValue(page, name, labels) === WHOLE + STREAMED && page;
    });
    const envoy = await envoyPage();
    for (const name of ["input_tokens", "output_tokens", "request_sizes"]) {
      const [counted, summed] = (["count", "sum"] as const).map((of) => [
        sampleValue(counts, `inference_objective_${name}_${of}`, labels) ?? 0,
        sampleValue(envoy, `inference_objective_${name}_${of}`, chat(BASE)) ?? 0,
      ]) as [[number, number], [number, number]];
      assert.equal(counted[0], counted[1], name);
      // Envoy keeps histograms to two digits.
      const ratio = summed[0] / summed[1];
      assert.ok(ratio > 0.9 && ratio < 1.1, `${name}: ${summed}`);
    }
    const ttft = (of: string) =>
      sampleValue(counts, `inference_objective_request_ttft_seconds_${of}`, labels) ?? 0;
    assert.equal(ttft("count"), STREAMED);
    assert.ok(ttft("sum") > 0 && ttft("sum") < 60);
    const accounts = "inference_picker_feed_accounts_total";
    assert.ok((sampleValue(counts, accounts, { outcome: "accepted" }) ?? 0) > 0);
    assert.equal(sampleValue(counts, accounts, { outcome: "refused" }), 0);
  });

  it("show what is under way, and show it no more once it is over", async () => {
    holder.behaviour = { kind: "hold" };
    const body = JSON.stringify({ model: "slow", messages: [] });
    const held = [1, 2, 3].map(() => request(gateway.port, { path: "/held/v1/chat/completions", body }));
    const shown = async (): Promise<readonly (number | undefined)[]> => [
      sampleValue(await envoyPage(), "inference_objective_running_requests", {
        model_name: "slow",
        target_model_name: "slow",
        pool: "metrics/held",
      }),
      sampleValue(await controllerPage(), "inference_objective_running_requests", {
        model_name: "slow",
        target_model_name: "slow",
        namespace: "metrics",
        name: "held",
      }),
    ];
    const are = (count: number) =>
      until(`${count} run`, async () => (await shown()).every((value) => value === count));
    await are(3);
    holder.release();
    await Promise.all(held);
    await are(0);
  });

  it("begin anew with a controller that starts anew, and count each later request once", async () => {
    const labels = { model_name: BASE, target_model_name: BASE, namespace: "metrics", name: "chat" };
    const requests = async () =>
      sampleValue(await controllerPage(), "inference_objective_request_total", labels);
    await gateway.end(gateway.controller!);
    await gateway.startController();
    await until("the controller knows the VMs", async () => {
      const vms = sampleValue(await controllerPage(), "inference_picker_accounts_vms", {});
      return (vms ?? 0) >= 3;
    });
    assert.equal(await requests(), undefined);
    for (let sent = 0; sent < 3; sent++) await ask({ model: BASE });
    await until("three requests are counted", async () => (await requests()) === 3);
  });

  async function controllerPage(): Promise<readonly Sample[]> {
    return samplesOf((await gateway.metrics()) ?? "");
  }
});
