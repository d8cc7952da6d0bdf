import { addressOf, putF64 } from "../../wire/bytes";
import { Explanation, TERMS } from "../costs/explanation";
import { currentPicker, flights, ledger, request, table } from "./state";

export { seedPicker } from "./state";

/** What the next picks are for; the model's name must stay where it is. */
export function setRequest(modelPtr: usize, modelBytes: i32, promptBytes: u32, priority: i32): void {
  const nowMs = request.nowMs;
  request.reset();
  request.nowMs = nowMs;
  request.modelPtr = modelPtr;
  request.modelBytes = modelBytes;
  request.promptBytes = promptBytes;
  request.priority = priority;
}

/** Objectives of the next picks' request; 0: the pool's. */
export function setObjectives(ttftMs: f64, tpotMs: f64): void {
  request.ttftObjectiveMs = ttftMs;
  request.tpotObjectiveMs = tpotMs;
}

/** Its prompt's chain of block hashes, which must stay where it is, and their seed. */
export function setPrefix(hashes: usize, blocks: i32, seed: u64): void {
  request.hashes = hashes;
  request.blocks = blocks;
  request.seed = seed;
}

/** Its prompt's tokens, in place of an estimate by bytes. */
export function setPromptTokens(tokens: f64): void {
  request.promptTokens = tokens;
}

/** The time of what follows: picks and what befalls flights. */
export function setClock(nowMs: f64): void {
  request.nowMs = nowMs;
}

export function pick(pool: i32): i32 {
  return currentPicker().pick(table, flights, pool, request);
}

/** Address of the rows picked last, i32 each. */
export function pickedPtr(): usize {
  return addressOf<i32>(currentPicker().picked);
}

/** Score of the row in the last pick; NaN where it was no candidate. */
export function rowScore(row: i32): f32 {
  return currentPicker().scoreOf(row);
}

/** Writes the terms of the row's score in the last pick at `ptr`, f64 each, in `Explanation`'s order; how many there are. */
export function explainRow(row: i32, ptr: usize): i32 {
  if (!currentPicker().explain(table, row, explanation)) return 0;
  for (let term = 0; term < TERMS; term++) putF64(ptr + <usize>term * 8, explanation.terms[term]);
  return TERMS;
}

/** `Picker.violations` of the last pick. */
export function violations(): f64 {
  return currentPicker().violations;
}

export function missingTerms(pool: i32): u32 {
  return currentPicker().missingTerms(table, pool);
}

/** Picks `rounds` times, each pick opened and the one 64 picks ago closed; returns a sum of rows. */
export function benchPick(pool: i32, rounds: i32): u32 {
  const picker = currentPicker();
  let sum: u32 = 0;
  for (let round = 0; round < rounds; round++) {
    if (picker.pick(table, flights, pool, request) == 0) return 0;
    const row = unchecked(picker.picked[0]);
    sum += <u32>row;
    const slot = round & 63;
    const account = unchecked(recent[slot]);
    if (account >= 0) ledger.close(account, 100, 200);
    const opened = unchecked(table.rowAccount[row]);
    ledger.open(opened, 100, 200);
    unchecked((recent[slot] = opened));
  }
  for (let slot = 0; slot < recent.length; slot++) {
    if (unchecked(recent[slot]) >= 0) ledger.close(unchecked(recent[slot]), 100, 200);
    unchecked((recent[slot] = -1));
  }
  return sum;
}

const explanation = new Explanation();
const recent = new StaticArray<i32>(64).fill(-1);
