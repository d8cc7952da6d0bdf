/** Anthropic's messages and their token counts, as vLLM serves them. Unlike OpenAI's APIs they need `model`. */
import { type ChatMessage, renderChat, tokensOfBytes } from "../prompt-tokens.ts";
import { anthropicError, invalid, missing } from "../refusal.ts";
import { flagField, integerField, isObject, type Json, stringField } from "../request-fields.ts";
import { messageStream, wholeMessage } from "./anthropic-messages-answers.ts";
import type { Api, DirectAnswer, Prompt, Work } from "./api.ts";
import { messagesOf, textPrompt } from "./prompts.ts";
import { callTokens, type ForcedCall, forcedCall, type Tool, toolsOf } from "./tools.ts";

export const anthropicMessages: Api = {
  name: "anthropic-messages",
  paths: ["/v1/messages"],
  method: "POST",
  body: "json",
  errorForm: anthropicError,
  least: { messages: [], max_tokens: 16 },
  plan: ({ json }): Work => {
    const model = modelOf(json);
    const prompt = messagesPrompt(json);
    const maxTokens = integerField(json, "max_tokens", 1);
    if (maxTokens === undefined) throw missing("max_tokens", json);
    const call = callOf(json);
    return {
      kind: "work",
      model,
      cacheSalt: stringField(json, "cache_salt"),
      prompts: [prompt],
      copies: 1,
      maxTokens: call === undefined ? maxTokens : callTokens(maxTokens),
      stops: call !== undefined,
      answer: (head) => (flagField(json, "stream") ? messageStream(head, call) : wholeMessage(head, call)),
    };
  },
};

export const anthropicCountTokens: Api = {
  name: "anthropic-count-tokens",
  paths: ["/v1/messages/count_tokens"],
  method: "POST",
  body: "json",
  errorForm: anthropicError,
  least: { messages: [] },
  plan: ({ json }): DirectAnswer => {
    const model = modelOf(json);
    const tokens = tokensOfBytes(messagesPrompt(json).text.length);
    const counted = { input_tokens: tokens, context_management: { original_input_tokens: tokens } };
    return { kind: "direct", model, json: counted };
  },
};

function modelOf(json: Json): string {
  const model = stringField(json, "model");
  if (model === undefined) throw missing("model", json);
  return model;
}

/** `system` and `messages` as one chat; what a tool has answered counts as a message of its own. */
function messagesPrompt(json: Json): Prompt {
  if (json.messages === undefined) throw missing("messages", json);
  const { system } = json;
  const first: readonly ChatMessage[] =
    system === undefined || system === null ? [] : [{ role: "system", content: system }];
  return textPrompt(renderChat([...first, ...messagesOf(json.messages).flatMap(unfolded)], json.tools));
}

function unfolded(message: ChatMessage): readonly ChatMessage[] {
  if (!Array.isArray(message.content)) return [message];
  const results = message.content.filter((block) => isObject(block) && block.type === "tool_result");
  if (results.length === 0) return [message];
  const others = message.content.filter((block) => !results.includes(block));
  const answers = results.map((block: Json) => ({ role: "tool", content: block.content }));
  return others.length === 0 ? answers : [...answers, { role: message.role, content: others }];
}

function callOf(json: Json): ForcedCall | undefined {
  const { tool_choice: choice } = json;
  if (choice === undefined || choice === null) return undefined;
  const tools = toolsOf(json, ({ name, input_schema: schema }): Tool | undefined =>
    typeof name === "string" ? { name, schema } : undefined,
  );
  if (isObject(choice)) {
    if (choice.type === "auto" || choice.type === "none") return undefined;
    if (choice.type === "any") return forcedCall(tools, undefined, "tool_choice");
    if (choice.type === "tool" && typeof choice.name === "string") {
      return forcedCall(tools, choice.name, "tool_choice");
    }
  }
  throw invalid("value_error", "body.tool_choice", "Invalid value for `tool_choice`", JSON.stringify(choice));
}
