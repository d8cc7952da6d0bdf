/**
 * What can be told of a JSON body that is too long to be parsed, from its beginning and its end: the scalar
 * fields that decide about the answer. Enough for bodies as clients write them, with these fields at the top
 * level in front of the prompt or behind it.
 */
import type { Json } from "./request-fields.ts";

const SCALARS =
  /"(model|stream|max_tokens|max_completion_tokens|max_output_tokens|n|cache_salt|encoding_format|include_usage)"\s*:\s*("(?:[^"\\]|\\.)*"|true|false|\d+)/g;

/** The fields found, the last of each name, as the body's own; `include_usage` stands in `stream_options`. */
export function sketchOf(head: Buffer, tail: Buffer): Json {
  const found: Record<string, unknown> = {};
  for (const part of [head, tail]) {
    for (const [, name, value] of part.toString("utf8").matchAll(SCALARS)) {
      try {
        if (name === "include_usage") found.stream_options = { include_usage: JSON.parse(value!) };
        else found[name!] = JSON.parse(value!);
      } catch {
        // An escape that the pattern lets through and JSON does not: the field stays unknown.
      }
    }
  }
  return found;
}
