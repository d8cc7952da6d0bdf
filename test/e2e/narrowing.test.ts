import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Backend } from "./backend.ts";
import { type Answer, request, servedOf } from "./client.ts";
import { Gateway, until } from "./harness.ts";

const SUBSET = "x-gateway-destination-endpoint-subset";
/** By chance alone a request that goes anywhere meets one of two endpoints out of four so often once in 10^9. */
const ROUNDS = 30;

/** What a filter before the picker may do: it puts what a header says into dynamic metadata, as text or as a list. */
const HINTS = `
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    local text = handle:headers():get("x-hint-text")
                    local list = handle:headers():get("x-hint-list")
                    local value = text
                    if list then
                      value = {}
                      for item in string.gmatch(list, "[^,]+") do table.insert(value, item) end
                    end
                    if value then
                      handle:streamInfo():dynamicMetadata():set("envoy.lb.subset_hint", "${SUBSET}", value)
                    end
                  end`;

describe("a request that may go to some endpoints only", () => {
  let backends: readonly Backend[];
  let gateway: Gateway;

  before(async () => {
    backends = await Promise.all([0, 1, 2, 3].map(() => Backend.start()));
    const labels = [
      ["tier=gold", "context=0-1000"],
      ["tier=gold", "context=0-100000"],
      ["tier=standard", "context=0-100000"],
      ["tier=standard"],
    ];
    gateway = await Gateway.start({
      name: "narrowing",
      pools: {
        pools: [
          {
            name: "test",
            profile: "random",
            models: ["m"],
            body: { read: "always" },
            scrape: { interval: "200ms" },
            subset: "both",
            sessionAffinity: true,
            contextLengthLabel: "context",
            slo: { headers: true },
            classes: {
              header: "x-tier",
              values: [
                { value: "gold", labels: ["tier=gold"] },
                { value: "standard", labels: ["tier=standard"] },
                { value: "platinum", labels: ["tier=platinum"] },
              ],
            },
            endpoints: backends.map(({ address }, at) => ({ address, labels: labels[at] })),
          },
        ],
      },
      editBootstrap: (text) => text.replace("          http_filters:", (found) => `${found}${HINTS}`),
    });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  const ask = (headers: Readonly<Record<string, string>>, prompt = "hello"): Promise<Answer> =>
    request(gateway.port, {
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "m", prompt }),
    });

  /** Indices of the backends that serve such requests; a string says why one was refused. */
  async function servers(headers: Readonly<Record<string, string>>, prompt?: string) {
    const found = new Set<number | string>();
    for (let round = 0; round < ROUNDS; round++) {
      const answer = await ask(headers, prompt);
      if (answer.status === 200) {
        const { served } = servedOf(answer);
        found.add(backends.findIndex(({ address }) => address === served));
      } else found.add(`${answer.status} ${answer.headers["x-inference-picker-reason"]}`);
    }
    return [...found].sort();
  }

  const listed = (...indices: readonly number[]) => indices.map((at) => backends[at]!.address).join(",");

  it("goes anywhere where nothing is said", async () => {
    await until("all are used", async () => (await servers({})).length === 4);
  });

  it("goes to those that a header lists", async () => {
    assert.deepEqual(await servers({ [SUBSET]: listed(1, 2) }), [1, 2]);
    assert.deepEqual(await servers({ [SUBSET]: "192.0.2.1:80" }), ["503 no_eligible_endpoint"]);
  });

  it("goes to those that metadata lists, be it text or a list, before the header's", async () => {
    assert.deepEqual(await servers({ "x-hint-text": listed(0, 3), [SUBSET]: listed(1) }), [0, 3]);
    assert.deepEqual(await servers({ "x-hint-list": listed(2) }), [2]);
    assert.deepEqual(await servers({ "x-hint-list": listed(1, 3), [SUBSET]: listed(0) }), [1, 3]);
    assert.deepEqual(await servers({ "x-hint-list": "," }), ["503 no_eligible_endpoint"]);
  });

  it("goes to those of its class", async () => {
    assert.deepEqual(await servers({ "x-tier": "gold" }), [0, 1]);
    assert.deepEqual(await servers({ "x-tier": "standard" }), [2, 3]);
    assert.deepEqual(await servers({ "x-tier": "platinum" }), ["503 no_eligible_endpoint"]);
    assert.equal((await servers({ "x-tier": "none" })).length, 4);
  });

  it("goes to those that are for prompts as long as its own", async () => {
    assert.deepEqual(await servers({ "x-tier": "gold" }, "word ".repeat(10_000)), [1]);
    assert.deepEqual(await servers({ "x-tier": "gold" }, "hello"), [0, 1]);
    assert.deepEqual(await servers({}, "word ".repeat(10_000)), [1, 2, 3]);
  });

  it("of a session goes where the session's first request was served", async () => {
    const token = (await ask({})).headers["x-session-token"];
    assert.match(String(token), /^[0-9a-f]{16}$/);
    const answer = await ask({ "x-session-token": String(token) });
    const home = servedOf(answer).served;
    assert.equal(answer.headers["x-session-token"], token);
    const others = await servers({ "x-session-token": String(token) });
    assert.deepEqual(others, [backends.findIndex(({ address }) => address === home)]);
  });

  it("may state its objectives, whatever they are", async () => {
    for (const value of ["250", "0.5", "0", "-1", "1e3", "", "soon", "9".repeat(400)]) {
      const answer = await ask({ "x-slo-ttft-ms": value, "x-slo-tpot-ms": value });
      assert.equal(answer.status, 200, value);
    }
  });
});
