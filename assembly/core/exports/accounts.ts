import { Accounts } from "../accounts/accounts";
import { AccountsMessage } from "../accounts/accounts_message";
import { Outcome } from "../accounts/outcome";
import { table } from "./state";

let accounts = new Accounts();
const outcome = new Outcome();
const message = new AccountsMessage();

/** Forgets every account. */
export function resetAccounts(): void {
  accounts = new Accounts();
}

export function accountRow(
  pool: i32,
  modelPtr: usize,
  modelBytes: i32,
  targetPtr: usize,
  targetBytes: i32,
): i32 {
  return accounts.rowOf(table, pool, modelPtr, modelBytes, targetPtr, targetBytes);
}

export function accountRows(): i32 {
  return accounts.rows;
}

export function accountStarted(row: i32): void {
  accounts.started(row);
}

/** Fills the outcome that `accountFinished` counts; call the setters below in between. */
export function beginOutcome(row: i32, cause: u32, status: u32, attempt: u32): void {
  outcome.reset();
  outcome.row = row;
  outcome.cause = cause;
  outcome.status = status;
  outcome.attempt = attempt;
}

export function outcomeBytes(request: u64, response: u64): void {
  outcome.requestBytes = request;
  outcome.responseBytes = response;
}

export function outcomeTimes(
  durationMs: f64,
  isEventStream: bool,
  firstTokenMs: f64,
  lastTokenMs: f64,
  gapMs: f64,
): void {
  outcome.durationMs = durationMs;
  outcome.isEventStream = isEventStream;
  outcome.firstTokenMs = firstTokenMs;
  outcome.lastTokenMs = lastTokenMs;
  outcome.tokenGapMaxMs = gapMs;
}

/** -1 where one is not known. */
export function outcomeTokens(
  prompt: i64,
  completion: i64,
  cached: i64,
  estimatedCompletion: i64,
  estimated: bool,
): void {
  outcome.promptTokens = prompt;
  outcome.completionTokens = completion;
  outcome.cachedTokens = cached;
  outcome.estimatedCompletionTokens = estimatedCompletion;
  outcome.estimated = estimated;
}

export function accountFinished(): void {
  accounts.finished(outcome);
}

/** Builds the accounts' message; its bytes are at `accountsMessagePtr` until the next one. Returns how many. */
export function buildAccountsMessage(vm: u64, sequence: u64, node: usize, nodeBytes: i32, ageMs: u64): i32 {
  message.build(accounts, vm, sequence, node, nodeBytes, ageMs);
  return message.bytes;
}

export function accountsMessagePtr(): usize {
  return message.ptr;
}
