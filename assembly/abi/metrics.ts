import { proxy_define_metric, proxy_increment_metric } from "./imports";
import { RET_WORD } from "./memory";
import { STATUS_OK } from "./status";

const KIND_COUNTER: u32 = 0;

/** A counter of all VMs together; one that the host would not define counts nothing. */
export class Counter {
  private id: u32 = 0;
  private defined: bool = false;

  constructor(name: string) {
    const text = String.UTF8.encode(name);
    store<u32>(RET_WORD, 0);
    if (proxy_define_metric(KIND_COUNTER, changetype<usize>(text), text.byteLength, RET_WORD) == STATUS_OK) {
      this.id = load<u32>(RET_WORD);
      this.defined = true;
    }
  }

  add(by: i64 = 1): void {
    if (this.defined) proxy_increment_metric(this.id, by);
  }
}
