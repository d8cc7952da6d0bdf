import { addressOf, putU8 } from "../../wire/bytes";
import { Flights } from "../flights/flights";
import { Ledger } from "../ledger";
import { PickContext } from "../pick_context";
import { Random } from "../random";
import { PickRequest } from "../request";
import { scorerOf } from "../scorers/registry";
import { Table } from "../table";
import { TableBuilder } from "./table_builder";

/** What `out` holds before a scorer runs, to see what it wrote. */
const UNTOUCHED: f32 = -7;

/** A table, what is in flight and a request, and the scores that a scorer gives them. */
export class Scoring {
  table: Table = new Table();
  ledger: Ledger = new Ledger();
  flights: Flights = new Flights(this.ledger);
  request: PickRequest = new PickRequest();
  /** Scores of the last `run` by endpoint row, and what lies behind them. */
  scores: StaticArray<f32> = new StaticArray<f32>(64);

  private context: PickContext = new PickContext(new Random(1));
  private model: StaticArray<u8> = new StaticArray<u8>(64);

  /** Takes the builder's table over and binds it to the ledger. */
  take(builder: TableBuilder): Scoring {
    assert(builder.decodeInto(this.table) == 0, "the table is accepted");
    this.flights.adopt(this.table);
    return this;
  }

  /** The request asks for this model. */
  ask(model: string): Scoring {
    for (let at = 0; at < model.length; at++)
      putU8(addressOf<u8>(this.model) + at, <u32>model.charCodeAt(at));
    this.request.modelPtr = addressOf<u8>(this.model);
    this.request.modelBytes = model.length;
    return this;
  }

  /** So many requests go out to the endpoint of a row. */
  open(row: i32, requests: i32): Scoring {
    for (let request = 0; request < requests; request++) this.ledger.open(this.table.rowAccount[row], 10, 10);
    return this;
  }

  /** Scores every row of the pool with a SCORER_* kind; how many there are. */
  run(kind: u32): i32 {
    const context = this.context;
    context.begin(this.table, this.flights, 0, this.request);
    context.countInFlight();
    for (let row = 0; row < this.scores.length; row++) this.scores[row] = UNTOUCHED;
    const scorer = scorerOf(kind);
    assert(scorer != null, "the kind has a scorer");
    scorer!.score(context, this.scores);
    return context.count;
  }

  /** The score that the last `run` gave a row. */
  of(row: i32): f32 {
    return this.scores[row];
  }

  /** Nothing behind the first `count` scores was written. */
  keptToItself(count: i32): bool {
    for (let row = count; row < this.scores.length; row++) if (this.scores[row] != UNTOUCHED) return false;
    return true;
  }
}
