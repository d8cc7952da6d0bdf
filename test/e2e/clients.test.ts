/** The official clients of OpenAI and Anthropic, as they are, through the gateway to simulated servers. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { type Fleet, startFleet } from "../../controller/src/simulation/fleet.ts";
import { Gateway, until } from "./harness.ts";

const MODEL = "base";
const ADAPTER = "lora";
/** Of the route to the pool that refuses models which it does not list. */
const STRICT = "/strict";
const QUESTION = 'What is the weather in Paris, and what is it like in "Łódź"? \u2028 🙂';
/** A tool as the three APIs write it. */
const SCHEMA = {
  type: "object" as const,
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const CHAT_TOOL: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: { name: "weather", description: "of a city", parameters: SCHEMA },
};
/** Longer than the part of a body that is read before the pick. */
const PICTURE = `data:image/png;base64,${createHash("sha512").update("picture").digest("base64").repeat(3000)}`;

interface Clients {
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
}

type Messages = OpenAI.ChatCompletionMessageParam[];

describe("the official clients", { timeout: 120_000 }, () => {
  let fleet: Fleet;
  let gateway: Gateway;
  let direct: Clients;
  let picked: Clients;
  /** Requests that reached an endpoint through the gateway. */
  let calls = 0;

  before(async () => {
    fleet = await startFleet({ count: 2, models: [MODEL], adapters: [ADAPTER], speed: 50 });
    const endpoints = fleet.addresses;
    const models = [MODEL, { name: ADAPTER, adapter: true }];
    const scrape = { interval: "200ms" };
    gateway = await Gateway.start({
      name: "clients",
      pools: {
        pools: [
          { name: "open", endpoints, models, scrape, body: { read: "always" } },
          { name: "strict", endpoints, models, scrape, body: { read: "always" }, knownModelsOnly: true },
        ],
        routes: [
          { pathPrefix: STRICT, pools: ["strict"] },
          { pathPrefix: "/", pools: ["open"] },
        ],
      },
    });
    direct = clientsOf(fleet.servers[0]!.url);
    picked = clientsOf(gateway.url);
  });

  after(async () => {
    await gateway?.stop();
    await fleet?.close();
  });

  /** What a call gives through the gateway; it must be what an endpoint gives to the same call. */
  async function same<Value>(call: (clients: Clients) => PromiseLike<Value>): Promise<Value> {
    const wanted = await call(direct);
    calls++;
    const got = await call(picked);
    assert.deepEqual(comparable(got), comparable(wanted));
    return got;
  }

  describe("OpenAI's", () => {
    const messages: Messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: QUESTION },
    ];

    for (const model of [MODEL, ADAPTER]) {
      it(`chats with ${model}, whole and streamed, in the same words`, async () => {
        const asked = { model, messages, max_completion_tokens: 20 };
        const whole = await same(({ openai }) => openai.chat.completions.create(asked));
        assert.equal(whole.model, model);
        assert.equal(whole.usage?.completion_tokens, 20);
        const streamed = await same(({ openai }) =>
          openai.chat.completions
            .stream({ ...asked, stream_options: { include_usage: true } })
            .finalChatCompletion(),
        );
        assert.equal(streamed.choices[0]?.message.content, whole.choices[0]?.message.content);
        assert.equal(streamed.usage?.completion_tokens, 20);
      });
    }

    it("goes on with a conversation", async () => {
      const first = await same(({ openai }) =>
        openai.chat.completions.create({ model: MODEL, messages, max_completion_tokens: 40 }),
      );
      const more: Messages = [
        ...messages,
        first.choices[0]!.message,
        { role: "user", content: "And tomorrow?" },
      ];
      const second = await same(({ openai }) =>
        openai.chat.completions.create({ model: MODEL, messages: more, max_completion_tokens: 5, n: 2 }),
      );
      assert.equal(second.choices.length, 2);
      assert.ok(second.usage!.prompt_tokens > first.usage!.total_tokens);
    });

    it("gets calls of tools, whole and in the pieces of a stream, and answers them", async () => {
      const asked = { model: MODEL, messages, tools: [CHAT_TOOL], tool_choice: "required" as const };
      const whole = await same(({ openai }) => openai.chat.completions.create(asked));
      const message = whole.choices[0]!.message;
      const [called] = message.tool_calls ?? [];
      assert.ok(called?.type === "function");
      assert.equal(called.function.name, "weather");
      assert.equal(whole.choices[0]?.finish_reason, "tool_calls");
      assert.equal(typeof JSON.parse(called.function.arguments).city, "string");
      const pieces = await same(async ({ openai }) => {
        let joined = "";
        for await (const chunk of await openai.chat.completions.create({ ...asked, stream: true })) {
          for (const { delta } of chunk.choices) {
            for (const call of delta.tool_calls ?? []) joined += call.function?.arguments ?? "";
          }
        }
        return joined;
      });
      assert.equal(pieces, called.function.arguments);
      const answered: Messages = [
        ...messages,
        message,
        { role: "tool", tool_call_id: called.id, content: "rain" },
      ];
      await same(({ openai }) =>
        openai.chat.completions.create({ model: MODEL, messages: answered, max_completion_tokens: 5 }),
      );
    });

    it("sends pictures and sounds", async () => {
      const { usage } = await same(({ openai }) =>
        openai.chat.completions.create({
          model: MODEL,
          max_completion_tokens: 5,
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text: "What is this?" },
                { type: "image_url", image_url: { url: PICTURE } },
                { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
              ],
            },
          ],
        }),
      );
      assert.ok(usage!.prompt_tokens > 384);
    });

    it("completes a text", async () => {
      const asked = { model: MODEL, prompt: ["Once upon", "a time"], max_tokens: 4 };
      const whole = await same(({ openai }) => openai.completions.create(asked));
      assert.equal(whole.choices.length, 2);
      const text = await same(async ({ openai }) => {
        const texts = ["", ""];
        for await (const { choices } of await openai.completions.create({ ...asked, stream: true })) {
          for (const each of choices) texts[each.index] += each.text;
        }
        return texts;
      });
      assert.deepEqual(
        text,
        whole.choices.map((each) => each.text),
      );
    });

    it("gets responses, whole and streamed, with text, pictures and calls of tools", async () => {
      const asked = {
        model: MODEL,
        instructions: "Be brief.",
        max_output_tokens: 12,
        input: [
          {
            role: "user" as const,
            content: [
              { type: "input_text" as const, text: QUESTION },
              { type: "input_image" as const, image_url: PICTURE, detail: "auto" as const },
            ],
          },
        ],
      };
      const whole = await same(({ openai }) => openai.responses.create(asked));
      assert.equal(whole.output_text.length, 48);
      const streamed = await same(({ openai }) => openai.responses.stream(asked).finalResponse());
      assert.equal(streamed.output_text, whole.output_text);
      assert.equal(streamed.usage?.output_tokens, 12);
      const called = await same(({ openai }) =>
        openai.responses
          .stream({
            model: MODEL,
            input: QUESTION,
            tools: [{ type: "function", name: "weather", parameters: SCHEMA, strict: true }],
            tool_choice: { type: "function", name: "weather" },
          })
          .finalResponse(),
      );
      const [item] = called.output;
      assert.ok(item?.type === "function_call");
      assert.equal(typeof JSON.parse(item.arguments).city, "string");
    });

    it("gets embeddings in its own encoding and as numbers", async () => {
      const input = [QUESTION, "two", "three"];
      const packed = await same(({ openai }) =>
        openai.embeddings.create({ model: MODEL, input, dimensions: 32 }),
      );
      const plain = await same(({ openai }) =>
        openai.embeddings.create({ model: MODEL, input, dimensions: 32, encoding_format: "float" }),
      );
      assert.equal(packed.data.length, 3);
      for (const [i, { embedding }] of packed.data.entries()) {
        assert.deepEqual([...embedding], plain.data[i]?.embedding);
      }
      assert.equal(packed.usage.prompt_tokens, plain.usage.prompt_tokens);
    });

    it("lists the models and asks for one of them", async () => {
      const models = await same(async ({ openai }) => (await openai.models.list()).data.map(({ id }) => id));
      assert.deepEqual(models, [MODEL, ADAPTER]);
      assert.equal((await same(({ openai }) => openai.models.retrieve(ADAPTER))).id, ADAPTER);
    });

    it("uploads sounds to be transcribed and translated, and hears speech", async () => {
      const sound = () => toFile(Buffer.alloc(200_000, "sound"), "sound.wav", { type: "audio/wav" });
      const asked = async () => ({ file: await sound(), model: MODEL, language: "en" });
      const { text } = await same(async ({ openai }) => openai.audio.transcriptions.create(await asked()));
      assert.ok(text.length > 50);
      const streamed = await same(async ({ openai }) => {
        let joined = "";
        const stream = await openai.audio.transcriptions.create({ ...(await asked()), stream: true });
        // Model servers send chunks in the place of the events that the client's types name.
        for await (const chunk of stream as AsyncIterable<unknown>) {
          const { choices } = chunk as { choices: readonly { delta: { content: string } }[] };
          for (const { delta } of choices) joined += delta.content;
        }
        return joined.trimStart();
      });
      assert.equal(streamed, text);
      await same(async ({ openai }) =>
        openai.audio.translations.create({ file: await sound(), model: ADAPTER }),
      );
      const speech = await same(async ({ openai }) => {
        const answer = await openai.audio.speech.create({
          model: MODEL,
          input: "Good morning",
          voice: "alloy",
        });
        const sound = Buffer.from(await answer.arrayBuffer());
        return { bytes: sound.length, sha256: createHash("sha256").update(sound).digest("hex") };
      });
      assert.ok(speech.bytes > 1000);
    });

    it("generates and edits pictures", async () => {
      const made = await same(({ openai }) =>
        openai.images.generate({ model: MODEL, prompt: "a cat", n: 2 }),
      );
      assert.equal(made.data?.length, 2);
      const edited = await same(async ({ openai }) => {
        const image = await toFile(Buffer.from(made.data![0]!.b64_json!, "base64"), "cat.png", {
          type: "image/png",
        });
        return openai.images.edit({ model: MODEL, prompt: "a hat on it", image });
      });
      assert.equal(edited.data?.length, 1);
    });

    it("gets typed errors with their messages, from an endpoint and from the gateway", async () => {
      const unknown = { model: "no-such", messages };
      await assert.rejects(picked.openai.chat.completions.create(unknown), (error) => {
        assert.ok(error instanceof OpenAI.NotFoundError);
        assert.match(error.message, /no-such/);
        return true;
      });
      calls++;
      await assert.rejects(
        picked.openai.chat.completions.create({ model: MODEL, messages, n: 0 }),
        (error) => {
          assert.ok(error instanceof OpenAI.BadRequestError);
          assert.match(error.message, /n must be at least 1/);
          assert.equal(error.param, "n");
          return true;
        },
      );
      calls++;
      const strict = clientsOf(gateway.url + STRICT).openai;
      for (const call of [
        () => strict.chat.completions.create(unknown),
        () => strict.chat.completions.create({ ...unknown, stream: true }),
        () => strict.responses.create({ model: "no-such", input: "x" }),
        () => strict.embeddings.create({ model: "no-such", input: "x" }),
      ]) {
        await assert.rejects(call, (error) => {
          assert.ok(error instanceof OpenAI.NotFoundError);
          assert.match(error.message, /no-such/);
          assert.equal(error.code, "model_not_found");
          assert.equal(error.headers.get("x-inference-picker-reason"), "model_unknown");
          return true;
        });
      }
    });

    it("ends the endpoint's work when it leaves a stream", async () => {
      const stream = await picked.openai.chat.completions.create({
        model: MODEL,
        messages,
        max_completion_tokens: 100_000,
        stream: true,
      });
      calls++;
      let chunks = 0;
      for await (const _ of stream) if (++chunks === 3) break;
      await idle();
    });
  });

  describe("Anthropic's", () => {
    const asked: Anthropic.MessageCreateParamsNonStreaming = {
      model: MODEL,
      max_tokens: 20,
      system: "Be brief.",
      messages: [{ role: "user", content: QUESTION }],
    };

    it("gets messages, whole and streamed, in the same words", async () => {
      const whole = await same(({ anthropic }) => anthropic.messages.create(asked));
      assert.equal(whole.usage.output_tokens, 20);
      assert.equal(whole.stop_reason, "max_tokens");
      const streamed = await same(({ anthropic }) => anthropic.messages.stream(asked).finalMessage());
      assert.deepEqual(streamed.content, whole.content);
      assert.equal(streamed.usage.output_tokens, 20);
    });

    it("sends pictures, gets calls of tools, and answers them", async () => {
      const tools: Anthropic.Tool[] = [{ name: "weather", input_schema: SCHEMA }];
      const content: Anthropic.ContentBlockParam[] = [
        { type: "text", text: QUESTION },
        {
          type: "image",
          source: { type: "base64", media_type: "image/png", data: PICTURE.slice(PICTURE.indexOf(",") + 1) },
        },
      ];
      const messages: Anthropic.MessageParam[] = [{ role: "user", content }];
      const forced = { ...asked, max_tokens: 100, tools, tool_choice: { type: "any" as const }, messages };
      const whole = await same(({ anthropic }) => anthropic.messages.create(forced));
      const streamed = await same(({ anthropic }) => anthropic.messages.stream(forced).finalMessage());
      const [block] = whole.content;
      assert.ok(block?.type === "tool_use");
      assert.equal(typeof (block.input as { city: unknown }).city, "string");
      assert.deepEqual(comparable(streamed.content), comparable(whole.content));
      assert.equal(streamed.stop_reason, "tool_use");
      const answered: Anthropic.MessageParam[] = [
        ...messages,
        { role: "assistant", content: whole.content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: block.id, content: "rain" }] },
      ];
      await same(({ anthropic }) => anthropic.messages.create({ ...asked, tools, messages: answered }));
    });

    it("counts tokens", async () => {
      const { model, system, messages } = asked;
      const counted = await same(({ anthropic }) =>
        anthropic.messages.countTokens({ model, messages, ...(system === undefined ? {} : { system }) }),
      );
      assert.ok(counted.input_tokens > 20);
    });

    it("gets typed errors with their messages, from an endpoint and from the gateway", async () => {
      const unknown = { ...asked, model: "no-such" };
      calls++;
      for (const anthropic of [picked.anthropic, clientsOf(gateway.url + STRICT).anthropic]) {
        await assert.rejects(anthropic.messages.create(unknown), (error) => {
          assert.ok(error instanceof Anthropic.NotFoundError);
          assert.match(error.message, /no-such/);
          assert.equal(error.type, "not_found_error");
          return true;
        });
      }
      calls++;
      await assert.rejects(picked.anthropic.messages.create({ ...asked, max_tokens: 0 }), (error) => {
        assert.ok(error instanceof Anthropic.BadRequestError);
        assert.match(error.message, /max_tokens/);
        assert.equal(error.type, "invalid_request_error");
        return true;
      });
    });

    it("ends the endpoint's work when it leaves a stream", async () => {
      calls++;
      const stream = picked.anthropic.messages.stream({ ...asked, max_tokens: 100_000 });
      await assert.rejects(async () => {
        for await (const event of stream) if (event.type === "content_block_delta") stream.abort();
      }, Anthropic.APIUserAbortError);
      await idle();
    });
  });

  it("were picked for by the filter wherever an endpoint answered", async () => {
    const served = await until("every request is in the access log", () => {
      const entries = gateway.logged().filter(({ served, path }) => served !== null && path !== "/warm-up");
      return entries.length >= calls && entries;
    });
    assert.equal(served.length, calls);
    assert.ok(calls > 30, `${calls} calls`);
    assert.deepEqual(
      served.filter(({ picked, served }) => picked?.split(",")[0] !== served),
      [],
    );
  });

  /** Waits until no endpoint works on anything. */
  async function idle(): Promise<void> {
    await until("the endpoints are idle", () => fleet.servers.every(({ inFlight }) => inFlight === 0));
    for (const { driver } of fleet.servers) assert.equal(driver.model.running, 0);
  }
});

/** Without retries: a call is one request. */
function clientsOf(url: string): Clients {
  return {
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 }),
  };
}

/** Fields that differ from answer to answer: names, times, and what the prefix cache held. */
const OWN =
  /^(?:(?:item_|call_|tool_call_)?id|created(?:_at)?|cached_tokens|created_cache_tokens|.*cache.*input_tokens|_request_id)$/;

/** A copy to compare. Anthropic's `input_tokens` leave out what the cache held or took in: they are summed up. */
function comparable(value: unknown): unknown {
  const text = JSON.stringify(value, (key, each: unknown) => {
    if (OWN.test(key)) return undefined;
    if (typeof each !== "object" || each === null || !("cache_read_input_tokens" in each)) return each;
    const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens, output_tokens } =
      each as Anthropic.Usage;
    const input = input_tokens + (cache_read_input_tokens ?? 0) + (cache_creation_input_tokens ?? 0);
    return { input_tokens: input, output_tokens };
  });
  return JSON.parse(text);
}
