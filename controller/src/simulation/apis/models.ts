/** The list of models, and one of it. */
import { openaiError, Refusal } from "../refusal.ts";
import type { Api, ServerFacts } from "./api.ts";

export const models: Api = {
  name: "models",
  paths: ["/v1/models"],
  method: "GET",
  body: "none",
  errorForm: openaiError,
  plan: (_, server) => ({ kind: "direct", json: { object: "list", data: served(server) } }),
};

export const oneModel: Api = {
  name: "model",
  paths: ["/v1/models/{id}"],
  method: "GET",
  body: "none",
  errorForm: openaiError,
  plan: ({ id }, server) => {
    const model = served(server).find((each) => each.id === id);
    if (model !== undefined) return { kind: "direct", json: model };
    throw new Refusal(404, "NotFoundError", `The model \`${id}\` does not exist.`, "model");
  },
};

interface ServedModel {
  readonly id: string;
  readonly [field: string]: unknown;
}

function served({ models: bases, adapters, startedS, maxModelTokens }: ServerFacts): readonly ServedModel[] {
  const created = Math.floor(startedS);
  return [...bases, ...adapters].map((id, i) => {
    const isBase = i < bases.length;
    return {
      id,
      object: "model",
      created,
      owned_by: "vllm",
      root: id,
      parent: isBase ? null : (bases[0] ?? null),
      max_model_len: isBase ? maxModelTokens : null,
      permission: [
        {
          id: `modelperm-${(i + 1).toString(16).padStart(16, "0")}`,
          object: "model_permission",
          created,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: "*",
          group: null,
          is_blocking: false,
        },
      ],
    };
  });
}
