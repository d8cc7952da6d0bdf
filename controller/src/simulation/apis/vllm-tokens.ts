/** vLLM's `/tokenize` and `/detokenize`, which need no engine. */
import { openaiError, invalid } from "../refusal.ts";
import { flagField, stringField } from "../request-fields.ts";
import type { Api, DirectAnswer } from "./api.ts";
import { chatPrompt, promptsField, tokenIds, tokensPrompt } from "./prompts.ts";

export const vllmTokenize: Api = {
  name: "vllm-tokenize",
  paths: ["/tokenize"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { prompt: "" },
  plan: ({ json }, { maxModelTokens }): DirectAnswer => {
    const prompt = json.messages === undefined ? promptsField(json, "prompt")[0]! : chatPrompt(json);
    const tokens = tokenIds(prompt);
    const strings = flagField(json, "return_token_strs") ? tokens.map((id) => textOf([id])) : null;
    return {
      kind: "direct",
      model: stringField(json, "model"),
      json: { count: tokens.length, max_model_len: maxModelTokens, tokens, token_strs: strings },
    };
  },
};

export const vllmDetokenize: Api = {
  name: "vllm-detokenize",
  paths: ["/detokenize"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { tokens: [] },
  plan: ({ json }): DirectAnswer => {
    const { tokens } = json;
    const isIds =
      Array.isArray(tokens) && tokens.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 32);
    if (!isIds) throw invalid("list_type", "body.tokens", "Input should be a valid list", typeof tokens);
    return { kind: "direct", model: stringField(json, "model"), json: { prompt: textOf(tokens) } };
  },
};

function textOf(ids: readonly number[]): string {
  return tokensPrompt(ids).text.toString("utf8").replace(/\0+$/, "");
}
