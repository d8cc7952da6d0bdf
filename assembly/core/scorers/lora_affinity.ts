import { fnv1a64 } from "../../wire/hash";
import { ADAPTER_RUNNING, ADAPTER_WAITING, MODEL_FLAG_ADAPTER, VALID_ADAPTERS } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { Scorer } from "./scorer";

const ACTIVE: f32 = 1.0;
const SPARE: f32 = 0.8;
const WAITING: f32 = 0.6;

/**
 * Where the asked-for LoRA adapter is: active 1.0; not there but with room for one more 0.8; waiting
 * to be loaded 0.6; else 0 (the reference picker's lora-affinity scorer). Room means fewer adapters
 * running and waiting than the endpoint's maximum. 0 if the adapters were not measured. A request for
 * a base model, or for none, gets the same 0 everywhere: a model is an adapter if the pool's list
 * says so or any candidate holds an adapter of that name.
 */
export class LoraAffinity extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    const table = context.table;
    const request = context.request;
    const candidates = context.candidates;
    const count = context.count;
    const bytes = request.modelBytes;
    if (bytes == 0) {
      this.neutral(count, out);
      return;
    }
    const name = request.modelPtr;
    const hash = fnv1a64(name, bytes);
    const model = table.modelIndex(context.pool, name, bytes);
    let isAdapter = model >= 0 && (unchecked(table.modelFlags[model]) & MODEL_FLAG_ADAPTER) != 0;
    for (let index = 0; index < count; index++) {
      const row = unchecked(candidates[index]);
      let score: f32 = 0;
      if (unchecked(table.rowValid[row]) & VALID_ADAPTERS) {
        const state = table.adapterStateHashed(row, hash, name, bytes);
        if (state != 0) isAdapter = true;
        if (state == ADAPTER_RUNNING) score = ACTIVE;
        else if (<u32>unchecked(table.rowAdapterCount[row]) < unchecked(table.rowMaxAdapters[row]))
          score = SPARE;
        else if (state == ADAPTER_WAITING) score = WAITING;
      }
      unchecked((out[index] = score));
    }
    if (!isAdapter) this.neutral(count, out);
  }

  private neutral(count: i32, out: StaticArray<f32>): void {
    for (let index = 0; index < count; index++) unchecked((out[index] = 0));
  }
}
