/** Fields of a form as an API reads them: all are texts. */
import type { Form, FormFile } from "../multipart.ts";
import { invalid } from "../refusal.ts";
import type { Json } from "../request-fields.ts";

/** Numbers and truth values by their texts, so that a form is read as JSON is; names of lists lose their `[]`. */
export function formJson({ fields }: Form): Json {
  const json: Record<string, unknown> = {};
  for (const [name, text] of fields) json[name.replace(/\[\]$/, "")] = fieldValue(text);
  // A model may be named like a number.
  const model = fields.get("model");
  return model === undefined || model === "" ? json : { ...json, model };
}

function fieldValue(text: string): unknown {
  if (text === "") return undefined;
  if (/^(?:true|false|-?\d+)$/.test(text)) return JSON.parse(text);
  return text;
}

/** The files of this name, or of its list. @throws Refusal where there is none */
export function filesOf(form: Form, name: string): readonly FormFile[] {
  const files = form.files.filter((file) => file.name.replace(/\[\]$/, "") === name);
  if (files.length > 0) return files;
  const items = form.fields.size + form.files.length;
  throw invalid("missing", `body.${name}`, "Field required", `<dict of ${items} items>`);
}
