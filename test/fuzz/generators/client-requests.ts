import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import type { Dice } from "../dice.ts";
import { someText } from "./text.ts";

/** What an official client put on the wire. */
export interface ClientRequest {
  readonly path: string;
  readonly contentType: string;
  readonly body: Buffer;
}

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const ANSWER = JSON.stringify({
  id: "x",
  object: "list",
  type: "message",
  content: [],
  choices: [],
  data: [],
});

/** The official OpenAI and Anthropic clients, which think that they talk to a server. */
export class ClientRequests {
  readonly #sent: ClientRequest[] = [];
  readonly #openai: OpenAI;
  readonly #anthropic: Anthropic;

  constructor() {
    const options = { apiKey: "none", maxRetries: 0, fetch: this.#take };
    this.#openai = new OpenAI({ ...options, baseURL: "http://gateway.test/v1" });
    this.#anthropic = new Anthropic({ ...options, baseURL: "http://gateway.test" });
  }

  /** One request of every kind below, with texts and settings by chance. */
  async capture(dice: Dice): Promise<readonly ClientRequest[]> {
    this.#sent.length = 0;
    for (const call of [...this.#openaiCalls(dice), ...this.#anthropicCalls(dice)]) await call();
    return [...this.#sent];
  }

  readonly #take = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(url, init);
    const { protocol, pathname } = new URL(request.url);
    // The OpenAI client looks at how `fetch` treats forms, on a data: URL, before it sends the first one.
    if (protocol === "http:") {
      this.#sent.push({
        path: pathname,
        contentType: request.headers.get("content-type") ?? "",
        body: Buffer.from(await request.arrayBuffer()),
      });
    }
    return new Response(ANSWER, { headers: { "content-type": "application/json" } });
  };

  #openaiCalls(dice: Dice): readonly (() => PromiseLike<unknown>)[] {
    const { chat, completions, responses, embeddings, audio, images } = this.#openai;
    const model = dice.pick(["gpt-4o", "meta-llama/Llama-3.1-8B-Instruct", someText(dice, 30)]);
    const text = (): string => someText(dice, 400);
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } } as const;
    const stream = dice.percent(50);
    return [
      () =>
        chat.completions.create({
          model,
          messages: [
            { role: "system", content: text() },
            { role: "user", content: [{ type: "text", text: text() }, image, image] },
          ],
          stream,
          ...(stream ? { stream_options: { include_usage: dice.percent(50) } } : {}),
          max_completion_tokens: dice.below(4096),
          n: 1 + dice.below(3),
          user: text(),
        }),
      () =>
        chat.completions.create({
          messages: [
            { role: "user", content: text() },
            {
              role: "assistant",
              content: null,
              tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: text() } }],
            },
            { role: "tool", tool_call_id: "call_1", content: text() },
          ],
          model,
          tools: [
            {
              type: "function",
              function: {
                name: "look",
                description: text(),
                parameters: { type: "object", properties: { model: { type: "string" } } },
              },
            },
          ],
          max_tokens: dice.below(2 ** 31),
        }),
      () =>
        completions.create({ model, prompt: dice.percent(50) ? text() : [text(), text()], max_tokens: 16 }),
      () =>
        responses.create({
          model,
          instructions: text(),
          input: [
            {
              role: "user",
              content: [
                { type: "input_text", text: text() },
                { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${PIXEL}` },
              ],
            },
          ],
          max_output_tokens: dice.below(4096),
          stream: false,
        }),
      () => responses.create({ model, input: text(), tools: [{ type: "web_search" }] }),
      () => embeddings.create({ model, input: [text(), text()] }),
      async () =>
        audio.transcriptions.create({
          file: await toFile(Buffer.from(text().repeat(1 + dice.below(20))), "speech.wav"),
          model,
          ...(dice.percent(50) ? { prompt: text(), language: "en" } : {}),
        }),
      async () =>
        audio.translations.create({ model, file: await toFile(Buffer.from([0, 13, 10, 45, 45]), "a.mp3") }),
      async () =>
        images.edit({
          model,
          image: await toFile(Buffer.from(PIXEL, "base64"), "a.png"),
          prompt: text(),
          n: 1,
        }),
      () => images.generate({ model, prompt: text(), n: 2 }),
    ];
  }

  #anthropicCalls(dice: Dice): readonly (() => PromiseLike<unknown>)[] {
    const messages = this.#anthropic.messages;
    const text = (): string => someText(dice, 400);
    const source = { type: "base64", media_type: "image/png", data: PIXEL } as const;
    return [
      () =>
        messages.create({
          model: "claude-test",
          max_tokens: 1 + dice.below(8192),
          system: [{ type: "text", text: text(), cache_control: { type: "ephemeral" } }],
          messages: [
            {
              role: "user",
              content: [
                { type: "image", source },
                { type: "text", text: text() },
              ],
            },
            { role: "assistant", content: text() },
            {
              role: "user",
              content: [{ type: "tool_result", tool_use_id: "t", content: [{ type: "image", source }] }],
            },
          ],
          tools: [{ name: "look", description: text(), input_schema: { type: "object" } }],
          metadata: { user_id: text() },
        }),
      () =>
        messages.create({
          messages: [{ role: "user", content: text() }],
          model: "m",
          max_tokens: 1,
          stream: true,
        }),
      () =>
        messages.countTokens({ model: "m", system: text(), messages: [{ role: "user", content: text() }] }),
    ];
  }
}
