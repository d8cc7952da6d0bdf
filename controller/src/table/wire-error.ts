import {
  REFUSED_FOREIGN_ENDIAN,
  REFUSED_HEADER,
  REFUSED_KIND,
  REFUSED_MAGIC,
  REFUSED_OVERSIZED,
  REFUSED_REFERENCE,
  REFUSED_SECTION,
  REFUSED_STALE_SEQUENCE,
  REFUSED_TOO_MANY_ROWS,
  REFUSED_TRUNCATED,
  REFUSED_VALUE,
  REFUSED_VERSION,
} from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";

const REFUSAL_NAMES: ReadonlyMap<number, string> = new Map([
  [REFUSED_TRUNCATED, "truncated"],
  [REFUSED_OVERSIZED, "oversized"],
  [REFUSED_MAGIC, "magic"],
  [REFUSED_FOREIGN_ENDIAN, "foreign-endian"],
  [REFUSED_VERSION, "version"],
  [REFUSED_KIND, "kind"],
  [REFUSED_HEADER, "header"],
  [REFUSED_SECTION, "section"],
  [REFUSED_TOO_MANY_ROWS, "too-many-rows"],
  [REFUSED_REFERENCE, "reference"],
  [REFUSED_VALUE, "value"],
  [REFUSED_STALE_SEQUENCE, "stale-sequence"],
]);

/** The word for a REFUSED_* number, `unknown-<n>` for one that this build does not know, `none` for 0. */
export function refusalName(refusal: number): string {
  return refusal === 0 ? "none" : (REFUSAL_NAMES.get(refusal) ?? `unknown-${refusal}`);
}

/** A message that a reader refuses; `refusal` is the REFUSED_* number that the filter counts too. */
export class WireError extends PickerError {
  readonly refusal: number;

  constructor(refusal: number, path: string, value: unknown, bound: unknown) {
    super("WIRE_REFUSED", `${refusalName(refusal)}: ${String(value)} against ${String(bound)}`, {
      path,
      value,
      bound,
    });
    this.name = "WireError";
    this.refusal = refusal;
  }
}
