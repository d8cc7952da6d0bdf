import * as CODES from "../../../assembly/core/body/scan_codes.ts";
import type { Coverage } from "../coverage.ts";
import type { Dice } from "../dice.ts";
import { blockBody } from "../generators/block-bodies.ts";
import { ClientRequests } from "../generators/client-requests.ts";
import { mutated } from "../generators/mutations.ts";
import { requestBody } from "../generators/request-body.ts";
import { type ExpectedFields, expectedBody, type KeptText, type Refusal } from "../oracles/request-body.ts";
import { canBecomeObject } from "../oracles/viable-prefix.ts";
import { shrinkBytes } from "../shrink.ts";
import { agree, type Target, type Verdict } from "../target.ts";
import { BODY_FIELDS, type BodyField, saidOf } from "./body-fields.ts";
import { type Said, ScannerProbe } from "./scanner-probe.ts";
import { transitionBodies } from "./transition-bodies.ts";

/** Longer bodies are not fed byte by byte: the coverage has enough of the others. */
const MOST_BYTEWISE_BYTES = 2048;
/** Where an error stands is checked for bodies up to this long. */
const MOST_VIABLE_BYTES = 2048;

/** Bodies of requests in JSON: what the scanner accepts, refuses and reads of them, however they are cut. */
export class Bodies implements Target<Uint8Array> {
  readonly name = "bodies";
  readonly #probe = new ScannerProbe(BODY_FIELDS);
  readonly #coverage: Coverage;
  readonly #clients = new ClientRequests();
  #fromClients: readonly Buffer[] = [];

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
    this.#probe.core.exports.scanHashesPrompts(1);
  }

  async prepare(dice: Dice): Promise<void> {
    const requests = await this.#clients.capture(dice);
    this.#fromClients = requests
      .filter(({ contentType }) => contentType.startsWith("application/json"))
      .map(({ body }) => body);
  }

  always(): Iterable<Uint8Array> {
    return transitionBodies(this.#probe);
  }

  generate(dice: Dice): Uint8Array {
    const kind = dice.below(100);
    if (kind < 38) return requestBody(dice);
    if (kind < 45) return blockBody(dice);
    if (kind < 60) return requestBody(dice, dice.pick([0.3, 1, 3]));
    if (kind < 90) return mutated(dice, requestBody(dice, kind < 65 ? 1 : 0), requestBody(dice));
    const real = dice.pick(this.#fromClients);
    return kind < 95 ? real : mutated(dice, real, dice.pick(this.#fromClients));
  }

  check(body: Uint8Array, dice: Dice): Verdict {
    const probe = this.#probe;
    const whole = probe.whole(body, dice);
    probe.compare("in pieces", whole, probe.pieces(body, dice));
    if (body.length <= MOST_BYTEWISE_BYTES) {
      probe.compare("byte by byte", whole, probe.bytewise(body, this.#coverage));
    }
    const expected = expectedBody(body);
    agree("accepted", expected.accepted, whole.answer === CODES.SCAN_COMPLETE);
    if (expected.accepted) checkFields(expected.fields, whole);
    else checkRefusal(body, expected.refusal, whole);
    return expected.accepted ? "accepted" : "refused";
  }

  shrink(body: Uint8Array, fails: (body: Uint8Array) => boolean): Uint8Array {
    return shrinkBytes(body, fails);
  }

  encode(body: Uint8Array): Uint8Array {
    return body;
  }

  decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

function checkFields(expected: ExpectedFields, said: Said): void {
  const same = (field: BodyField, value: number | boolean | undefined): void => {
    agree(field, Number(value ?? 0), saidOf(said, field));
  };
  const optional = (seen: BodyField, field: BodyField, value: number | undefined): void => {
    same(seen, value !== undefined);
    same(field, value);
  };
  same("scanErrorReason", CODES.REASON_NONE);
  same("scanModelSeen", expected.modelSeen);
  same("scanModelRepeated", expected.modelRepeated);
  same("scanModelIsString", expected.model !== undefined);
  same("scanModelTooLong", expected.model?.tooLong);
  same("scanModelStart", expected.modelStart);
  same("scanModelEnd", expected.modelEnd);
  sameText("model", expected.model, said.texts[0]!);
  same("scanStreamSeen", expected.streamSeen);
  same("scanStream", expected.stream);
  same("scanStreamOptionsSeen", expected.streamOptions !== undefined);
  same("scanStreamOptionsStart", expected.streamOptions?.start);
  same("scanStreamOptionsEnd", expected.streamOptions?.end);
  same("scanStreamOptionsIsObject", expected.streamOptionsIsObject);
  same("scanStreamOptionsEmpty", expected.streamOptionsEmpty);
  same("scanIncludeUsage", expected.includeUsage);
  same("scanIncludeUsageSeen", expected.includeUsageSpan !== undefined);
  same("scanIncludeUsageStart", expected.includeUsageSpan?.start);
  same("scanIncludeUsageEnd", expected.includeUsageSpan?.end);
  same("scanObjectStart", expected.objectStart);
  same("scanIsEmptyObject", expected.isEmptyObject);
  optional("scanMaxTokensSeen", "scanMaxTokens", expected.maxTokens);
  optional("scanNSeen", "scanN", expected.n);
  optional("scanPrioritySeen", "scanPriority", expected.priority);
  same("scanCacheSaltSeen", expected.cacheSalt !== undefined);
  same("scanCacheSaltRepeated", expected.cacheSaltRepeated);
  same("scanCacheSaltTooLong", expected.cacheSalt?.tooLong);
  sameText("cache salt", expected.cacheSalt, said.texts[1]!);
  same("scanUserSeen", expected.user !== undefined);
  same("scanUserTooLong", expected.user?.tooLong);
  sameText("user", expected.user, said.texts[2]!);
  same("scanMessages", expected.messages);
  same("scanTools", expected.tools);
  same("scanMediaParts", expected.mediaParts);
}

/** The scanner keeps surrogates in UTF-8 as they came; the oracle has U+FFFD for each. */
function sameText(what: string, expected: KeptText | undefined, found: Buffer): void {
  let text = found.toString("latin1").replace(/\xed[\xa0-\xbf][\x80-\xbf]/g, "\xef\xbf\xbd");
  let wanted = (expected?.bytes ?? Buffer.alloc(0)).toString("latin1");
  // Of a character that is cut off at the capacity it cannot be told whether it is one.
  if (expected?.tooLong === true && text.length === wanted.length) {
    text = text.replace(/\xed[\xa0-\xbf]?$/, "");
    wanted = wanted.slice(0, text.length);
  }
  agree(what, wanted, text);
}

function checkRefusal(body: Uint8Array, refusal: Refusal, said: Said): void {
  const reason = saidOf(said, "scanErrorReason");
  const offset = saidOf(said, "scanErrorOffset");
  agree("refused as another encoding", refusal === "encoding", reason === CODES.REASON_OTHER_ENCODING);
  if (refusal === "encoding") return;
  if (refusal === "too deep") agree("reason", CODES.REASON_TOO_DEEP, reason);
  if (refusal === "not an object") agree("reason", CODES.REASON_NOT_AN_OBJECT, reason);
  if (reason === CODES.REASON_TRUNCATED) agree("where it is cut off", body.length, offset);
  if (body.length > MOST_VIABLE_BYTES || reason === CODES.REASON_TOO_DEEP) return;
  const before = body.subarray(0, offset);
  agree(`what is before byte ${offset} can become an object`, true, canBecomeObject(before));
  if (offset === body.length) return;
  agree(`what is up to byte ${offset} can become one`, false, canBecomeObject(body.subarray(0, offset + 1)));
}
