/** The guest did what a strict host does not forgive. Fails the test, whoever catches it in between. */
export class HostViolation extends Error {
  constructor(
    readonly call: string,
    readonly where: string,
    readonly reason: string,
  ) {
    super(`${call} in ${where}: ${reason}`);
    this.name = "HostViolation";
  }
}
