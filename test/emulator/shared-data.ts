import { Status } from "./abi.ts";

interface Value {
  readonly bytes: Uint8Array;
  readonly cas: number;
}

/** Envoy's shared data of one process: by VM id and key, no size limit, nothing is ever deleted. */
export class SharedData {
  readonly #values = new Map<string, Map<string, Value>>();
  #nextCas = 1;

  get(vmId: string, key: string): Value | undefined {
    return this.#values.get(vmId)?.get(key);
  }

  /** CAS 0 is unconditional; a CAS for a key that does not exist is not checked, as in Envoy. */
  set(vmId: string, key: string, bytes: Uint8Array, cas: number): number {
    let values = this.#values.get(vmId);
    if (values === undefined) {
      values = new Map();
      this.#values.set(vmId, values);
    }
    const present = values.get(key);
    if (present !== undefined && cas !== 0 && cas !== present.cas) return Status.CasMismatch;
    values.set(key, { bytes: Uint8Array.from(bytes), cas: this.#nextCas++ });
    return Status.Ok;
  }

  keys(vmId: string): string[] {
    return [...(this.#values.get(vmId)?.keys() ?? [])].sort();
  }

  /** Sum of the stored values, in bytes. */
  bytes(vmId: string): number {
    let sum = 0;
    for (const value of this.#values.get(vmId)?.values() ?? []) sum += value.bytes.length;
    return sum;
  }
}
