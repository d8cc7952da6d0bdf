import { FormMachine } from "./form_machine";
import { RequestScanner } from "./request_scanner";

/** A form: `FormMachine` says what it takes. */
export class MultipartScanner extends RequestScanner {
  private readonly machine: FormMachine;

  constructor() {
    const machine = new FormMachine();
    super(machine);
    this.machine = machine;
  }

  /** Ready for a form of this boundary; false, and nothing can be fed, if it is not of 1 to 70 bytes. */
  begin(boundaryPtr: usize, boundaryBytes: i32): bool {
    return this.machine.begin(boundaryPtr, boundaryBytes);
  }

  /** Ready for another form of the same boundary. */
  reset(): void {
    this.machine.reset();
  }

  feed(ptr: usize, bytes: i32): i32 {
    return this.machine.feed(ptr, bytes);
  }

  finish(): i32 {
    return this.machine.finish();
  }
}
