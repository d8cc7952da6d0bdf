import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import { SeededRandom } from "../emulator/random.ts";
import { type Answer, request, type RequestOptions } from "./client.ts";
import { connectHttp2, requestHttp2 } from "./client-http2.ts";
import { BodyGenerator, type GeneratedBody } from "./generated-body.ts";
import { Gateway } from "./harness.ts";
import { RecordingEndpoint } from "./recording-endpoint.ts";
import { assertShare, cut, namesInPlace, oneByOne } from "./rewritten.ts";

const SEED = Number(process.env.SEED ?? 20_261_126);
const BODIES = 10_000;
const HTTP1_LANES = 12;
const HTTP2_LANES = 6;
/** Names of rules of their own, one of them odd, and names for which the rule for any counts. */
const RULED = ["chat", 'équipe/чат-7b 😀 "x"'];
const OTHERS = ["", "chat-blue", "Chat", "chat ", "a/b\n\\c", "模型"];
const BLUE = "chat-blue";
const GREEN = 'gr"ün\\/1';
const BLUE_SHARE = 0.7;
const BASE = "base model";
const FORCE_HEADER = "x-gateway-model-name-rewrite";

type Send = (options: RequestOptions) => Promise<Answer>;

describe("a body whose model is rewritten", () => {
  let endpoints: readonly RecordingEndpoint[];
  let gateway: Gateway;
  let requests = 0;

  before(async () => {
    endpoints = await Promise.all([1, 2].map(() => RecordingEndpoint.start()));
    gateway = await Gateway.start({
      name: "rewrite",
      workers: 2,
      pools: {
        pools: [
          {
            name: "test",
            endpoints: endpoints.map(({ address }) => address),
            discoverModels: false,
            rewrites: [
              {
                models: RULED,
                targets: [
                  { name: BLUE, weight: 70 },
                  { name: GREEN, weight: 30 },
                ],
              },
              { targets: [{ name: BASE }] },
            ],
          },
        ],
      },
    });
  });

  afterEach(() => {
    for (const endpoint of endpoints) endpoint.answer = () => ({ pieces: ["{}"] });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all(endpoints.map((endpoint) => endpoint.stop()));
  });

  it(`differs in the model's bytes alone, over ${BODIES} bodies, and targets come by their weights`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = new SeededRandom(SEED);
    const generator = new BodyGenerator(random, [RULED[0]!, RULED[0]!, ...RULED, ...OTHERS]);
    const drawn = { blue: 0, ruled: 0, bytes: 0, longest: 0 };
    let next = 0;
    const lane = async (send: Send): Promise<void> => {
      let blue = 0;
      let ruled = 0;
      while (next < BODIES) {
        const number = next++;
        const body = generator.next(bodyBytes(random));
        const pieces = cut(body.bytes, body.models.at(-1)!.start, random);
        const sized = random.below(2) === 0;
        const path = pathOf();
        try {
          const name = await arrives(send, path, body, pieces, sized);
          if (RULED.includes(body.models.at(-1)!.name)) {
            ruled++;
            if (name === BLUE) blue++;
          }
        } catch (error) {
          next = BODIES;
          throw new Error(`body ${number} of seed ${SEED}, ${body.bytes.length} bytes: ${String(error)}`);
        }
        drawn.bytes += body.bytes.length;
        drawn.longest = Math.max(drawn.longest, body.bytes.length);
      }
      // A connection stays with one worker: no worker's draws are one-sided.
      assertShare("of one connection", blue, ruled, BLUE_SHARE);
      drawn.blue += blue;
      drawn.ruled += ruled;
    };
    await Promise.all([
      ...Array.from({ length: HTTP1_LANES }, () => overHttp1(lane)),
      ...Array.from({ length: HTTP2_LANES }, () => overHttp2(lane)),
    ]);
    t.diagnostic(
      `${BODIES} bodies, ${drawn.bytes} bytes, the longest ${drawn.longest}; ${drawn.blue} of ${drawn.ruled} went to a target of share ${BLUE_SHARE}`,
    );
    assert.ok(
      drawn.ruled > BODIES / 4 && drawn.ruled < BODIES,
      `${drawn.ruled} bodies with a rule of their own`,
    );
    assertShare("of all", drawn.blue, drawn.ruled, BLUE_SHARE);
    const byWorker = await gateway.stats(`listener\\..*${gateway.port}\\.worker_\\d+\\.downstream_cx_total`);
    assert.equal(
      [...byWorker.values()].filter((count) => count > 0).length,
      2,
      "both workers had connections",
    );
  });

  it("that names none is given the target of the rule for any, and nothing else", async () => {
    const random = new SeededRandom(SEED);
    const members = ['"prompt":"\\"model\\":"', '"n":12345678901234567890', '"metadata":{"model":"inner"}'];
    for (let round = 0; round < 200; round++) {
      const count = random.below(members.length + 1);
      const text = `${" ".repeat(random.below(3))}{${members.slice(0, count).join(" , ")} }\n`;
      const body = Buffer.from(text);
      const path = pathOf();
      const pieces = cut(body, body.length - 2, random);
      const headers = round % 2 === 0 ? { "content-length": String(body.length) } : {};
      const answer = await request(gateway.port, { path, body: oneByOne(pieces), headers });
      assert.equal(answer.status, 200, answer.body.toString());
      const received = only(path).body.toString();
      const added = new RegExp(`,? *"model" *: *${JSON.stringify(BASE)} *,?`);
      assert.equal((JSON.parse(received) as { model: string }).model, BASE, received);
      const found = added.exec(received)!;
      // Taken out again, one comma of the two belongs to what was there.
      const without = [found[0], found[0].slice(0, -1), found[0].slice(1)].map((part) =>
        received.replace(part, ""),
      );
      assert.ok(without.includes(text), `${JSON.stringify(text)} became ${JSON.stringify(received)}`);
    }
  });

  it("goes to the target that the header forces, if it is one of the pool's", async () => {
    const random = new SeededRandom(SEED);
    const generator = new BodyGenerator(random, [...RULED, ...OTHERS]);
    const forced = (target: string) => async (send: Send) => {
      for (let round = 0; round < 100; round++) {
        const body = generator.next(1000);
        const headers = { [FORCE_HEADER]: target };
        assert.equal(await arrives(send, pathOf(), body, [body.bytes], true, headers), target);
      }
    };
    for (const target of [BLUE, BASE]) {
      await overHttp1(forced(target));
      await overHttp2(forced(target));
    }
    await overHttp1(async (send) => {
      for (let round = 0; round < 100; round++) {
        const body = generator.next(1000);
        const name = await arrives(send, pathOf(), body, [body.bytes], true, { [FORCE_HEADER]: "stolen" });
        assert.ok(targetsOf(body.models.at(-1)!.name).includes(name), name);
      }
    });
  });

  it("is the same at every attempt", async () => {
    const random = new SeededRandom(SEED);
    const generator = new BodyGenerator(random, RULED);
    let retried = 0;
    for (let round = 0; round < 40; round++) {
      const failing = endpoints[round % 2]!;
      failing.answer = () => ({ status: 503, pieces: ["{}"] });
      endpoints[1 - (round % 2)]!.answer = () => ({ pieces: ["{}"] });
      const body = generator.next(bodyBytes(random));
      const path = pathOf();
      const answer = await request(gateway.port, { path, body: body.bytes });
      assert.equal(answer.status, 200);
      const attempts = endpoints.flatMap((endpoint) => endpoint.take(path));
      assert.ok(attempts.length === 1 || attempts.length === 2, `${attempts.length} attempts`);
      const [first, second = first] = attempts;
      assert.ok(targetsOf(body.models.at(-1)!.name).includes(namesInPlace(body, first!.body).at(-1)!));
      assert.ok(first!.body.equals(second!.body));
      if (attempts.length === 2) retried++;
    }
    assert.ok(retried > 5, `${retried} requests were retried`);
  });

  it("shows in the access log what it named and what it became", async () => {
    const path = pathOf();
    await request(gateway.port, { path, body: '{"model":"ch\\u0061t"}', headers: { [FORCE_HEADER]: BLUE } });
    const { model, target } = (await gateway.entryOf(path)) as unknown as { model: string; target: string };
    assert.deepEqual({ model, target }, { model: "chat", target: BLUE });
  });

  /** Sends the body and looks at what came of it; resolves with the name that the endpoint goes by. */
  async function arrives(
    send: Send,
    path: string,
    body: GeneratedBody,
    pieces: readonly Buffer[],
    sized: boolean,
    more: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const headers = { ...(sized ? { "content-length": String(body.bytes.length) } : {}), ...more };
    const answer = await send({ path, body: oneByOne(pieces), headers });
    assert.equal(answer.status, 200, answer.body.toString());
    const received = only(path);
    const length = received.headers["content-length"];
    if (sized) assert.equal(length, String(received.body.length));
    else assert.ok(length === undefined || length === String(received.body.length), length);
    const names = namesInPlace(body, received.body);
    const forced = more[FORCE_HEADER];
    for (const [index, name] of names.entries()) {
      const own = body.models[index]!.name;
      const targets = forced === undefined || forced === "stolen" ? targetsOf(own) : [forced];
      const isLast = index === names.length - 1;
      assert.ok(targets.includes(name) || (!isLast && name === own), `${own} became ${name}`);
    }
    return names.at(-1)!;
  }

  function only(path: string) {
    const all = endpoints.flatMap((endpoint) => endpoint.take(path));
    assert.equal(all.length, 1, `${path} arrived ${all.length} times`);
    return all[0]!;
  }

  async function overHttp1(use: (send: Send) => Promise<void>): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      await use((options) => request(gateway.port, { ...options, agent }));
    } finally {
      agent.destroy();
    }
  }

  async function overHttp2(use: (send: Send) => Promise<void>): Promise<void> {
    const session = await connectHttp2(gateway.port);
    try {
      await use((options) => requestHttp2(session, options));
    } finally {
      session.close();
    }
  }

  function pathOf(): string {
    return `/${++requests}/v1/chat/completions`;
  }
});

function targetsOf(name: string): readonly string[] {
  return RULED.includes(name) ? [BLUE, GREEN] : [BASE];
}

/** 200 bytes to 300 KB: most are short, as requests are, and some are longer than the filter reads before it decides. */
function bodyBytes(random: SeededRandom): number {
  const kind = random.below(100);
  if (kind < 70) return 200 + random.below(1800);
  if (kind < 90) return 2000 + random.below(18_000);
  if (kind < 98) return 20_000 + random.below(60_000);
  return 80_000 + random.below(220_000);
}
