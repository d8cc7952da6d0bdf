import assert from "node:assert/strict";
import type { ClientHttp2Session } from "node:http2";
import { after, before, describe, it } from "node:test";
import { SeededRandom } from "../emulator/random.ts";
import { type Answer, request, type RequestOptions } from "./client.ts";
import { connectHttp2, requestHttp2 } from "./client-http2.ts";
import { Gateway } from "./harness.ts";
import { type Recorded, type RecordedAnswer, RecordingEndpoint } from "./recording-endpoint.ts";
import { type AnswerForm, STREAMED, TYPED, WHOLE } from "./scripted-answers.ts";

const SEED = Number(process.env.SEED ?? 20_261_127);
/** Of each form of answer, over each protocol. */
const ROUNDS = 25;
const NAMES = [
  "chat",
  'équipe/чат-7b 😀 "x"\\',
  "a much longer name than that of the target, with /slashes/",
];
const TARGET = "chat-blue";
const PATHS: Readonly<Record<string, string>> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  responses: "/v1/responses",
  messages: "/v1/messages",
};

interface SentBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
}

describe("an answer", () => {
  const random = new SeededRandom(SEED);
  let endpoint: RecordingEndpoint;
  let gateway: Gateway;
  let http2: ClientHttp2Session;
  let requests = 0;
  /** What the endpoint answers next, and with. */
  let form: AnswerForm = WHOLE.chat!;
  /** The model's name as the endpoint wrote it. */
  let wrote = "";

  before(async () => {
    endpoint = await RecordingEndpoint.start();
    endpoint.answer = answer;
    const rewrites = [{ models: NAMES, targets: [TARGET] }];
    const own = { endpoints: [endpoint.address], discoverModels: false };
    gateway = await Gateway.start({
      name: "restore",
      pools: {
        pools: [
          { name: "both", ...own, rewrites, restoreModel: true, usage: { add: true } },
          { name: "restored", ...own, rewrites, restoreModel: true },
          { name: "kept", ...own, rewrites },
          { name: "usage", ...own, usage: { add: true } },
        ],
        routes: ["both", "restored", "kept", "usage"].map((name) => ({
          pathPrefix: name === "both" ? "/" : `/${name}`,
          pools: [name],
        })),
      },
    });
    http2 = await connectHttp2(gateway.port);
  });

  after(async () => {
    http2?.close();
    await gateway?.stop();
    await endpoint?.stop();
  });

  const protocols: Readonly<Record<string, (options: RequestOptions) => Promise<Answer>>> = {
    "HTTP/1.1": (options) => request(gateway.port, options),
    "HTTP/2": (options) => requestHttp2(http2, options),
  };

  for (const [protocol, send] of Object.entries(protocols)) {
    describe(`over ${protocol}`, () => {
      const forms = [
        ...Object.entries(WHOLE).map(([name, of]) => [`whole: ${name}`, name, of] as const),
        ...Object.entries(STREAMED).map(([name, of]) => [`streamed: ${name}`, name, of] as const),
        ...Object.entries(TYPED).map(([name, of]) => [`streamed: ${name}`, name, of] as const),
      ];
      for (const [what, name, of] of forms) {
        it(`bears the client's name of the model again, and is else as it was (${what})`, async () => {
          for (let round = 0; round < ROUNDS; round++) {
            const model = NAMES[round % NAMES.length]!;
            const seen = await ask(send, "restored", name, of, {
              model,
              stream: what.startsWith("streamed"),
            });
            assert.equal(seen.told, of.text(JSON.stringify(model), false), `seed ${SEED} round ${round}`);
            assert.equal(seen.received.model, TARGET);
          }
        });
      }

      it("bears the target's name where nothing is restored", async () => {
        const seen = await ask(send, "kept", "chat", WHOLE.chat!, { model: NAMES[0]! });
        assert.equal(JSON.parse(seen.told).model, TARGET);
      });

      for (const [name, of] of Object.entries(STREAMED)) {
        for (const pool of ["usage", "both"]) {
          it(`tells no usage that its client did not ask for (${name}, pool ${pool})`, async () => {
            for (let round = 0; round < ROUNDS; round++) {
              const model = NAMES[round % NAMES.length]!;
              const quiet: SentBody["stream_options"][] = [undefined, null, {}, { include_usage: false }];
              const options = quiet[round % quiet.length];
              const body = {
                model,
                stream: true,
                ...(options === undefined ? {} : { stream_options: options }),
              };
              const seen = await ask(send, pool, name, of, body);
              assert.equal(seen.told, of.text(nameIn(pool, model), false), `seed ${SEED} round ${round}`);
              if (options === undefined) assert.equal(seen.received.stream_options?.include_usage, true);
            }
          });

          it(`tells the usage that its client asked for (${name}, pool ${pool})`, async () => {
            for (const model of NAMES) {
              const body = { model, stream: true, stream_options: { include_usage: true } };
              const seen = await ask(send, pool, name, of, body);
              assert.equal(seen.told, of.text(nameIn(pool, model), true), `seed ${SEED}`);
            }
          });
        }
      }

      it("tells no usage that a long body did not ask for, wherever the body says that it streams", async () => {
        for (const bytes of [100, 70_000, 300_000]) {
          for (const place of ["first", "last"]) {
            const text = { messages: [{ role: "user", content: "x".repeat(bytes) }], model: NAMES[1]! };
            const body = place === "first" ? { stream: true, ...text } : { ...text, stream: true };
            const seen = await ask(send, "usage", "chat", STREAMED.chat!, body);
            assert.equal(seen.told, STREAMED.chat!.text(wrote, false), `${bytes} bytes, stream ${place}`);
            assert.deepEqual(seen.received, { ...body, stream_options: { include_usage: true } });
          }
        }
      });

      it("is not asked for usage where it is not streamed, and keeps what it tells", async () => {
        for (const body of [{ model: NAMES[0]! }, { model: NAMES[0]!, stream: false }]) {
          const seen = await ask(send, "usage", "chat", WHOLE.chat!, body);
          assert.deepEqual(seen.received, { messages: [], ...body });
          assert.equal(seen.told, WHOLE.chat!.text(wrote, true));
        }
      });
    });
  }

  it("counts the tokens of a usage that its client does not see", async () => {
    const { path } = await ask(protocols["HTTP/1.1"]!, "usage", "chat", STREAMED.chat!, {
      model: NAMES[0]!,
      stream: true,
    });
    const entry = (await gateway.entryOf(path)) as unknown as Readonly<Record<string, unknown>>;
    assert.deepEqual([Number(entry.prompt_tokens), Number(entry.completion_tokens)], [7, 5]);
  });

  /** What must stand for the model: as the endpoint wrote it where nothing was rewritten. */
  function nameIn(pool: string, model: string): string {
    return pool === "usage" ? wrote : JSON.stringify(model);
  }

  /** One request of the API; what its client was told and what the endpoint had received. */
  async function ask(
    send: (options: RequestOptions) => Promise<Answer>,
    pool: string,
    api: string,
    of: AnswerForm,
    body: SentBody,
  ): Promise<{ readonly path: string; readonly told: string; readonly received: SentBody }> {
    form = of;
    const path = `/${pool}/${++requests}${PATHS[api.split(",")[0]!]}`;
    const answered = await send({ path, body: JSON.stringify({ messages: [], ...body }) });
    assert.equal(answered.status, 200, answered.body.toString());
    assert.equal(answered.headers["content-type"], of.contentType);
    const length = answered.headers["content-length"];
    assert.ok(length === undefined || Number(length) === answered.body.length);
    const [received] = endpoint.take(path);
    return {
      path,
      told: answered.body.toString(),
      received: JSON.parse(received!.body.toString()) as SentBody,
    };
  }

  function answer({ body }: Recorded): RecordedAnswer {
    // The harness asks without one whether the gateway picks.
    if (body.length === 0) return { pieces: ["{}"] };
    const { model, stream_options: options } = JSON.parse(body.toString()) as SentBody;
    wrote = written(model!);
    const text = form.text(wrote, options?.include_usage === true);
    return { contentType: form.contentType, pieces: shred(Buffer.from(text)) };
  }

  /** The name as JSON, in one of the ways of servers: as it is, or with every character escaped that may be. */
  function written(name: string): string {
    if (random.below(2) === 0) return JSON.stringify(name);
    const escaped = JSON.stringify(name).replaceAll("/", "\\/");
    return escaped.replace(/[^ -~]|b/gu, (found) =>
      [...Array(found.length).keys()]
        .map((at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`)
        .join(""),
    );
  }

  /** Whole, or cut into pieces that are all no longer than some bytes. */
  function shred(bytes: Buffer): readonly Buffer[] {
    const most = [1, 3, 20, 90, 700, bytes.length][random.below(6)]!;
    if (most === bytes.length) return [bytes];
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length) {
      pieces.push(bytes.subarray(at, at + 1 + random.below(most)));
    }
    return pieces;
  }
});
