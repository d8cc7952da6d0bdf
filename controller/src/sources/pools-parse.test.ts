import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { PROFILE_LIST } from "../../../assembly/wire/profiles.ts";
import { messages, onlyPool, parse, poolMessages, problems } from "./test-pools.ts";

describe("a pools file", () => {
  it("needs no more than names and endpoints; the rest has the documented defaults", () => {
    assert.deepEqual(parse("pools:\n- name: llama\n  endpoints: [10.0.0.1:8000]\n"), {
      pools: [
        {
          namespace: "default",
          name: "llama",
          profile: "net-goodput",
          scorers: [],
          failureMode: "FailClose",
          clusters: ["default/llama"],
          endpoints: [
            {
              name: "10.0.0.1:8000",
              host: "10.0.0.1",
              port: 8000,
              engine: "vllm",
              scrape: { intervalMs: 500, timeoutMs: 2000, path: "/metrics" },
              modelList: { intervalMs: 10_000, path: "/v1/models" },
            },
          ],
          models: [],
          objectives: [],
          rewrites: [],
          restoreModel: false,
          addUsage: false,
          apis: [],
          readBody: "auto",
          requireModel: false,
          knownModelsOnly: false,
          staleAfterMs: 1500,
          bodyWindowBytes: 65536,
          bodyLimitBytes: 16777216,
          saturation: { queueLimit: 5, kvLimit: 0.8 },
          picking: {
            ttft: { baseMs: 1000, perThousandMs: 62.5 },
            tpotMs: 40,
            objectiveHeaders: false,
            subset: "none",
            sessionAffinity: false,
          },
          appProtocol: "http",
        },
      ],
      routes: [
        {
          name: "default",
          pathPrefix: "/",
          headers: [],
          pools: [{ pool: "default/llama", weight: 1 }],
          byModel: false,
        },
      ],
    });
  });

  it("is shown whole by the example, which parses", () => {
    const path = fileURLToPath(new URL("../../../envoy/examples/pools.yaml", import.meta.url));
    const inventory = parse(readFileSync(path, "utf8"));
    assert.deepEqual(
      inventory.pools.map((pool) => [pool.name, pool.profile, pool.readBody, pool.endpoints.length]),
      [
        ["llama", "net-goodput", "auto", 3],
        ["qwen", "weighted", "auto", 2],
      ],
    );
    assert.equal(inventory.pools[0]?.endpoints[2]?.scrape?.port, 9003);
    assert.deepEqual(inventory.routes[0]?.pools, [
      { pool: "default/llama", weight: 90 },
      { pool: "default/qwen", weight: 10 },
    ]);
  });

  it("takes an endpoint's scrape keys over the pool's, and false as having no metrics", () => {
    const { pools } = parse(`
pools:
- name: p
  engine: sglang
  discoverModels: false
  scrape: { interval: 2s, path: /m, port: 9000 }
  endpoints:
  - 10.0.0.1:8000
  - { name: other, address: "[FD00::0:1]:8000", engine: vllm, scrape: { interval: 1s } }
  - { name: silent, address: Models.Example.com:8000, scrape: false }
`);
    assert.deepEqual(pools[0]?.endpoints, [
      {
        name: "10.0.0.1:8000",
        host: "10.0.0.1",
        port: 8000,
        engine: "sglang",
        scrape: { intervalMs: 2000, timeoutMs: 2000, path: "/m", port: 9000 },
      },
      {
        name: "other",
        host: "fd00::1",
        port: 8000,
        engine: "vllm",
        scrape: { intervalMs: 1000, timeoutMs: 2000, path: "/m", port: 9000 },
      },
      { name: "silent", host: "models.example.com", port: 8000, engine: "sglang" },
    ]);
    assert.equal(pools[0]?.staleAfterMs, 6000);
  });

  it("says whether the body is read, or leaves it open", () => {
    for (const [read, expected] of [
      ["always", true],
      ["never", false],
      ["auto", "auto"],
    ] as const) {
      assert.equal(onlyPool(`  body: { read: ${read} }\n`).readBody, expected, read);
    }
  });

  it("takes secrets from files and variables, and makes paths absolute", () => {
    const pool = onlyPool(
      "  apiKeyEnv: KEY\n  tls: { caFile: ca.crt }\n  scrape: { tokenFile: key, tls: { caFile: /x/ca.crt } }\n",
      { KEY: "from-env" },
    );
    assert.equal(pool.upstreamApiKey, "from-env");
    assert.deepEqual(pool.upstreamTls, { caFile: "/etc/picker/ca.crt", insecureSkipVerify: false });
    assert.equal(pool.endpoints[0]?.scrape?.bearerToken, "from-file");
    assert.deepEqual(pool.endpoints[0]?.scrape?.tls, { caFile: "/x/ca.crt", insecureSkipVerify: false });
  });
});

describe("a mistake in a pools file", () => {
  it("is named by path, value, bound and line", () => {
    assert.deepEqual(poolMessages("  scrape: { interval: 5ms }\n"), [
      "pools[0].scrape.interval: 5ms is below 50ms (line 4)",
    ]);
    const [problem] = problems("pools:\n- name: p\n  endpoints: []\n  scrape:\n    interval: 5ms\n");
    assert.deepEqual(
      [problem?.code, problem?.path, problem?.value, problem?.bound, problem?.line],
      ["CONFIG_RANGE", "pools[0].scrape.interval", "5ms", "50ms", 5],
    );
  });

  it("is found in every place at once, in one error", () => {
    const source = "pools:\n- name: P\n  endpoint: []\n  profile: best\n  endpoints: [x]\n";
    assert.deepEqual(messages(source), [
      "pools[0].name: P is not a name of a-z, 0-9, - and . (line 2)",
      `pools[0].profile: best is not one of ${PROFILE_LIST.join(", ")} (line 4)`,
      "pools[0].endpoints[0]: x is not host:port, with an IPv6 address in brackets (line 5)",
      "pools[0].endpoint: is not a known key (line 3)",
    ]);
  });

  for (const [what, body, message] of [
    [
      "an unknown key deep down",
      "  scrape: { intervall: 1s }",
      "pools[0].scrape.intervall: is not a known key",
    ],
    [
      "a secret written inline",
      "  apiKey: hunter2",
      "pools[0].apiKey: is not a known key; secrets are not written here, name a file or a variable",
    ],
    [
      "a duration without unit",
      "  staleAfter: 500",
      "pools[0].staleAfter: 500 is not a duration such as 500ms or 2s",
    ],
    ["a size above its bound", "  body: { limit: 1GiB }", "pools[0].body.limit: 1GiB is above 256MiB"],
    [
      "a window above the limit",
      "  body: { window: 2MiB, limit: 1MiB }",
      "pools[0].body.window: 2097152 bytes is above the limit of 1048576",
    ],
    ["a ratio above one", "  saturation: { kvLimit: 80 }", "pools[0].saturation.kvLimit: 80 is above 1"],
    [
      "a weight of zero",
      "  profile: weighted\n  scorers: [{ name: in-flight, weight: 0 }]",
      "pools[0].scorers[0].weight: 0 is below 0.001",
    ],
    [
      "scorers without their profile",
      "  scorers: [{ name: in-flight }]",
      "pools[0].scorers: scorers need profile: weighted",
    ],
    [
      "the profile without scorers",
      "  profile: weighted",
      "pools[0].profile: profile weighted needs at least 1 scorer",
    ],
    ["a list where a mapping belongs", "  body: []", "pools[0].body: a list is not a mapping"],
    ["an empty value", "  models:", "pools[0].models: null is not a list"],
    ["scrape: true", "  scrape: true", "pools[0].scrape: true is not false or a mapping"],
    ["a key without its certificate", "  tls: { keyFile: k }", "pools[0].tls.keyFile: needs certFile"],
    [
      "requireModel without a body",
      "  requireModel: true\n  body: { read: never }",
      "pools[0].requireModel: needs the body, and body.read is never",
    ],
    [
      "knownModelsOnly without models and nobody to ask for them",
      "  knownModelsOnly: true\n  discoverModels: false",
      "pools[0].knownModelsOnly: needs at least 1 entry in models, or discoverModels",
    ],
    ["a model twice", "  models: [a, b, { name: a }]", "pools[0].models[2]: a is also pools[0].models[0]"],
    [
      "two sources of one secret",
      "  apiKeyFile: key\n  apiKeyEnv: KEY",
      "pools[0].apiKeyEnv: apiKeyFile is given too",
    ],
    [
      "an absent secret file",
      "  apiKeyFile: absent",
      "pools[0].apiKeyFile: the file that it names cannot be read",
    ],
    [
      "an empty secret",
      "  apiKeyFile: empty",
      "pools[0].apiKeyFile: the secret in the file that it names is empty",
    ],
    [
      "an unset variable",
      "  apiKeyEnv: NO_SUCH",
      "pools[0].apiKeyEnv: the variable that it names is not set",
    ],
  ] as const) {
    it(`is refused: ${what}`, () => {
      assert.deepEqual(
        poolMessages(`${body}\n`).map((line) => line.replace(/ \(line \d+\)$/, "")),
        [message],
      );
    });
  }

  for (const [address, message] of [
    ["fd00::1:8000", "fd00::1:8000 is not host:port, with an IPv6 address in brackets"],
    ["10.0.0.1", "10.0.0.1 is not host:port, with an IPv6 address in brackets"],
    ["10.0.0.256:80", "10.0.0.256 is neither an IP address nor a DNS name"],
    ["10.0.0.1:0", "port 0 is below 1"],
    ["10.0.0.1:65536", "port 65536 is above 65535"],
    ["[10.0.0.1]:80", "[10.0.0.1]:80 holds no IPv6 address between the brackets"],
    ["[fe80::1%eth0]:80", "[fe80::1%eth0]:80 holds no IPv6 address between the brackets"],
    ["a b:80", "a b is neither an IP address nor a DNS name"],
    ["http://a:80", "http://a:80 is not host:port, with an IPv6 address in brackets"],
  ] as const) {
    it(`is refused: the address ${address}`, () => {
      const source = `pools:\n- name: p\n  endpoints: [${JSON.stringify(address)}]\n`;
      assert.deepEqual(messages(source), [`pools[0].endpoints[0]: ${message} (line 3)`]);
    });
  }

  it("names both places of a duplicate pool, endpoint, name or cluster", () => {
    assert.deepEqual(
      messages(`pools:
- name: a
  endpoints: [10.0.0.1:80, { name: x, address: "10.0.0.1:80" }, { name: x, address: "10.0.0.2:80" }]
- name: a
  clusters: [c]
  endpoints: []
- name: b
  clusters: [d, c]
  endpoints: []
`),
      [
        "pools[0].endpoints[1]: 10.0.0.1:80 is also pools[0].endpoints[0] (line 3)",
        "pools[0].endpoints[2]: x is also pools[0].endpoints[1] (line 3)",
        "pools[1].name: default/a is also pools[0].name (line 4)",
        "pools[2].clusters[1]: c is also pools[1].clusters[0] (line 8)",
      ],
    );
  });

  it("is refused in routes: unknown pools, no weight at all, repeated names", () => {
    const source = `pools:
- { name: a, endpoints: [] }
routes:
- { name: r, pools: [b] }
- { name: r, pools: [{ pool: a, weight: 0 }] }
- { pools: [] , pathPrefix: v1 }
`;
    assert.deepEqual(messages(source), [
      "routes[2].pathPrefix: v1 is not a path that begins with / (line 6)",
    ]);
    assert.deepEqual(messages(source.replace(", pathPrefix: v1", "")), [
      "routes[0].pools[0]: b is not a pool of this file (line 4)",
      "routes[1].pools: a total weight of 0 is below 1 (line 5)",
      "routes[2].pools: a total weight of 0 is below 1 (line 6)",
      "routes[1]: r is also routes[0] (line 5)",
    ]);
  });

  it("is refused as YAML: broken syntax, repeated keys, expanding aliases, nothing at all", () => {
    assert.match(messages("pools: [\n")[0] ?? "", /^\/etc\/picker\/pools\.yaml: .* \(line \d\)$/);
    assert.match(messages("pools: []\npools: []\n")[0] ?? "", /unique.* \(line 2\)$/);
    assert.deepEqual(messages(""), ["file: null is not a mapping"]);
    assert.deepEqual(messages("pools: []\n"), ["pools: 0 pools is below 1 (line 1)"]);
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
    for (const [name, before] of ["ba", "cb", "dc", "ed", "fe", "gf"]) {
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
    }
    assert.match(messages(`${bomb.join("\n")}\n`)[0] ?? "", /alias/i);
  });

  it("never shows a secret's value", () => {
    const shown = messages("pools:\n- { name: p, apiKeyEnv: KEY, token: s3cret, endpoints: [] }\n").join();
    assert.ok(!shown.includes("s3cret"));
    const bad = messages("pools:\n- { name: p, apiKeyEnv: KEY, endpoints: [] }\n", {
      KEY: "s3cret\n",
    }).join();
    assert.equal(
      bad,
      "pools[0].apiKeyEnv: the variable that it names holds a character that a header cannot carry (line 2)",
    );
  });

  for (const [what, body] of [
    ["apiKeyEnv", "  apiKeyEnv: PASTED-1"],
    ["apiKeyEnv, like a variable", "  apiKeyEnv: hf_PASTED"],
    ["apiKeyEnv, beside a file", "  apiKeyFile: key\n  apiKeyEnv: PASTED"],
    ["apiKeyEnv, of many lines", '  apiKeyEnv: "PASTED\\nPASTED"'],
    ["apiKeyFile", "  apiKeyFile: sk-PASTED"],
    ["apiKeyFile, beside a variable", "  apiKeyFile: PASTED\n  apiKeyEnv: KEY"],
    ["tokenEnv", "  scrape: { tokenEnv: PASTED-1 }"],
    ["tokenEnv, like a variable", "  scrape: { tokenEnv: PASTED }"],
    ["tokenFile", "  scrape: { tokenFile: PASTED }"],
    ["tokenFile, of many lines", '  scrape: { tokenFile: "PASTED\\nPASTED" }'],
    ["tokenFile, a list", "  scrape: { tokenFile: [PASTED] }"],
    ["tls", "  tls: PASTED"],
    ["tls of a scrape", "  scrape: { tls: [PASTED] }"],
    ["tls.keyFile", '  tls: { certFile: c, keyFile: "PASTED\\nPASTED" }'],
    ["tls.keyFile, too long", `  tls: { certFile: c, keyFile: ${"PASTED".repeat(1000)} }`],
    ["tls.insecureSkipVerify", "  tls: { insecureSkipVerify: PASTED }"],
    ["tls.serverName", "  tls: { serverName: { a: PASTED } }"],
  ] as const) {
    it(`never shows what was written at ${what}`, () => {
      const found = problems(`pools:\n- name: p\n  endpoints: [10.0.0.1:8000]\n${body}\n`);
      assert.equal(found.length, 1);
      assert.match(found[0]!.message, /^pools\[0\]\.[\w.]+: .+ \(line \d+\)$/);
      assert.ok(!inspect(found, { depth: 9 }).includes("PASTED"), inspect(found, { depth: 9 }));
    });
  }
});

describe("a pools file that nests", () => {
  const LEVELS = 200_000;
  for (const [what, source] of [
    ["brackets", "[".repeat(LEVELS)],
    ["braces", "pools: [{".padEnd(LEVELS, "{")],
    ["sequences on one line", `pools:\n${"- ".repeat(LEVELS)}x\n`],
    ["keys on one line", `${"? ".repeat(LEVELS)}x\n`],
    ["brackets after a key", `${"a: {".repeat(LEVELS)}`],
    ["mappings, line by line", Array.from({ length: 500 }, (_, at) => `${" ".repeat(at)}a:\n`).join("")],
  ] as const) {
    it(`too deep in ${what} is refused before it is parsed`, () => {
      const [problem, ...more] = problems(source);
      assert.deepEqual(more, []);
      assert.deepEqual([problem?.code, problem?.bound], ["POOLS_FILE_SYNTAX", 64]);
      assert.match(
        problem?.message ?? "",
        /^\/etc\/picker\/pools\.yaml: nests deeper than 64 levels \(line \d+\)$/,
      );
    });
  }

  it("little is taken, however long, and whatever brackets stand in its texts and comments", () => {
    const route = `- { headers: [{ name: a, exact: "${"[".repeat(100)}" }], pools: [p] } # ${"{".repeat(100)}\n`;
    const texts = `- pathPrefix: >-\n    /${"[".repeat(100)}\n  pools:\n    - pool: p\n`;
    const source = `pools:\n- name: p\n  endpoints: []\nroutes:\n${route.repeat(100)}${texts}`;
    assert.equal(parse(source).routes.length, 101);
  });
});
