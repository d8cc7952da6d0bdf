import { addressOf, putU64 } from "../../wire/bytes";
import { fnv1a64 } from "../../wire/hash";

/**
 * The secret with which keys of prompts are made: the table's, once one had any, so that all VMs, Envoys and controllers
 * understand each other; before that, of this VM alone.
 */
export class SharedSecret {
  isShared: bool = false;
  /** Names the secret without being it; `secretTag` of the controller. */
  tag: u64 = 0;
  private readonly bytes: StaticArray<u8> = new StaticArray<u8>(8);

  /** `value` is drawn by the VM. */
  constructor(public value: u64) {}

  /**
   * What a table says: 0 is nothing, and changes nothing; true for another one than before. What was indexed under that
   * is found no more.
   */
  adopt(secret: u64): bool {
    if (secret == 0 || (this.isShared && secret == this.value)) return false;
    this.value = secret;
    this.isShared = true;
    putU64(addressOf(this.bytes), secret);
    this.tag = fnv1a64(addressOf(this.bytes), 8);
    return true;
  }
}
