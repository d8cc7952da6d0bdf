import { BodyScanner } from "../body/body_scanner";
import { Flights } from "../flights/flights";
import { Ledger } from "../ledger";
import { Picker } from "../picker";
import { PickRequest } from "../request";
import { Table } from "../table";

/** The one instance of each, which all exports work on. */
export const table = new Table();
export const ledger = new Ledger();
export const flights = new Flights(ledger);
export const request = new PickRequest();
export const scanner = new BodyScanner();

let picker = new Picker(1);

export function currentPicker(): Picker {
  return picker;
}

/** A new picker: what chance decides from now on depends on `seed` alone. */
export function seedPicker(seed: u64): void {
  picker = new Picker(seed);
}
