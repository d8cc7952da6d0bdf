/** OpenAI's chat completions, as vLLM serves them. */
import { invalid, openaiError } from "../refusal.ts";
import { flagField, integerField, isObject, type Json, stringField } from "../request-fields.ts";
import type { Api, Work } from "./api.ts";
import { type ChatShape, chatStream, wholeChat } from "./openai-chat-answers.ts";
import { chatPrompt } from "./prompts.ts";
import { streamOptions } from "./stream-options.ts";
import { callTokens, type ForcedCall, forcedCall, type Tool, toolsOf } from "./tools.ts";

/** As the engine bounds it, so that one request cannot take every place in a batch. */
export const MAX_COPIES = 128;

export const openaiChat: Api = {
  name: "openai-chat",
  paths: ["/v1/chat/completions"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { messages: [] },
  plan: ({ json }): Work => {
    const prompt = chatPrompt(json);
    const maxTokens = integerField(json, "max_completion_tokens", 1) ?? integerField(json, "max_tokens", 1);
    const call = callOf(json);
    const options = streamOptions(json);
    const shape: ChatShape = { call: call?.call, callsByChoice: call?.isNamed === false, ...options };
    return {
      kind: "work",
      model: stringField(json, "model"),
      cacheSalt: stringField(json, "cache_salt"),
      prompts: [prompt],
      copies: integerField(json, "n", 1, MAX_COPIES) ?? 1,
      maxTokens: call === undefined ? maxTokens : callTokens(maxTokens),
      stops: call !== undefined,
      answer: (head) => (flagField(json, "stream") ? chatStream(head, shape) : wholeChat(head, shape)),
    };
  },
};

/** The call that `tool_choice` forces; undefined where the model may answer as it likes, which is with text. */
function callOf(json: Json): { readonly call: ForcedCall; readonly isNamed: boolean } | undefined {
  const { tool_choice: choice } = json;
  if (choice === undefined || choice === null || choice === "auto" || choice === "none") return undefined;
  const tools = toolsOf(json, functionTool);
  if (choice === "required") return { call: forcedCall(tools, undefined, "tool_choice"), isNamed: false };
  const name = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (typeof name === "string") return { call: forcedCall(tools, name, "tool_choice"), isNamed: true };
  throw invalid("value_error", "body.tool_choice", "Invalid value for `tool_choice`", JSON.stringify(choice));
}

function functionTool({ function: declared }: Json): Tool | undefined {
  if (!isObject(declared) || typeof declared.name !== "string") return undefined;
  return { name: declared.name, schema: declared.parameters };
}
