import { getRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { RequestScanner } from "../../core/body/request_scanner";
import { prefixSeed } from "../../core/prefix/prefix_seed";
import { PickRequest } from "../../core/request";
import { u8At } from "../../wire/bytes";
import { HEADER_CONTENT_LENGTH } from "../names";
import { StreamState } from "../stream_state";
import { Vm } from "../vm";

/** Digits of a length that is believed: 4 GiB have ten. */
const MAX_DIGITS: i32 = 9;

/** What a request's body says of its prompt, for the pick. */
export class Prompt {
  constructor(private readonly vm: Vm) {}

  /**
   * Describes the prompt of a body in `request`, whose model has been set. Without a scanner the body says nothing but its
   * length. Hashes are in the scanner and stay there until it is fed or given back.
   */
  describe(request: PickRequest, state: StreamState, pool: i32): void {
    request.promptBytes = state.bodyBytes;
    const scanner = state.scanner;
    if (scanner == null) return;
    request.maxTokens = scanner.maxTokens;
    request.promptBytes = promptBytes(state, scanner);
    if (!scanner.chain.isOn || !this.vm.picker.usesPrefix(this.vm.table, pool)) return;
    this.vm.prefixes.isWanted = true;
    // Of salts that are longer than what is kept of them it cannot be told whether they are the same.
    if (scanner.cacheSaltTooLong) return;
    request.blocks = scanner.chain.arrange(certainBytes(state, scanner));
    if (request.blocks == 0) return;
    request.hashes = scanner.chain.hashes;
    // An adapter is asked for by a model's name of its own.
    request.seed = prefixSeed(
      this.vm.secret.value,
      request.modelPtr,
      request.modelBytes,
      0,
      0,
      scanner.cacheSaltSeen,
      scanner.cacheSaltPtr(),
      scanner.cacheSaltBytes,
    );
    request.notesPrefix = state.isWhole || scanner.cacheSaltSeen;
  }
}

/**
 * What begins behind the body's window counts only where it is always read: where the model came behind the messages, the end was waited for.
 * Otherwise it would depend on how the body was cut whether a prompt's tools are part of its hashes.
 */
function certainBytes(state: StreamState, scanner: RequestScanner): u32 {
  const isEndRead = !scanner.modelSeen || scanner.chain.growsBefore(scanner.modelStart);
  return isEndRead ? u32.MAX_VALUE : state.windowBytes;
}

/** Without media, whose bytes say nothing of their tokens; of a body that is still arriving what its length announces. */
function promptBytes(state: StreamState, scanner: RequestScanner): u32 {
  if (scanner.mediaParts > 0) return <u32>min<u64>(scanner.contentBytes, u32.MAX_VALUE);
  return state.isWhole ? state.bodyBytes : max<u32>(state.bodyBytes, announcedBytes());
}

/** The request's `content-length`; 0 for none that can be believed. */
function announcedBytes(): u32 {
  if (!getRequestHeader(HEADER_CONTENT_LENGTH) || arrivedBytes() > MAX_DIGITS) return 0;
  let length: u32 = 0;
  for (let at = 0; at < arrivedBytes(); at++) {
    const digit = u8At(arrivedPtr() + at) - 0x30;
    if (digit > 9) return 0;
    length = length * 10 + digit;
  }
  return length;
}
