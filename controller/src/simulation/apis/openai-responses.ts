/** OpenAI's responses, as vLLM serves them; no response is kept. */
import { type ChatMessage, renderChat } from "../prompt-tokens.ts";
import { invalid, missing, openaiError, Refusal } from "../refusal.ts";
import { flagField, integerField, isObject, type Json, stringField } from "../request-fields.ts";
import type { Api, Work } from "./api.ts";
import { type ResponseShape, responseStream, wholeResponse } from "./openai-responses-answers.ts";
import { textPrompt } from "./prompts.ts";
import { callTokens, type ForcedCall, forcedCall, type Tool, toolsOf } from "./tools.ts";

export const openaiResponses: Api = {
  name: "openai-responses",
  paths: ["/v1/responses"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }, { maxModelTokens }): Work => {
    const previous = stringField(json, "previous_response_id");
    if (previous !== undefined) {
      throw new Refusal(404, "invalid_request_error", `Response with id '${previous}' not found.`, null);
    }
    const messages = inputMessages(json);
    const maxTokens = integerField(json, "max_output_tokens", 1);
    const call = callOf(json);
    const shape: ResponseShape = {
      call,
      instructions: stringField(json, "instructions") ?? null,
      maxOutputTokens: maxTokens ?? maxModelTokens,
      tools: json.tools ?? [],
      toolChoice: json.tool_choice ?? "auto",
      metadata: json.metadata ?? null,
    };
    return {
      kind: "work",
      model: stringField(json, "model"),
      cacheSalt: stringField(json, "cache_salt"),
      prompts: [textPrompt(renderChat(messages, json.tools))],
      copies: 1,
      maxTokens: call === undefined ? maxTokens : callTokens(maxTokens),
      stops: call !== undefined,
      answer: (head) =>
        flagField(json, "stream") ? responseStream(head, shape) : wholeResponse(head, shape),
    };
  },
};

function inputMessages(json: Json): readonly ChatMessage[] {
  const { input } = json;
  const instructions = stringField(json, "instructions");
  const first = instructions === undefined ? [] : [{ role: "system", content: instructions }];
  if (input === undefined || input === null) throw missing("input", json);
  if (typeof input === "string") return [...first, { role: "user", content: input }];
  if (!Array.isArray(input)) {
    throw invalid("list_type", "body.input", "Input should be a valid list", typeof input);
  }
  return [...first, ...input.map(inputMessage)];
}

/** A message of an item, whatever it is: what is no message counts as its JSON. */
function inputMessage(item: unknown, index: number): ChatMessage {
  if (!isObject(item)) {
    throw invalid("dict_type", `body.input.${index}`, "Input should be a valid dictionary", typeof item);
  }
  if (typeof item.role === "string") return { role: item.role, content: item.content };
  if (item.type === "function_call_output") return { role: "tool", content: item.output };
  return { role: "assistant", content: JSON.stringify(item) };
}

function callOf(json: Json): ForcedCall | undefined {
  const { tool_choice: choice } = json;
  if (choice === undefined || choice === null || choice === "auto" || choice === "none") return undefined;
  const tools = toolsOf(json, functionTool);
  if (choice === "required") return forcedCall(tools, undefined, "tool_choice");
  if (isObject(choice) && choice.type === "function" && typeof choice.name === "string") {
    return forcedCall(tools, choice.name, "tool_choice");
  }
  throw invalid("value_error", "body.tool_choice", "Invalid value for `tool_choice`", JSON.stringify(choice));
}

function functionTool({ type, name, parameters }: Json): Tool | undefined {
  return type === "function" && typeof name === "string" ? { name, schema: parameters } : undefined;
}
