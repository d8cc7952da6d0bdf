import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { Text } from "../../abi/text";
import { BodyScanner } from "../../core/body/body_scanner";
import { NO_OFFSET, RequestScanner } from "../../core/body/request_scanner";
import { Random } from "../../core/random";
import { addressOf, equalBytes } from "../../wire/bytes";
import { API_OPENAI_CHAT, API_OPENAI_COMPLETIONS, POOL_FLAG_ADD_USAGE } from "../../wire/layout";
import { HEADER_MODEL_REWRITE } from "../names";
import { Routing } from "../routing";
import { StreamState } from "../stream_state";
import { Vm } from "../vm";
import { AskedModel } from "./asked_model";
import { BodyEdit } from "./body_edit";

const MODEL_MEMBER = new Text('"model":');
const USAGE_MEMBER = new Text('"stream_options":{"include_usage":true}');
const COMMA: u32 = 0x2c;
const BLANK: u32 = 0x20;
/** A name of 1024 bytes, each escaped: what is longer is refused and need not be held back. */
const HELD_BYTES: u32 = 8192;

/**
 * Rewrites bodies chunk by chunk as they arrive: the model's value where it stands, and new members before the
 * object's end, where they count whatever came before, since servers take the last of a key. Nothing else changes.
 */
export class Rewriter {
  private readonly edit: BodyEdit = new BodyEdit();
  private readonly asked: AskedModel = new AskedModel();
  private readonly random: Random;

  constructor(
    private readonly vm: Vm,
    private readonly routing: Routing,
    seed: u64,
  ) {
    this.random = new Random(seed);
  }

  /**
   * The chunk of `bytes` bytes at `start` of the body has been scanned; the last one lets go what was held back. False
   * where the host lets it not be changed.
   */
  chunk(state: StreamState, pool: i32, scanner: RequestScanner, start: u32, bytes: u32, isLast: bool): bool {
    const edit = this.edit;
    const end = start + bytes;
    edit.clear();
    if (state.reading && scanner.modelEnd > state.modelsSeenTo) {
      state.modelsSeenTo = scanner.modelEnd;
      // What is no string, or too long, is refused when its turn comes.
      if (scanner.modelIsString && !scanner.modelTooLong) this.replaceModel(state, pool, scanner);
    }
    if (scanner instanceof BodyScanner) this.endObject(state, pool, scanner as BodyScanner);
    const open = scanner.openModelStart;
    const holds = state.reading && !isLast && open != NO_OFFSET && end - open <= HELD_BYTES;
    return edit.apply(state, start, bytes, holds ? open : end);
  }

  /** The bytes by which the body will be longer in the end than it arrived; asked when its headers go. */
  growth(state: StreamState): i32 {
    return state.grownBytes + (state.addsUsage && !state.objectEnded ? 1 + USAGE_MEMBER.bytes : 0);
  }

  /** Corrects the declared length; false where the host refuses. */
  correctLength(state: StreamState): bool {
    return this.edit.correctLength(this.growth(state));
  }

  /** Usage may be asked for in the client's place, if the request turns out to stream. */
  mayWantUsage(state: StreamState, pool: i32, scanner: RequestScanner): bool {
    if (!state.edits || !(scanner instanceof BodyScanner)) return false;
    if (state.api != API_OPENAI_CHAT && state.api != API_OPENAI_COMPLETIONS) return false;
    const serving = this.routing.poolForModel(pool, scanner.modelPtr(), scanner.modelBytes);
    return (this.vm.table.poolFlags[serving] & POOL_FLAG_ADD_USAGE) != 0;
  }

  /** It streams and says nothing of usage: a client with options of its own has said what it wants. */
  wantsUsage(state: StreamState, pool: i32, scanner: RequestScanner): bool {
    if (!scanner.stream || !this.mayWantUsage(state, pool, scanner)) return false;
    return !(scanner as BodyScanner).streamOptionsIsObject;
  }

  private replaceModel(state: StreamState, pool: i32, scanner: RequestScanner): void {
    this.choose(state, pool, scanner.modelPtr(), scanner.modelBytes);
    if (state.targetBytes == 0) return;
    this.edit.replace(scanner.modelStart, scanner.modelEnd);
    if (scanner instanceof BodyScanner) this.edit.putString(addressOf(state.target), state.targetBytes);
    else this.edit.put(addressOf(state.target), state.targetBytes);
  }

  private endObject(state: StreamState, pool: i32, scanner: BodyScanner): void {
    const at = scanner.objectEnd;
    if (at == 0 || state.objectEnded) return;
    state.objectEnded = true;
    const edit = this.edit;
    let isFirst = scanner.isEmptyObject;
    if (state.reading && !scanner.modelSeen) {
      const asked = this.asked;
      asked.ofHeaders(this.vm.table.apis, pool);
      this.choose(state, pool, asked.ptr, asked.bytes);
      if (state.targetBytes > 0) {
        edit.replace(at, at);
        if (!isFirst) edit.putByte(COMMA);
        edit.put(MODEL_MEMBER.ptr, MODEL_MEMBER.bytes);
        edit.putString(addressOf(state.target), state.targetBytes);
        isFirst = false;
      }
    }
    if (state.reading) state.addsUsage = this.wantsUsage(state, pool, scanner);
    if (!state.addsUsage) return;
    edit.replace(at, at);
    if (!state.reading && scanner.streamOptionsIsObject) {
      this.takeBackUsage(state);
      return;
    }
    if (!isFirst) edit.putByte(COMMA);
    edit.put(USAGE_MEMBER.ptr, USAGE_MEMBER.bytes);
  }

  /** The client's own options came after the release: they count, and the length that was promised is made of blanks. */
  private takeBackUsage(state: StreamState): void {
    for (let i = 0; i < 1 + USAGE_MEMBER.bytes; i++) this.edit.putByte(BLANK);
    const editor = state.editor;
    if (editor != null) editor.keepUsage();
  }

  /** Draws the target by the rules of the model's pool, or takes the one that the header forces, into the state. */
  private choose(state: StreamState, pool: i32, model: usize, modelBytes: i32): void {
    state.targetBytes = 0;
    const table = this.vm.table;
    const ruling = this.routing.poolForModel(pool, model, modelBytes);
    const rewrites = table.rewrites;
    if (!rewrites.hasRules(ruling)) return;
    let target = -1;
    if (getRequestHeader(HEADER_MODEL_REWRITE)) {
      target = rewrites.targetOf(ruling, arrivedPtr(), arrivedBytes());
    }
    if (target < 0) {
      const rule = rewrites.ruleOf(ruling, model, modelBytes);
      if (rule < 0) return;
      target = rewrites.target(rule, this.random);
    }
    const ptr = rewrites.targetPtr(target);
    const bytes = rewrites.targetBytes(target);
    if (bytes == modelBytes && equalBytes(ptr, model, bytes)) return;
    memory.copy(addressOf(state.target), ptr, bytes);
    state.targetBytes = bytes;
  }
}
