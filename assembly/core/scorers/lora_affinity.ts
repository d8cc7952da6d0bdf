import { ADAPTER_RUNNING, ADAPTER_WAITING, MODEL_FLAG_ADAPTER, VALID_ADAPTERS } from "../../wire/layout";
import { nameHash } from "../name_hash";
import { PickContext } from "../pick_context";
import { Scorer } from "./scorer";

const ACTIVE: f32 = 1.0;
const SPARE: f32 = 0.8;
const WAITING: f32 = 0.6;

/**
 * Where the asked-for LoRA adapter is: active 1.0; not there but with room for one more 0.8; waiting
 * to be loaded 0.6; else 0 (the reference picker's lora-affinity scorer). Room means fewer adapters
 * running and waiting than the endpoint's maximum. 0 if the adapters were not measured.
 *
 * Any model may be an adapter, loaded or not, and is scored so, as the reference scores every request;
 * with an empty list of models that goes for all of them. Two requests get the same 0 everywhere: one
 * without a model, and one for a model that the pool lists without the adapter flag, unless a candidate
 * holds an adapter of that name after all.
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
    const hash = nameHash(name, bytes);
    const model = table.modelIndex(context.pool, name, bytes);
    let mayBeAdapter = model < 0 || (unchecked(table.modelFlags[model]) & MODEL_FLAG_ADAPTER) != 0;
    for (let index = 0; index < count; index++) {
      const row = unchecked(candidates[index]);
      let score: f32 = 0;
      if (unchecked(table.rowValid[row]) & VALID_ADAPTERS) {
        const state = table.adapterStateHashed(row, hash, name, bytes);
        if (state != 0) mayBeAdapter = true;
        if (state == ADAPTER_RUNNING) score = ACTIVE;
        else if (<u32>unchecked(table.rowAdapterCount[row]) < unchecked(table.rowMaxAdapters[row]))
          score = SPARE;
        else if (state == ADAPTER_WAITING) score = WAITING;
      }
      unchecked((out[index] = score));
    }
    if (!mayBeAdapter) this.neutral(count, out);
  }

  private neutral(count: i32, out: StaticArray<f32>): void {
    for (let index = 0; index < count; index++) unchecked((out[index] = 0));
  }
}
