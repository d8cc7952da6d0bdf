import { grown } from "../columns";
import { Ledger } from "../ledger";
import { Table } from "../table";
import { VALID_REMOTE } from "../../wire/layout";

/** Models remembered of an endpoint: the base model, and as many adapters as engines hold at a time by default or a few more. */
const MODELS: i32 = 4;
/** In place of a time: before any. */
const NEVER: f64 = 0;

/**
 * What has happened on each endpoint since it has an account: sums over time, which say of any interval what the mean was. All is of
 * this root's own requests but for the `total…` sums and `prefilledTokens`, which other roots' and Envoys' are part of.
 */
export class EndpointLoads {
  /** Accounts with columns. */
  count: i32 = 0;
  id: StaticArray<u64> = new StaticArray<u64>(0);
  /** Requests past their first token, and their tokens: of prompt and answer, and of the answer alone. */
  decoding: StaticArray<u32> = new StaticArray<u32>(0);
  contextTokens: StaticArray<f64> = new StaticArray<f64>(0);
  answerTokens: StaticArray<f64> = new StaticArray<f64>(0);
  /** Prompt tokens ever computed. */
  prefilledTokens: StaticArray<f64> = new StaticArray<f64>(0);
  /** Sums over time, in ms times what they are sums of. */
  decodingMs: StaticArray<f64> = new StaticArray<f64>(0);
  contextMs: StaticArray<f64> = new StaticArray<f64>(0);
  ownRequestsMs: StaticArray<f64> = new StaticArray<f64>(0);
  totalRequestsMs: StaticArray<f64> = new StaticArray<f64>(0);
  /** In flight through other Envoys, as the last table said. */
  remoteRequests: StaticArray<u32> = new StaticArray<u32>(0);
  /** Models sent to it last, `MODELS` a row, the newest anywhere among them; 0: none. */
  private models: StaticArray<u64> = new StaticArray<u64>(0);
  private nextModel: StaticArray<u8> = new StaticArray<u8>(0);
  private touchedMs: StaticArray<f64> = new StaticArray<f64>(0);

  /** Gives the account its columns; true if it stands for another endpoint than before. */
  adopt(ledger: Ledger, account: i32): bool {
    if (account >= this.count) this.growTo(ledger.accounts);
    const id = unchecked(ledger.id[account]);
    if (unchecked(this.id[account]) == id) return false;
    unchecked((this.id[account] = id));
    this.reset(account);
    return true;
  }

  /** The account has columns that stand for its endpoint: a table has named it. */
  isAdopted(ledger: Ledger, account: i32): bool {
    return (
      ledger.isLive(account) &&
      account < this.count &&
      unchecked(this.id[account]) == unchecked(ledger.id[account])
    );
  }

  /** Takes over what a table (bound to the ledger) says of other Envoys. */
  readRemote(table: Table, row: i32, account: i32): void {
    const known = unchecked(table.rowValid[row]) & VALID_REMOTE;
    unchecked((this.remoteRequests[account] = known ? unchecked(table.rowRemoteRequests[row]) : 0));
  }

  /** Brings the sums over time up to `nowMs`; to be called before anything of the account changes. */
  touch(account: i32, ledger: Ledger, nowMs: f64): void {
    const lastMs = unchecked(this.touchedMs[account]);
    const elapsedMs = nowMs - lastMs;
    // A clock that stands still or goes back adds nothing.
    if (!(elapsedMs > 0)) return;
    unchecked((this.touchedMs[account] = nowMs));
    if (lastMs == NEVER) return;
    const own = <f64>unchecked(ledger.requests[account]);
    const total = <f64>ledger.total(account) + <f64>unchecked(this.remoteRequests[account]);
    if (total == 0) return;
    unchecked((this.totalRequestsMs[account] += total * elapsedMs));
    if (own == 0) return;
    unchecked((this.ownRequestsMs[account] += own * elapsedMs));
    unchecked((this.decodingMs[account] += <f64>unchecked(this.decoding[account]) * elapsedMs));
    unchecked((this.contextMs[account] += unchecked(this.contextTokens[account]) * elapsedMs));
  }

  /** A request begins to decode, with so many tokens of prompt. */
  beginDecoding(account: i32, promptTokens: f64): void {
    unchecked(this.decoding[account]++);
    unchecked((this.contextTokens[account] += promptTokens));
  }

  addTokens(account: i32, tokens: f64): void {
    unchecked((this.contextTokens[account] += tokens));
    unchecked((this.answerTokens[account] += tokens));
  }

  /** It ends, with what it had added. With the last one the sums are exactly 0 again, whatever rounding left. */
  endDecoding(account: i32, promptTokens: f64, tokens: f64): void {
    const left = unchecked(this.decoding[account]) - 1;
    unchecked((this.decoding[account] = left));
    if (left == 0) {
      unchecked((this.contextTokens[account] = 0));
      unchecked((this.answerTokens[account] = 0));
      return;
    }
    unchecked((this.contextTokens[account] -= promptTokens + tokens));
    unchecked((this.answerTokens[account] -= tokens));
  }

  /** A request for a model (`nameHash`; 0: unknown) goes there. */
  send(account: i32, model: u64): void {
    if (model == 0 || this.sentLately(account, model)) return;
    const place = unchecked(this.nextModel[account]);
    unchecked((this.models[account * MODELS + <i32>place] = model));
    unchecked((this.nextModel[account] = <u8>((place + 1) % MODELS)));
  }

  /** The model is one of the last that were sent there. */
  sentLately(account: i32, model: u64): bool {
    for (let at = account * MODELS, end = at + MODELS; at < end; at++) {
      if (unchecked(this.models[at]) == model) return true;
    }
    return false;
  }

  private reset(account: i32): void {
    this.decoding[account] = 0;
    this.contextTokens[account] = 0;
    this.answerTokens[account] = 0;
    this.prefilledTokens[account] = 0;
    this.decodingMs[account] = 0;
    this.contextMs[account] = 0;
    this.ownRequestsMs[account] = 0;
    this.totalRequestsMs[account] = 0;
    this.remoteRequests[account] = 0;
    this.touchedMs[account] = NEVER;
    for (let at = account * MODELS, end = at + MODELS; at < end; at++) this.models[at] = 0;
    this.nextModel[account] = 0;
  }

  private growTo(count: i32): void {
    this.id = grown<u64>(this.id, count);
    this.decoding = grown<u32>(this.decoding, count);
    this.contextTokens = grown<f64>(this.contextTokens, count);
    this.answerTokens = grown<f64>(this.answerTokens, count);
    this.prefilledTokens = grown<f64>(this.prefilledTokens, count);
    this.decodingMs = grown<f64>(this.decodingMs, count);
    this.contextMs = grown<f64>(this.contextMs, count);
    this.ownRequestsMs = grown<f64>(this.ownRequestsMs, count);
    this.totalRequestsMs = grown<f64>(this.totalRequestsMs, count);
    this.remoteRequests = grown<u32>(this.remoteRequests, count);
    this.models = grown<u64>(this.models, count * MODELS);
    this.nextModel = grown<u8>(this.nextModel, count);
    this.touchedMs = grown<f64>(this.touchedMs, count);
    this.count = count;
  }
}
