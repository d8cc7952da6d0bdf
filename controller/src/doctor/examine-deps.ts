import type { Clocks } from "./endpoints.ts";

/** What the doctor takes from its process. */
export interface ExamineDeps extends Clocks {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** This program's. */
  readonly version: string;
  readonly nodeVersion: string;
  /** `>=20.18` */
  readonly nodeRange: string;
  /** Ms since the Unix epoch. */
  readonly wallMs: () => number;
}
