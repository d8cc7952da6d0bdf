import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { messages, onlyPool, parse, poolMessages } from "./test-pools.ts";

describe("the models of a pools file", () => {
  it("rewrites by the targets of its models, then by its rules, one name before any name and the first of equals", () => {
    const { models, rewrites } = onlyPool(`  models:
  - { name: chat, targets: [{ name: chat-v1, weight: 90 }, chat-v2] }
  - { name: plain, targets: [] }
  rewrites:
  - targets: [base]
  - { models: [], targets: [other] }
  - { models: [fast, faster], targets: [{ name: small }] }
  - { models: [fast], targets: [large] }
`);
    assert.deepEqual(models, [
      { name: "chat", adapter: false },
      { name: "plain", adapter: false },
    ]);
    const small = [{ model: "small", weight: 1 }];
    assert.deepEqual(rewrites, [
      {
        model: "chat",
        targets: [
          { model: "chat-v1", weight: 90 },
          { model: "chat-v2", weight: 1 },
        ],
      },
      { model: "fast", targets: small },
      { model: "faster", targets: small },
      { targets: [{ model: "base", weight: 1 }] },
    ]);
  });

  it("takes a model's name for what it is, whatever its characters", () => {
    const { rewrites } = onlyPool(
      '  rewrites: [{ models: ["meta/L\u00e4ma: 3,\\\\x"], targets: ["__proto__"] }]\n',
    );
    assert.deepEqual(rewrites, [
      { model: "meta/L\u00e4ma: 3,\\x", targets: [{ model: "__proto__", weight: 1 }] },
    ]);
  });

  it("says what becomes of names and usage in answers, and which APIs its paths are", () => {
    const pool = onlyPool(`  restoreModel: true
  usage: { add: true }
  apis:
  - { suffix: /v1/rank, api: json }
  - { suffix: "/engines/{model}/chat", api: openai-chat }
  - { suffix: "/{model}", api: none }
`);
    assert.deepEqual([pool.restoreModel, pool.addUsage], [true, true]);
    assert.deepEqual(pool.apis, [
      { suffix: "/v1/rank", api: "json" },
      { suffix: "/engines/{model}/chat", api: "openai-chat" },
      { suffix: "/{model}", api: "none" },
    ]);
  });

  it("asks endpoints for their models where it lists none, or says so", () => {
    const list = (body: string) => onlyPool(body).endpoints[0]?.modelList;
    assert.deepEqual(list("  knownModelsOnly: true\n"), { intervalMs: 10_000, path: "/v1/models" });
    assert.equal(list("  discoverModels: false\n"), undefined);
    assert.equal(list("  models: [a]\n"), undefined);
    assert.deepEqual(list("  models: [a]\n  discoverModels: { interval: 30s, path: /openai/models }\n"), {
      intervalMs: 30_000,
      path: "/openai/models",
    });
    assert.deepEqual(list("  scrape: false\n"), { intervalMs: 10_000, path: "/v1/models" });
  });

  it("asks for models as Envoy speaks to the port, or as scrapes of the same port do", () => {
    const list = (body: string) => {
      const { modelList } = onlyPool(body, { KEY: "key", TOKEN: "token" }).endpoints[0]!;
      return [modelList?.bearerToken, modelList?.tls?.caFile];
    };
    const scrape = (more: string) => `  scrape: { tokenEnv: TOKEN, tls: { caFile: /scrape.crt }${more} }\n`;
    const envoy = "  apiKeyEnv: KEY\n  tls: { caFile: /envoy.crt }\n";
    assert.deepEqual(list(""), [undefined, undefined]);
    assert.deepEqual(list(envoy), ["key", "/envoy.crt"]);
    assert.deepEqual(list(scrape("")), ["token", "/scrape.crt"]);
    assert.deepEqual(list(scrape(", port: 8000")), ["token", "/scrape.crt"]);
    assert.deepEqual(list(scrape(", port: 9000")), [undefined, undefined]);
    assert.deepEqual(list(envoy + scrape("")), ["key", "/envoy.crt"]);
    assert.deepEqual(list(envoy + scrape(", port: 9000")), ["key", "/envoy.crt"]);
  });

  it("sends a secret of the file only to servers that are verified as its own section says", () => {
    const list = (body: string) => {
      const { modelList } = onlyPool(body, { KEY: "key", TOKEN: "token" }).endpoints[0]!;
      return [modelList?.bearerToken, modelList?.tls?.insecureSkipVerify];
    };
    const strict = "tls: { caFile: /ca.crt }";
    const lax = "tls: { insecureSkipVerify: true }";
    const key = "  apiKeyEnv: KEY\n";
    const scrape = (tls: string) => `  scrape: { tokenEnv: TOKEN, ${tls} }\n`;
    assert.deepEqual(list(`${key}  ${strict}\n${scrape(lax)}`), ["key", false]);
    assert.deepEqual(list(key + scrape(lax)), ["token", true]);
    assert.deepEqual(list(`  ${lax}\n${scrape(strict)}`), [undefined, true]);
    assert.deepEqual(list(`  ${strict}\n${scrape(strict)}`), ["token", false]);
    assert.deepEqual(list(`  ${strict}\n  scrape: { tokenEnv: TOKEN }\n`), [undefined, false]);
  });

  it("calls a route without a name after what it matches, so that it stays the same among others", () => {
    const names = (routes: string) =>
      parse(`pools: [{ name: a, endpoints: [] }]\nroutes: [${routes}]\n`).routes.map(({ name }) => name);
    const models = "{ pathPrefix: /v1, byModel: true, pools: [a] }";
    const other = "{ pathPrefix: /v1, headers: [{ name: x-team, exact: red }], pools: [a] }";
    const [alone] = names(models);
    assert.match(alone!, /^route-[0-9a-f]{16}$/);
    assert.deepEqual(names(`${other}, ${models}, ${models}`).slice(1), [alone, `${alone}-2`]);
    assert.equal(new Set(names(`${other}, ${models}, { pools: [a] }`)).size, 3);
  });

  it("routes by model among pools, each of them once", () => {
    const { routes } = parse(`pools:
- { name: a, endpoints: [] }
- { name: b, namespace: n, endpoints: [] }
routes:
- { name: models, byModel: true, pools: [a, { pool: n/b }] }
`);
    assert.deepEqual(routes, [
      {
        name: "models",
        pathPrefix: "/",
        headers: [],
        pools: [
          { pool: "default/a", weight: 1 },
          { pool: "n/b", weight: 1 },
        ],
        byModel: true,
      },
    ]);
  });
});

describe("a mistake about models", () => {
  for (const [what, body, message] of [
    [
      "a model list that is asked for too often",
      "  discoverModels: { interval: 500ms }",
      "pools[0].discoverModels.interval: 500ms is below 1s",
    ],
    [
      "discoverModels: true",
      "  discoverModels: true",
      "pools[0].discoverModels: true is not false or a mapping",
    ],
    [
      "a rewrite without targets",
      "  rewrites: [{ targets: [] }]",
      "pools[0].rewrites[0].targets: 0 targets is below 1",
    ],
    [
      "a rewrite with too many targets",
      `  rewrites: [{ targets: [${Array.from({ length: 1025 }, (_, index) => `t${index}`)}] }]`,
      "pools[0].rewrites[0].targets: 1025 targets is above 1024",
    ],
    [
      "a target of no weight",
      "  models: [{ name: a, targets: [{ name: b, weight: 0 }] }]",
      "pools[0].models[0].targets[0].weight: 0 is below 1",
    ],
    [
      "a target of too much weight",
      "  rewrites: [{ targets: [{ name: b, weight: 1000001 }] }]",
      "pools[0].rewrites[0].targets[0].weight: 1000001 is above 1000000",
    ],
    [
      "a target twice",
      "  rewrites: [{ targets: [b, { name: b, weight: 2 }] }]",
      "pools[0].rewrites[0].targets[1]: b is also pools[0].rewrites[0].targets[0]",
    ],
    [
      "a model that is rewritten in both places",
      "  models: [{ name: a, targets: [b] }]\n  rewrites: [{ models: [c, a], targets: [d] }]",
      "pools[0].rewrites[0].models[1]: a is also rewritten by pools[0].models[0].targets",
    ],
    [
      "a rewrite of bodies that are not read",
      "  rewrites: [{ targets: [b] }]\n  body: { read: never }",
      "pools[0].rewrites: needs the body, and body.read is never",
    ],
    [
      "a model's targets where bodies are not read",
      "  models: [{ name: a, targets: [b] }]\n  body: { read: never }",
      "pools[0].models[0].targets: needs the body, and body.read is never",
    ],
    [
      "usage added to bodies that are not read",
      "  usage: { add: true }\n  body: { read: never }",
      "pools[0].usage.add: needs the body, and body.read is never",
    ],
    ["an unknown key of usage", "  usage: { strip: true }", "pools[0].usage.strip: is not a known key"],
    [
      "an API that is not spoken",
      "  apis: [{ suffix: /v1/x, api: grpc }]",
      "pools[0].apis[0].api: grpc is not one of openai-chat, openai-completions, openai-responses, openai-embeddings, openai-audio, openai-images, anthropic-messages, json, none",
    ],
    [
      "an API's path twice",
      "  apis: [{ suffix: /x, api: json }, { suffix: /x, api: none }]",
      "pools[0].apis[1]: /x is also pools[0].apis[0]",
    ],
    [
      "too many APIs",
      `  apis: [${Array.from({ length: 65 }, (_, index) => `{ suffix: /x${index}, api: json }`)}]`,
      "pools[0].apis: 65 APIs is above 64",
    ],
    [
      "an API's path that is too long",
      `  apis: [{ suffix: /${"x".repeat(256)}, api: json }]`,
      "pools[0].apis[0].suffix: 257 bytes is above 256",
    ],
  ] as const) {
    it(`is refused: ${what}`, () => {
      assert.deepEqual(
        poolMessages(`${body}\n`).map((line) => line.replace(/ \(line \d+\)$/, "")),
        [message],
      );
    });
  }

  for (const suffix of [
    "v1/x",
    "/v1/x/",
    "/v1//x",
    "/x?a=b",
    "/{model}/a/{model}",
    "/a{model}",
    "/{name}",
    "/a b",
    "/é",
    "/",
  ]) {
    it(`is refused: the path ${suffix} of an API`, () => {
      assert.deepEqual(poolMessages(`  apis: [{ suffix: ${JSON.stringify(suffix)}, api: json }]\n`), [
        `pools[0].apis[0].suffix: ${suffix} is not the end of a path such as /v1/rerank, in ASCII and without a query, in which one segment may be {model} (line 4)`,
      ]);
    });
  }

  it("is refused in routes by model: weights, no pools, a pool that never reads bodies", () => {
    assert.deepEqual(
      messages(`pools:
- { name: a, endpoints: [] }
- { name: b, endpoints: [], body: { read: never } }
routes:
- { byModel: true, pools: [{ pool: a, weight: 1 }] }
- { byModel: true, pools: [] }
- { byModel: true, pools: [a, b] }
`),
      [
        "routes[0].pools[0].weight: has no meaning on a route by model (line 5)",
        "routes[1].pools: 0 pools is below 1 (line 6)",
        "routes[2].pools[1]: b cannot be found by model, its body.read is never (line 7)",
      ],
    );
  });

  it("is refused beside routes by model: a match by a header that they write", () => {
    const file = (byModel: boolean) => `pools: [{ name: a, endpoints: [] }]
routes:
- { name: models, byModel: ${byModel}, pools: [a] }
- { name: m, headers: [{ name: x-team, exact: m }, { name: x-gateway-model-name, exact: m }], pools: [a] }
- { name: p, headers: [{ name: x-inference-picker-pool, exact: default/a }], pools: [a] }
`;
    const why = "is written on routes by model, so that no route of the file can match by it";
    assert.deepEqual(messages(file(true)), [
      `routes[1].headers[1].name: x-gateway-model-name ${why} (line 4)`,
      `routes[2].headers[0].name: x-inference-picker-pool ${why} (line 5)`,
    ]);
    assert.equal(parse(file(false)).routes.length, 3);
  });

  it("is refused where no table has room: rules of many names with many targets, APIs and routes without end", () => {
    const list = (count: number, prefix: string) =>
      `[${Array.from({ length: count }, (_, index) => `${prefix}${index}`)}]`;
    const rules = `  rewrites: [{ models: ${list(65, "m")}, targets: ${list(1024, "t")} }]\n`;
    assert.deepEqual(poolMessages(rules), [
      "pools: 66560 targets of models with rewrites is above 65536 (line 1)",
    ]);
    const apis = `[${Array.from({ length: 64 }, (_, index) => `{ suffix: /a${index}, api: json }`)}]`;
    const pools = Array.from(
      { length: 129 },
      (_, index) => `- { name: p${index}, endpoints: [], apis: ${apis} }`,
    );
    assert.deepEqual(messages(`pools:\n${pools.join("\n")}\n`), ["pools: 8256 APIs is above 8192 (line 1)"]);
    const routes = "- { byModel: true, pools: [p] }\n".repeat(8193);
    assert.deepEqual(messages(`pools:\n- { name: p, endpoints: [] }\nroutes:\n${routes}`), [
      "routes: 8193 routes by model is above 8192 (line 3)",
    ]);
  });
});
