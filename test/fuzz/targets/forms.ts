import * as CODES from "../../../assembly/core/body/scan_codes.ts";
import type { Dice } from "../dice.ts";
import { ClientRequests } from "../generators/client-requests.ts";
import { type Form, someForm } from "../generators/forms.ts";
import { mutated } from "../generators/mutations.ts";
import { type FormPart, strictBoundary, strictForm } from "../oracles/form.ts";
import { shrinkBytes } from "../shrink.ts";
import { agree, type Target, type Verdict } from "../target.ts";
import { type ProbedExports, type Said, ScannerProbe } from "./scanner-probe.ts";

/** What the form scanner tells, by the names of the core's exports. */
const FIELDS = [
  "formModelSeen",
  "formModelRepeated",
  "formModelTooLong",
  "formModelStart",
  "formModelEnd",
  "formStreamSeen",
  "formStream",
  "formIncludeUsage",
  "formMaxTokensSeen",
  "formMaxTokens",
  "formNSeen",
  "formN",
  "formUserSeen",
  "formMediaParts",
  "formSpanCount",
  "formErrorOffset",
  "formErrorReason",
] as const;

type FormField = (typeof FIELDS)[number];

const EXPORTS: ProbedExports = {
  begin: "formBegin",
  feed: "formFeed",
  finish: "formFinish",
  fields: FIELDS,
  texts: [
    ["formModelPtr", "formModelBytes"],
    ["formUserPtr", "formUserBytes"],
  ],
};
const TRUE = /^(?:true|1|yes|on|t|y)$/i;
const COUNT = /^(?=.{1,32}$)(?:0|[1-9]\d*)$/;
/** The scanner keeps so much of a field's name: longer ones mean nothing. */
const MOST_NAME_BYTES = 32;

/** Forms: bodies of multipart/form-data, with the headers that name their boundaries. */
export class Forms implements Target<Form> {
  readonly name = "forms";
  readonly #probe = new ScannerProbe(EXPORTS);
  readonly #clients = new ClientRequests();
  #fromClients: readonly Form[] = [];

  async prepare(dice: Dice): Promise<void> {
    const requests = await this.#clients.capture(dice);
    this.#fromClients = requests.filter(({ contentType }) => contentType.startsWith("multipart/form-data"));
  }

  generate(dice: Dice): Form {
    const form = dice.percent(80) ? someForm(dice) : dice.pick(this.#fromClients);
    return dice.percent(30) ? { ...form, body: mutated(dice, form.body, someForm(dice).body) } : form;
  }

  /** `refused` where the scanner refuses, or where the form is so odd that nothing is known of it. */
  check({ contentType, body }: Form, dice: Dice): Verdict {
    const probe = this.#probe;
    const boundary = probe.found(
      "boundaryOf",
      "boundaryPtr",
      "boundaryBytes",
      Buffer.from(contentType, "latin1"),
    );
    const strict = strictBoundary(contentType);
    if (strict !== undefined) agree("boundary", strict, boundary?.toString("latin1"));
    if (boundary === undefined || !probe.beginWith(boundary)) return "refused";
    const whole = probe.whole(body, dice);
    probe.compare("in pieces", whole, probe.pieces(body, dice));
    probe.compare("byte by byte", whole, probe.bytewise(body));
    const parts = strictForm(boundary.toString("latin1"), body);
    if (parts === undefined) return whole.answer === CODES.SCAN_COMPLETE ? "accepted" : "refused";
    agree("answer", CODES.SCAN_COMPLETE, whole.answer);
    checkFields(body, parts, whole);
    return "accepted";
  }

  shrink(form: Form, fails: (form: Form) => boolean): Form {
    const body = shrinkBytes(form.body, (bytes) => fails({ ...form, body: Buffer.from(bytes) }));
    return { ...form, body: Buffer.from(body) };
  }

  /** The header's value, a line feed, the body. */
  encode({ contentType, body }: Form): Uint8Array {
    return Buffer.concat([Buffer.from(`${contentType}\n`, "latin1"), body]);
  }

  decode(bytes: Uint8Array): Form {
    const file = Buffer.from(bytes);
    const end = file.indexOf("\n");
    return { contentType: file.toString("latin1", 0, end), body: file.subarray(end + 1) };
  }
}

function checkFields(body: Buffer, parts: readonly FormPart[], said: Said): void {
  const same = (field: FormField, value: number | boolean | undefined): void => {
    agree(field, Number(value ?? 0), Number(said.fields[FIELDS.indexOf(field)]) >>> 0);
  };
  const partsOf = (name: string): readonly FormPart[] =>
    parts.filter((part) => part.name === name && !part.isFile && part.name.length <= MOST_NAME_BYTES);
  const textOf = (name: string): string | undefined => {
    const last = partsOf(name).at(-1);
    return last === undefined ? undefined : body.toString("latin1", last.start, last.end);
  };
  const countOf = (name: string): number | undefined => {
    const text = textOf(name) ?? "";
    return COUNT.test(text) ? Math.min(Number(text), 2 ** 32 - 1) : undefined;
  };
  const model = textOf("model") ?? "";
  const modelPart = model === "" ? undefined : partsOf("model").at(-1);
  same("formModelSeen", model !== "");
  same("formModelRepeated", partsOf("model").length > 1);
  same("formModelStart", modelPart?.start);
  same("formModelEnd", modelPart?.end);
  same("formModelTooLong", model.length > CODES.MODEL_CAPACITY_BYTES);
  agree("model", model.slice(0, CODES.MODEL_CAPACITY_BYTES), said.texts[0]!.toString("latin1"));
  same("formStreamSeen", (textOf("stream") ?? "") !== "");
  same("formStream", TRUE.test(textOf("stream") ?? ""));
  same("formMaxTokensSeen", countOf("max_tokens") !== undefined);
  same("formMaxTokens", countOf("max_tokens"));
  same("formNSeen", countOf("n") !== undefined);
  same("formN", countOf("n"));
  const user = textOf("user") ?? "";
  same("formUserSeen", user !== "");
  agree("user", user.slice(0, CODES.USER_CAPACITY_BYTES), said.texts[1]!.toString("latin1"));
  same("formMediaParts", parts.filter(({ isFile }) => isFile).length);
}
